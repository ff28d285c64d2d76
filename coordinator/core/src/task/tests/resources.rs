//! Resources: nobody is given more than it has, except by force; and what declarations are worth over time.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::TaskState;

use crate::assign::{Backlog, Health};
use crate::attention::Attended;
use crate::detail::detail;
use crate::lead::{health, job, placements};
use crate::liveness::{DECLARED_MS, LOST_MS};
use crate::reserve::Reserved;
use crate::steady::{FREE_MARKS, HOLD_FIRST_MS};
use crate::task::rig::{Rig, data, name, now};
use crate::task::{FreshIds, timer};

/// Lets an agent say what it has.
fn declare(rig: &mut Rig, agent: &str, resources: Value, slots: u16, at: Attended) {
    let mut beat = rig
        .roster
        .member(&name(agent))
        .unwrap()
        .heartbeat()
        .unwrap()
        .clone();
    beat.seq += 1;
    beat.resources = serde_json::from_value(resources).unwrap();
    beat.slots = slots.try_into().ok();
    rig.roster.hear(name(agent), beat, now(0), at);
}

/// Lets the log tell that an agent is there: only those whose machine says so are given work.
fn muster(rig: &mut Rig, agent: &str) {
    let event = json!({
        "id": rig.ids.fresh(), "entity": "agent", "entity_id": agent, "seq": 1, "from": null, "to": "active",
        "event": "beat", "actor": "coordinator", "cause": {"type": "heartbeat", "id": null}, "guard": null,
        "at": now(0).wall, "data": {},
    });
    let event = serde_json::from_value(event).unwrap();
    rig.world.apply(rig.world.last() + 1, &event).unwrap();
}

fn rig(memory_mb: f64, slots: u16) -> Rig {
    let mut rig = Rig::new();
    for agent in ["alice", "bob"] {
        muster(&mut rig, agent);
    }
    for agent in ["alice", "bob"] {
        declare(
            &mut rig,
            agent,
            json!({"memory_mb": memory_mb}),
            slots,
            Attended::default(),
        );
    }
    rig
}

fn submit(rig: &mut Rig, memory_mb: f64) -> Id {
    rig.submit(&json!({"title": "work", "capabilities": ["rust"], "resources": {"memory_mb": memory_mb}}))
}

/// What is left of an agent's memory.
fn free(rig: &Rig, agent: &str) -> f64 {
    let member = rig.roster.member(&name(agent)).unwrap();
    Reserved::of(&rig.world).resources(member)["memory_mb"].free
}

/// One round of the leader.
fn assign(rig: &mut Rig) -> Vec<Id> {
    let mut backlog = Backlog::default();
    let pending = rig.world.in_state(TaskState::Pending);
    pending.for_each(|entry| backlog.put(job(entry)));
    let now = now(u64::try_from(rig.now_ms % 1_000_000).unwrap());
    let placed = placements(&rig.world, &rig.roster, now, &mut backlog);
    for placement in &placed {
        let explanation = serde_json::to_value(&placement.explanation).ok();
        rig.by_leader(|world, scribe| {
            timer::assign(
                world.task(&placement.task)?,
                &placement.agent,
                explanation,
                scribe,
            )
        });
    }
    placed.into_iter().map(|placement| placement.task).collect()
}

#[test]
fn the_router_gives_nobody_more_than_it_has_and_says_what_is_missing() {
    let mut rig = rig(1_000.0, 4);
    let tasks: Vec<Id> = (0..4).map(|_| submit(&mut rig, 600.0)).collect();
    let large = submit(&mut rig, 2_000.0);
    assert_eq!(
        assign(&mut rig).len(),
        2,
        "one each, though both have slots for four"
    );
    assert_eq!((free(&rig, "alice"), free(&rig, "bob")), (400.0, 400.0));
    assert!(assign(&mut rig).is_empty());

    // What is complete is free again, without anything being given back.
    let (id, holder) = tasks
        .iter()
        .find_map(|id| Some((*id, rig.task(id).task.assigned_to.clone()?)))
        .unwrap();
    let done = json!({"task_id": id, "epoch": 1, "result": 1});
    rig.ask(holder.as_str(), TaskVerb::Complete, &done);
    assert_eq!(free(&rig, holder.as_str()), 1_000.0);
    let placed = assign(&mut rig);
    let [next] = placed[..] else { panic!("{placed:?}") };
    let why = rig.task(&next).explanation.as_ref().unwrap().value();
    let candidates = why["candidates"].as_array().unwrap();
    let other = candidates
        .iter()
        .find(|candidate| candidate["agent"] != holder.as_str())
        .unwrap();
    assert_eq!(
        other["why_not"].as_str().unwrap(),
        "has 400 memory_mb free, it needs 600",
        "{why}"
    );
    assert_eq!(rig.task(&large).task.state, TaskState::Pending);
}

#[test]
fn a_claim_or_an_assignment_needs_room_and_force_does_not() {
    let mut rig = rig(1_000.0, 4);
    let (first, second, third) = (
        submit(&mut rig, 700.0),
        submit(&mut rig, 700.0),
        submit(&mut rig, 700.0),
    );
    let won = rig.ask("alice", TaskVerb::Accept, &json!({"task_id": first}));
    assert_eq!((won.event.as_str(), won.to.as_str()), ("accept", "in_progress"));
    for (from, verb, body) in [
        ("alice", TaskVerb::Accept, json!({"task_id": second})),
        (
            "operator",
            TaskVerb::Assign,
            json!({"task_id": second, "agent": "alice"}),
        ),
    ] {
        let refused = data(&rig.ask(from, verb, &body)).error.unwrap();
        assert_eq!(refused.code, ErrorCode::Forbidden);
        assert_eq!(
            refused.message,
            "alice has 300 of 1000 memory_mb free, the task needs 700"
        );
        assert!(refused.hint.is_some());
    }
    // Who says nothing of memory has none of it.
    let forced = json!({"task_id": second, "agent": "carol"});
    let refused = data(&rig.ask("operator", TaskVerb::Assign, &forced))
        .error
        .unwrap();
    assert_eq!(refused.message, "carol reports no memory_mb, the task needs 700");

    let forced = json!({"task_id": second, "agent": "alice", "force": true});
    assert_eq!(rig.ask("operator", TaskVerb::Assign, &forced).to, "assigned");
    assert_eq!(free(&rig, "alice"), -400.0);
    // Whoever has too much gets nothing more.
    assert_eq!(assign(&mut rig), [third]);
    assert_eq!(rig.task(&third).task.assigned_to, Some(name("bob")));
    let shown = detail(rig.roster.member(&name("alice")).unwrap(), &rig.world);
    assert_eq!(
        (shown.resources[0].used, shown.resources[0].free),
        (1_400.0, -400.0)
    );
    assert_eq!((shown.tasks.len(), shown.slots), (2, 4));
    assert_eq!(shown.skills[0].declared.unwrap().get(), 5);
}

#[test]
fn a_tenth_three_times_is_three_tenths() {
    let mut rig = rig(0.3, 8);
    let tasks: Vec<Id> = (0..3).map(|_| submit(&mut rig, 0.1)).collect();
    for id in &tasks {
        let won = rig.ask("alice", TaskVerb::Accept, &json!({"task_id": id}));
        assert_eq!(won.to, "in_progress", "{won:?}");
    }
    let more = submit(&mut rig, 0.001);
    assert_eq!(
        rig.ask("alice", TaskVerb::Accept, &json!({"task_id": more}))
            .event,
        "refused"
    );
}

#[test]
fn what_a_lost_agent_declared_counts_for_an_hour() {
    let mut rig = rig(1_000.0, 2);
    let at = Attended::default();
    rig.roster.wake(at.after(LOST_MS));
    let member = rig.roster.member(&name("alice")).unwrap();
    assert_eq!(
        (health(member, rig.world.crew()), member.capabilities().len()),
        (Health::Lost, 1)
    );
    let draft = json!({"title": "later", "capabilities": ["rust"]});
    assert_eq!(rig.ask("sue", TaskVerb::Submit, &draft).event, "submit");

    rig.roster.pass(at.after(DECLARED_MS));
    let member = rig.roster.member(&name("alice")).unwrap();
    assert_eq!((member.capabilities(), member.resources()), (&[][..], None));
    assert!(member.record().capabilities.is_empty());
    let refused = data(&rig.ask("sue", TaskVerb::Submit, &draft)).error.unwrap();
    assert_eq!(refused.code, ErrorCode::UnknownCapability);

    // One heartbeat brings all of it back.
    declare(
        &mut rig,
        "alice",
        json!({"memory_mb": 5}),
        1,
        at.after(DECLARED_MS),
    );
    assert_eq!(rig.ask("sue", TaskVerb::Submit, &draft).event, "submit");
}

#[test]
fn who_flaps_gets_work_again_once_it_holds() {
    let mut rig = rig(1_000.0, 2);
    let mut at = Attended::default();
    let beat = |rig: &mut Rig, at| declare(rig, "alice", json!({"memory_mb": 1_000}), 2, at);
    let look = |rig: &Rig| health(rig.roster.member(&name("alice")).unwrap(), rig.world.crew());
    let mut late = 0;
    while look(&rig) != Health::Unsteady {
        late += 1;
        assert!(late < 4 * FREE_MARKS, "it is never unsteady");
        at = at.after(LOST_MS - 1);
        rig.roster.wake(at);
        beat(&mut rig, at);
    }
    assert!(late > FREE_MARKS, "{late}");
    // Bob was last heard of at the beginning: nobody is left for it.
    let task = submit(&mut rig, 1.0);
    assert!(assign(&mut rig).is_empty());
    // It may still ask for it by itself.
    rig.roster.pass(at.after(HOLD_FIRST_MS));
    assert_eq!(look(&rig), Health::Ready);
    assert_eq!(assign(&mut rig), [task]);
}

#[test]
fn the_operator_chooses_the_strategy_of_tasks_that_name_none() {
    let mut rig = rig(1_000.0, 4);
    let set = json!({"strategy": "round_robin"});
    let refused = data(&rig.ask("sue", TaskVerb::Control, &set)).error.unwrap();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert_eq!(rig.world.settings().strategy().as_str(), "intelligent");
    let event = rig.ask("operator", TaskVerb::Control, &set);
    assert_eq!(
        (event.from.as_deref(), event.to.as_str(), event.seq),
        (Some("intelligent"), "round_robin", 2)
    );
    let verdict: Value = serde_json::from_slice(&rig.letters[0].body).unwrap();
    assert_eq!(
        (&verdict["level"], &verdict["result"]["strategy"]),
        (&json!("done"), &json!("round_robin"))
    );

    let plain = submit(&mut rig, 1.0);
    let own = json!({"title": "work", "capabilities": ["rust"], "strategy": "least_connections"});
    let own = rig.submit(&own);
    assert_eq!(assign(&mut rig).len(), 2);
    let strategy = |rig: &Rig, id| rig.task(id).explanation.as_ref().unwrap().value()["strategy"].clone();
    assert_eq!(strategy(&rig, &plain), "round_robin");
    assert_eq!(strategy(&rig, &own), "least_connections");
}

/// Something that happens to one of the tasks.
#[derive(Debug, Clone)]
enum Turn {
    Submit(u8, usize),
    Claim(usize, usize),
    Assign(usize, usize),
    Force(usize, usize),
    End(usize, usize),
    Round,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (1..12_u8, 0..8_usize).prop_map(|(amount, strategy)| Turn::Submit(amount, strategy)),
        2 => (0..20_usize, 0..2_usize).prop_map(|(task, agent)| Turn::Claim(task, agent)),
        2 => (0..20_usize, 0..2_usize).prop_map(|(task, agent)| Turn::Assign(task, agent)),
        1 => (0..20_usize, 0..2_usize).prop_map(|(task, agent)| Turn::Force(task, agent)),
        3 => (0..20_usize, 0..4_usize).prop_map(|(task, verb)| Turn::End(task, verb)),
        3 => Just(Turn::Round),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whatever is submitted, claimed, assigned and ended: nobody holds more than it has, unless it was forced to.
    #[test]
    fn nobody_holds_more_than_it_has_unless_by_force(turns in vec(turn(), 0..60)) {
        const TOTAL: f64 = 10.0;
        let mut rig = rig(TOTAL, 8);
        let (mut tasks, mut forced) = (Vec::new(), std::collections::BTreeSet::new());
        let agents = ["alice", "bob"];
        for turn in turns {
            match turn {
                Turn::Submit(amount, strategy) => {
                    let strategy = wagglebus_schemas::task::Strategy::ALL.get(strategy);
                    let draft = json!({
                        "title": "work", "capabilities": ["rust"], "strategy": strategy,
                        "resources": {"memory_mb": f64::from(amount)}, "max_attempts": 9,
                    });
                    tasks.push(rig.submit(&draft));
                }
                Turn::Round => drop(assign(&mut rig)),
                Turn::Claim(task, agent) => {
                    if let Some(id) = tasks.get(task) {
                        rig.ask(agents[agent], TaskVerb::Accept, &json!({"task_id": id}));
                    }
                }
                Turn::Assign(task, agent) | Turn::Force(task, agent) => {
                    if let Some(id) = tasks.get(task) {
                        let force = matches!(turn, Turn::Force(..));
                        let body = json!({"task_id": id, "agent": agents[agent], "force": force});
                        if rig.ask("operator", TaskVerb::Assign, &body).event == "assign" && force {
                            forced.insert(*id);
                        }
                    }
                }
                Turn::End(task, verb) => {
                    if let Some(id) = tasks.get(task)
                        && let Some(holder) = rig.task(id).task.assigned_to.clone()
                    {
                        let verbs = [TaskVerb::Complete, TaskVerb::Fail, TaskVerb::Refuse, TaskVerb::Block];
                        let epoch = rig.task(id).task.epoch;
                        let body = json!({
                            "task_id": id, "epoch": epoch, "result": 1, "error": "no", "retryable": true,
                            "reason": "no",
                        });
                        rig.ask(holder.as_str(), verbs[verb], &body);
                    }
                }
            }
            let holds_forced = |agent: &str| {
                rig.world.held().any(|entry| {
                    entry.task.assigned_to.as_ref().map(|holder| holder.as_str()) == Some(agent)
                        && forced.contains(&entry.task.id)
                })
            };
            for agent in agents {
                prop_assert!(free(&rig, agent) >= 0.0 || holds_forced(agent), "{agent} has {}", free(&rig, agent));
                let mine = rig.world.held().filter(|e| e.task.assigned_to == Some(name(agent)));
                let taken: f64 = mine.map(|entry| entry.task.resources.memory_mb.get()).sum();
                prop_assert!((TOTAL - taken - free(&rig, agent)).abs() < 1e-9, "what is reserved is what is held");
            }
        }
    }
}
