//! Tests of what a leader writes of agents and of the hive.

use serde_json::{Value, json};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::{AgentId, Hive, Timestamp};

use crate::attention::{Attended, Now};
use crate::lead::{Appended, Coordination, Desk, Order};
use crate::log::Letter;
use crate::roster::Roster;
use crate::task::rig::{Ids, name, now, roster};
use crate::task::{Ask, FreshIds as _};

/// A leader, and the log that it writes.
pub(in crate::lead) struct Stage {
    pub(in crate::lead) coordination: Coordination,
    pub(in crate::lead) roster: Roster,
    ids: Ids,
    pub(in crate::lead) now: Now,
    pub(in crate::lead) log: Vec<Event>,
    pub(in crate::lead) letters: Vec<Letter>,
    commands: u64,
}

impl Stage {
    /// A leader of these agents.
    pub(in crate::lead) fn new(agents: &[(&str, &[&str])]) -> Self {
        let mut stage = Self {
            coordination: Coordination::new(Hive::default(), "a".to_owned()),
            roster: roster(agents),
            ids: Ids::default(),
            now: now(1_000),
            log: Vec::new(),
            letters: Vec::new(),
            commands: 0,
        };
        stage.lead();
        stage
    }

    /// Reads the log and begins to lead; what it says beside its first line.
    pub(in crate::lead) fn lead(&mut self) -> String {
        for (seq, event) in (1..).zip(self.log.clone()) {
            self.act(|c, desk| c.logged(desk, seq, Ok(event)));
        }
        let last = self.log.len() as u64;
        self.act(|c, desk| c.caught_up(desk, last));
        let [Order::Append { events, .. }] = &self.act(Coordination::elected)[..] else {
            panic!("no first line");
        };
        let first = events[0].clone();
        self.log.push(first.clone());
        self.drive(|c, desk| c.logged(desk, last + 1, Ok(first)))
    }

    pub(in crate::lead) fn act(&mut self, act: impl FnOnce(&mut Coordination, &mut Desk<'_>)) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut desk = Desk {
            now: self.now,
            roster: &self.roster,
            ids: &mut self.ids,
            orders: &mut orders,
        };
        act(&mut self.coordination, &mut desk);
        orders
    }

    /// Lets something happen and stores what is decided: each event of a machine as `entity word>state`.
    pub(in crate::lead) fn drive(&mut self, act: impl FnOnce(&mut Coordination, &mut Desk<'_>)) -> String {
        let mut orders = self.act(act);
        let mut said = Vec::new();
        while !orders.is_empty() {
            let mut next = Vec::new();
            for order in orders {
                match order {
                    Order::Append { after, events } => {
                        assert_eq!(after, self.log.len() as u64);
                        let machines = events
                            .iter()
                            .filter(|event| ["agent", "swarm"].contains(&event.entity.as_str()));
                        said.extend(
                            machines.map(|event| format!("{} {}>{}", event.entity_id, event.event, event.to)),
                        );
                        self.log.extend(events);
                        let last = self.log.len() as u64;
                        next.extend(self.act(|c, desk| c.appended(desk, after, Appended::Stored(last))));
                    }
                    Order::Publish(letter) => self.letters.push(letter),
                    Order::Heard(_)
                    | Order::ReadAgain(_)
                    | Order::Listen { .. }
                    | Order::StopListening
                    | Order::Reread
                    | Order::Alerts(_)
                    | Order::Survey
                    | Order::Project(_)
                    | Order::Moved(_)
                    | Order::Warn(_)
                    | Order::Resign => {}
                }
            }
            orders = next;
        }
        said.join(", ")
    }

    /// A heartbeat.
    pub(in crate::lead) fn beat(&mut self, agent: &str, (epoch, seq): (u64, u64), state: &str) -> String {
        let lane = json!({"pending": 0, "oldest_ms": null});
        let beat = json!({
            "agent": agent, "epoch": epoch, "seq": seq, "interval_ms": 3_000, "state": state, "hold": null,
            "bridges": [], "in_flight": [], "spool": {"unstored": 0, "bytes": 0},
            "inbox": {"urgent": lane, "high": lane, "normal": lane, "low": lane},
            "agent_cpu_ms": null, "agent_rss_bytes": null, "cpu_ms": 1, "rss_bytes": 1,
            "version": "1", "capabilities": [], "at": Timestamp::EPOCH,
        });
        let beat = serde_json::from_value(beat).unwrap();
        self.roster.hear(name(agent), beat, self.now, Attended::default());
        let agent: AgentId = name(agent);
        self.drive(|c, desk| {
            c.heard(agent);
            c.roster_changed(desk);
        })
    }

    pub(in crate::lead) fn command(&mut self, from: &str, verb: TaskVerb, body: &Value) -> String {
        self.commands += 1;
        let id = self.ids.fresh().to_string();
        let body = serde_json::to_vec(body).unwrap();
        let ask = Ask::read(verb, name(from), self.commands, Some(&id), &body);
        self.drive(|c, desk| c.asked(desk, &ask))
    }

    pub(in crate::lead) fn control(&mut self, agent: Option<&str>, action: &str) -> String {
        self.command(
            "operator",
            TaskVerb::Control,
            &json!({"agent": agent, "action": action}),
        )
    }

    /// Where control records went since the last look, as `to action scope event_seq`.
    pub(in crate::lead) fn controls(&mut self) -> Vec<String> {
        let letters = std::mem::take(&mut self.letters);
        let controls = letters
            .iter()
            .filter(|letter| letter.event_type.ends_with("control"));
        let said = controls.map(|letter| {
            let body: Value = serde_json::from_slice(&letter.body).unwrap();
            let to = letter
                .subject
                .build(&Hive::default())
                .split('.')
                .nth(2)
                .unwrap()
                .to_owned();
            format!("{to} {} {} {}", body["action"], body["scope"], body["event_seq"]).replace('"', "")
        });
        said.collect()
    }

    fn holders(&self) -> Vec<String> {
        let tasks = self.coordination.world().tasks();
        tasks
            .map(|entry| format!("{} {:?}", entry.task.state, entry.task.assigned_to))
            .collect()
    }
}

#[test]
fn who_comes_back_from_an_error_works_after_two_heartbeats() {
    let mut stage = Stage::new(&[("alice", &[])]);
    assert_eq!(
        stage.beat("alice", (1, 2), "gone"),
        "alice lost>error, wb degrade>degraded"
    );
    assert_eq!(stage.beat("alice", (1, 3), "gone"), "");
    assert_eq!(stage.beat("alice", (1, 4), "idle"), "alice heartbeat>reset");
    stage.command("alice", TaskVerb::Submit, &json!({"title": "work"}));
    assert_eq!(stage.beat("alice", (1, 5), "idle"), "");
    assert_eq!(stage.holders(), ["pending None"]);
    assert_eq!(
        stage.beat("alice", (1, 6), "idle"),
        "alice heartbeat>active, wb recover>coordinating, wb scatter>idle"
    );
    assert_eq!(stage.holders(), ["assigned Some(alice)"]);
}

#[test]
fn a_heartbeat_alone_writes_nothing() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[])]);
    let last = stage.log.len();
    for seq in 2..50 {
        let state = ["idle", "busy", "draining", "blocked_on_human"][usize::try_from(seq % 4).unwrap()];
        assert_eq!(stage.beat("alice", (1, seq), state), "");
    }
    assert_eq!(stage.log.len(), last);
}

#[test]
fn a_pause_is_remembered_while_the_agent_is_away() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[])]);
    assert_eq!(
        stage.control(Some("alice"), "pause"),
        "alice pause>paused, wb scatter>idle"
    );
    stage.beat("alice", (1, 2), "detached");
    assert_eq!(
        stage.beat("alice", (2, 1), "idle"),
        "alice new_epoch>onboarding, alice heartbeat>paused"
    );
    assert_eq!(
        stage.beat("alice", (2, 2), "gone"),
        "alice lost>error, wb degrade>degraded"
    );
    assert_eq!(stage.control(Some("alice"), "resume"), "alice resume>error");
    assert_eq!(stage.control(Some("alice"), "pause"), "alice pause>error");
    for (seq, said) in [(3, "alice heartbeat>reset"), (4, "")] {
        assert_eq!(stage.beat("alice", (2, seq), "idle"), said);
    }
    let said = stage.beat("alice", (2, 5), "idle");
    assert_eq!(
        said,
        "alice heartbeat>paused, wb recover>coordinating, wb scatter>idle"
    );
    assert_eq!(
        stage.control(Some("alice"), "resume"),
        "alice resume>active, wb gather>coordinating"
    );
}

#[test]
fn work_moves_its_holder_in_the_same_append() {
    let mut stage = Stage::new(&[("alice", &[])]);
    stage.command("alice", TaskVerb::Submit, &json!({"title": "work"}));
    let id = stage.coordination.world().tasks().next().unwrap().task.id;
    let about = |more: Value| {
        let mut body = json!({"task_id": id, "epoch": 1});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let said = stage.command("alice", TaskVerb::Progress, &about(json!({"progress": 0.5})));
    assert_eq!(said, "alice accept>contract_execution_active");
    stage.control(Some("alice"), "pause");
    assert_eq!(
        stage.control(Some("alice"), "resume"),
        "alice resume>contract_execution_active"
    );
    let said = stage.command("alice", TaskVerb::Complete, &about(json!({"result": 1})));
    assert_eq!(said, "alice complete>survey_mission_completed");
    // The heartbeat of before says nothing about what it does now.
    assert_eq!(stage.drive(Coordination::roster_changed), "");
    assert_eq!(stage.beat("alice", (1, 2), "busy"), "");
    assert_eq!(stage.beat("alice", (1, 3), "idle"), "alice idle>active");
}

#[test]
fn whom_it_concerns_is_told_once_and_by_a_successor_again() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[]), ("operator", &[])]);
    stage.letters.clear();
    stage.control(Some("bob"), "pause");
    let at = |stage: &Stage, word: &str| 1 + stage.log.iter().rposition(|event| event.event == word).unwrap();
    let paused = format!("bob pause agent {}", at(&stage, "pause"));
    assert_eq!(stage.controls(), std::slice::from_ref(&paused));
    assert_eq!(stage.control(Some("bob"), "pause"), "bob pause>paused");
    assert_eq!(stage.controls(), [""; 0]);
    assert_eq!(stage.control(None, "halt"), "wb halt>halt");
    let halted = |agent: &str| format!("{agent} halt hive {}", at(&stage, "halt"));
    let halted = [halted("alice"), halted("bob")];
    assert_eq!(stage.controls(), halted);
    for (agent, action) in [
        (None, "pause"),
        (Some("bob"), "halt"),
        (Some("bbo"), "pause"),
        (Some("operator"), "pause"),
    ] {
        assert!(
            stage.control(agent, action).contains("refused"),
            "{agent:?} {action}"
        );
    }
    let control = stage.coordination.world().crew().control(&name("bob"));
    assert!(control.paused && control.halted && control.event_seq == at(&stage, "halt") as u64);
    let operator = stage.coordination.world().crew().control(&name("operator"));
    assert!(!operator.paused && !operator.halted);
    // A successor that reads the same tells the same, and finds nothing left to write.
    let before = stage.coordination.world().crew().clone();
    stage.coordination = Coordination::new(Hive::default(), "b".to_owned());
    stage.letters.clear();
    assert_eq!(stage.lead(), "");
    assert_eq!(stage.controls(), [&[paused][..], &halted].concat());
    assert_eq!(*stage.coordination.world().crew(), before);
}

#[test]
fn who_gets_a_name_anew_is_not_paused_by_what_was_said_to_the_former_one() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[])]);
    stage.control(Some("bob"), "pause");
    let paused = stage.coordination.world().crew().control(&name("bob"));
    assert!(paused.paused, "{paused:?}");
    stage.roster.remove(&name("bob"));
    stage.drive(|c, desk| {
        c.heard(name("bob"));
        c.roster_changed(desk);
    });
    let enrolment = serde_json::json!({
        "agent": "bob", "nkey": format!("U{:A<55}", "BOB"), "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH,
    });
    let enrolment = serde_json::from_value(enrolment).unwrap();
    stage.roster.enrol(enrolment, Attended::default());
    stage.beat("bob", (2, 1), "idle");
    // What a sidecar that keeps the former word is answered: of two with one number the one that stops counts.
    let answered = stage.coordination.world().crew().control(&name("bob"));
    assert!(
        !answered.paused && answered.event_seq > paused.event_seq,
        "{answered:?}"
    );
}

#[test]
fn who_is_resumed_is_told_though_nothing_is_known_of_a_pause() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[])]);
    stage.letters.clear();
    stage.control(Some("bob"), "resume");
    let said = stage.controls();
    let resumed = 1 + stage
        .log
        .iter()
        .rposition(|event| event.event == "resume")
        .unwrap() as u64;
    assert_eq!(said, [format!("bob resume agent {resumed}")]);
    let control = stage.coordination.world().crew().control(&name("bob"));
    assert!(!control.paused && control.event_seq == resumed, "{control:?}");
}
