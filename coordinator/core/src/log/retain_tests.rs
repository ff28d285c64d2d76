//! Tests of what the fold lets go, and of what is still known of it.

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::state::AgentState;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::retain::{Bounds, ENDED_PLACES_MAX, GONE_MS, REMOVED_MS, WHOLE_MS};
use super::snapshot;
use super::{Entity, World};
use crate::fsm::agent::AgentEvent;
use crate::task::rig::{Rig, about, data, name};
use crate::task::timer;

impl Rig {
    /// A task that ends at once, well or not.
    fn ended(&mut self, well: bool) -> Id {
        let id = self.submit(&json!({"title": "work"}));
        if well {
            self.ask(
                "operator",
                TaskVerb::Assign,
                &json!({"task_id": id, "agent": "alice"}),
            );
            self.ask("alice", TaskVerb::Complete, &about(id, Some(1)));
        } else {
            self.ask("sue", TaskVerb::Cancel, &json!({"task_id": id, "reason": "no"}));
        }
        assert!(self.task(&id).task.state.is_terminal());
        id
    }

    /// Time passes, and something happens that has to do with nothing else.
    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        self.agent_event("dora", AgentEvent::Enrol, AgentState::Onboarding);
    }

    fn agent_event(&mut self, agent: &str, event: AgentEvent, to: AgentState) {
        let known = self.world.crew().agent(&name(agent)).cloned();
        self.now_ms += 1;
        let event = Event {
            id: Id::from_bytes(self.now_ms.to_be_bytes().repeat(2).try_into().unwrap()),
            entity: EventKind::Agent,
            entity_id: agent.to_owned(),
            seq: known.as_ref().map_or(1, |entry| entry.seq + 1),
            from: known.map(|entry| entry.state.to_string()),
            to: to.to_string(),
            event: event.as_str().to_owned(),
            actor: AgentId::coordinator(),
            cause: Cause {
                kind: CauseType::Leader,
                id: None,
                stream: None,
                seq: None,
            },
            guard: event.guard().map(str::to_owned),
            at: Timestamp::from_unix_ms(self.now_ms).unwrap(),
            data: serde_json::Map::new(),
        };
        self.world.apply(self.world.last() + 1, &event).unwrap();
    }

    /// As somebody knows it who begins with a snapshot.
    fn reread(&self) -> World {
        let (_, bytes) = snapshot::encode(&self.world, None).unwrap();
        let (_, mut world) = snapshot::decode(&bytes).unwrap();
        world.order.bounds = self.world.order.bounds;
        world.forgotten.clone_from(&self.world.forgotten);
        world
    }
}

#[test]
fn an_ended_task_is_known_whole_for_30_days_and_its_end_for_60() {
    let mut rig = Rig::new();
    let (done, cancelled) = (rig.ended(true), rig.ended(false));
    rig.pass(WHOLE_MS - 1_000);
    assert_eq!(rig.task(&done).task.state, TaskState::Completed);
    rig.pass(2_000);
    for (id, state) in [(done, TaskState::Completed), (cancelled, TaskState::Cancelled)] {
        assert!(rig.world.task(&id).is_none());
        assert_eq!(rig.world.gone(&id).unwrap().state, state);
        assert_eq!(rig.world.index().places(&Entity::Task(id)).count(), 0);
    }
    assert_eq!(rig.world, rig.reread());

    // Commands about it are answered by what is known.
    let refused = rig.ask("sue", TaskVerb::Cancel, &json!({"task_id": done, "reason": "no"}));
    let error = data(&refused).error.unwrap();
    assert_eq!(error.code, ErrorCode::IllegalTransition);
    assert!(error.message.contains("is completed since"), "{error:?}");
    // The same again is no second task, and another one under its id is none, either.
    for (title, code) in [
        ("work", ErrorCode::IllegalTransition),
        ("play", ErrorCode::IdempotencyConflict),
    ] {
        let body = serde_json::to_vec(&json!({ "title": title })).unwrap();
        let again = rig.command("sue", TaskVerb::Submit, &done.to_string(), &body);
        assert_eq!(data(&again).error.unwrap().code, code);
    }
    // What depends on it begins, or fails.
    let begins = rig.submit(&json!({"title": "then", "depends_on": [done]}));
    assert_eq!(rig.task(&begins).task.state, TaskState::Pending);
    let fails = rig.submit(&json!({"title": "then", "depends_on": [cancelled]}));
    rig.by_leader(|world, scribe| timer::ready(world, world.task(&fails)?, scribe));
    assert_eq!(rig.task(&fails).task.state, TaskState::Failed);

    rig.pass(GONE_MS - WHOLE_MS);
    assert_eq!((rig.world.gone(&done), rig.world.gone(&cancelled)), (None, None));
    assert!(rig.world.forgotten().contains(&Entity::Task(done)));
    let body = json!({"title": "then", "depends_on": [done]});
    let refused = rig.ask("sue", TaskVerb::Submit, &body);
    assert_eq!(data(&refused).error.unwrap().code, ErrorCode::NotFound);
    assert_eq!(rig.world, rig.reread());
}

#[test]
fn what_somebody_waits_for_is_not_forgotten() {
    let mut rig = Rig::new();
    let done = rig.ended(true);
    let open = rig.submit(&json!({"title": "first"}));
    let waits = rig.submit(&json!({"title": "then", "depends_on": [done, open]}));
    rig.pass(GONE_MS + 1_000);
    assert_eq!(rig.world.state_of(&done), Some(TaskState::Completed));
    assert_eq!(rig.world, rig.reread());
    rig.ask(
        "sue",
        TaskVerb::Cancel,
        &json!({"task_id": waits, "reason": "no"}),
    );
    assert_eq!(rig.world.state_of(&done), None);
    assert_eq!(rig.world.dependents(&open).count(), 0);
}

#[test]
fn ended_tasks_are_bounded_in_number_and_in_bytes() {
    let mut rig = Rig::new();
    rig.world.order.bounds.whole = 3;
    let all: Vec<Id> = (0..5).map(|_| rig.ended(false)).collect();
    let whole: Vec<bool> = all.iter().map(|id| rig.world.task(id).is_some()).collect();
    assert_eq!(whole, [false, false, true, true, true]);
    let short = serde_json::to_vec(&rig.task(&all[4]).task).unwrap().len();
    rig.world.order.bounds = Bounds {
        // One short one beside a long one.
        whole_bytes: 2 * short + 1_600,
        ..Bounds::default()
    };
    let long = rig.submit(&json!({"title": "long", "input": "x".repeat(1_500)}));
    rig.ask("sue", TaskVerb::Cancel, &json!({"task_id": long, "reason": "no"}));
    let whole: Vec<bool> = all.iter().map(|id| rig.world.task(id).is_some()).collect();
    assert_eq!(whole, [false, false, false, false, true], "{:?}", rig.task(&long));
    rig.world.order.bounds.gone = 2;
    rig.pass(1);
    let known: Vec<bool> = all.iter().map(|id| rig.world.state_of(id).is_some()).collect();
    assert_eq!(known, [false, false, true, true, true]);
    assert_eq!(rig.world, rig.reread());
}

#[test]
fn of_an_ended_task_less_is_known_than_of_one_at_work() {
    let mut rig = Rig::new();
    rig.world.order.bounds.explained = 1;
    let first = rig.ended(true);
    assert!(rig.task(&first).explanation.is_some());
    let (mut second, id) = Rig::brought_to(TaskState::InProgress);
    for _ in 0..ENDED_PLACES_MAX + 20 {
        second.ask("alice", TaskVerb::Progress, &about(id, Some(2)));
    }
    let places = |rig: &Rig| rig.world.index().places(&Entity::Task(id)).count();
    assert!(places(&second) > ENDED_PLACES_MAX);
    second.ask("alice", TaskVerb::Complete, &about(id, Some(2)));
    assert_eq!(places(&second), ENDED_PLACES_MAX);
    second.ask("alice", TaskVerb::Cancel, &about(id, Some(2)));
    assert_eq!(places(&second), ENDED_PLACES_MAX);
    let last = second.world.last_of(&Entity::Task(id));
    assert_eq!(last, second.world.last(), "the latest are kept");

    rig.ended(true);
    assert!(rig.task(&first).explanation.is_none());
    assert_eq!(rig.world, rig.reread());
}

#[test]
fn a_removed_agent_is_forgotten_and_who_gets_its_name_is_told_something_later() {
    let mut rig = Rig::new();
    for agent in ["eve", "fay"] {
        rig.agent_event(agent, AgentEvent::Enrol, AgentState::Onboarding);
    }
    rig.agent_event("fay", AgentEvent::Pause, AgentState::Paused);
    let paused = rig.world.crew().control(&name("fay")).event_seq;
    for agent in ["eve", "fay"] {
        rig.agent_event(agent, AgentEvent::Remove, AgentState::Shutdown);
    }
    rig.pass(REMOVED_MS - 1_000);
    assert!(rig.world.crew().agent(&name("eve")).is_some());
    assert_eq!(rig.world, rig.reread());
    rig.pass(2_000);
    let forgotten: Vec<Entity> = ["eve", "fay"].map(|agent| Entity::Agent(name(agent))).into();
    assert_eq!(rig.world.forgotten(), forgotten);
    for agent in ["eve", "fay"] {
        assert!(rig.world.crew().agent(&name(agent)).is_none());
        assert_eq!(rig.world.last_of(&Entity::Agent(name(agent))), 0);
    }
    rig.agent_event("fay", AgentEvent::Enrol, AgentState::Onboarding);
    let control = rig.world.crew().control(&name("fay"));
    assert!(
        !control.paused && control.event_seq > paused,
        "{control:?} {paused}"
    );
    // Whoever is enrolled is known, however long ago that was.
    assert!(rig.world.crew().agent(&name("dora")).is_some());
    assert_eq!(rig.world, rig.reread());
}

/// Whoever begins with a snapshot, wherever that was taken, lets go the same as who read everything.
#[test]
fn all_let_go_the_same() {
    let mut seed = 1_u64;
    let mut chance = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let mut rig = Rig::new();
    rig.world.order.bounds = Bounds {
        whole: 12,
        whole_bytes: 9_000,
        explained: 4,
        gone: 20,
        removed: 2,
    };
    let (mut all, mut forgotten) = (Vec::new(), 0);
    for n in 0..400 {
        match chance(6) {
            0 => all.push(rig.ended(true)),
            1 => all.push(rig.ended(false)),
            2 if !all.is_empty() => {
                let two = [0, 1].map(|_| all[usize::try_from(chance(all.len() as u64)).unwrap()]);
                let known = two.iter().all(|id| rig.world.state_of(id).is_some());
                if known && two[0] != two[1] {
                    all.push(rig.submit(&json!({"title": "then", "depends_on": two})));
                }
            }
            3 => all.push(rig.submit(&json!({"title": "open", "input": "x".repeat(300)}))),
            4 if !all.is_empty() => {
                let id = all[usize::try_from(chance(all.len() as u64)).unwrap()];
                rig.ask(
                    "operator",
                    TaskVerb::Cancel,
                    &json!({"task_id": id, "reason": "no"}),
                );
            }
            _ => {
                let agent = format!("agent-{}", chance(6));
                if rig
                    .world
                    .crew()
                    .agent(&name(&agent))
                    .is_some_and(|entry| entry.enrolled)
                {
                    rig.agent_event(&agent, AgentEvent::Remove, AgentState::Shutdown);
                } else {
                    rig.agent_event(&agent, AgentEvent::Enrol, AgentState::Onboarding);
                }
            }
        }
        forgotten += rig.world.forgotten().len();
        let reread = rig.reread();
        assert_eq!(rig.world, reread, "step {n}");
        if chance(3) == 0 {
            rig.world = reread;
        }
        let ended = rig
            .world
            .tasks()
            .filter(|entry| entry.task.state.is_terminal())
            .count();
        assert!(ended <= 12, "{ended}");
        rig.now_ms += i64::try_from(chance(5)).unwrap() * 86_400_000;
    }
    assert!(forgotten > 20, "{forgotten}");
}
