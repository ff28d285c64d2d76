//! What tests of tasks need: a log in memory, a roster, commands as bytes.

use serde_json::{Value, json};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp};

use crate::attention::{Attended, Now};
use crate::log::{Letter, TaskData, TaskEntry, World};
use crate::roster::Roster;
use crate::task::{Ask, FreshIds, Scribe, decide};

/// The time of the first event.
pub(crate) const BEGUN_MS: i64 = 1_767_323_045_000;

/// Ids that count up.
#[derive(Debug, Default)]
pub(crate) struct Ids(u128);

impl Ids {
    /// Ids behind so many others.
    pub(crate) const fn after(many: u128) -> Self {
        Self(many)
    }
}

impl FreshIds for Ids {
    fn fresh(&mut self) -> Id {
        self.0 += 1;
        Id::from_bytes((0x0192_f0c1_7c1e_7b11_8a52_0000_0000_0000 + self.0).to_be_bytes())
    }
}

/// A log with those who write to it. `alice` and `bob` can `rust`, `carol` can `docs`, `sue` submits.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) hive: Hive,
    pub(crate) world: World,
    pub(crate) roster: Roster,
    pub(crate) ids: Ids,
    pub(crate) commands: u64,
    pub(crate) now_ms: i64,
    /// What followed from the last event.
    pub(crate) letters: Vec<Letter>,
}

pub(crate) fn name(text: &str) -> AgentId {
    text.parse().unwrap()
}

/// A roster in which all of these are alive.
pub(crate) fn roster(agents: &[(&str, &[&str])]) -> Roster {
    let mut roster = Roster::default();
    let enrolments = agents.iter().map(|(agent, _)| {
        let nkey = format!("U{:A<55}", agent.to_uppercase());
        let enrolment = json!({
            "agent": agent, "nkey": nkey, "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH,
        });
        serde_json::from_value(enrolment).unwrap()
    });
    roster.list(enrolments.collect(), Attended::default());
    for (agent, capabilities) in agents {
        let declared: Vec<Value> = capabilities
            .iter()
            .map(|name| json!({"name": name, "proficiency": 5}))
            .collect();
        let beat = json!({
            "agent": agent, "epoch": 1, "seq": 1, "interval_ms": 3_000, "state": "idle", "hold": null,
            "bridges": [], "in_flight": [], "spool": {"unstored": 0, "bytes": 0},
            "inbox": {
                "urgent": {"pending": 0, "oldest_ms": null}, "high": {"pending": 0, "oldest_ms": null},
                "normal": {"pending": 0, "oldest_ms": null}, "low": {"pending": 0, "oldest_ms": null},
            },
            "agent_cpu_ms": null, "agent_rss_bytes": null, "cpu_ms": 1, "rss_bytes": 1,
            "version": "1", "capabilities": declared, "at": Timestamp::EPOCH,
        });
        let beat = serde_json::from_value(beat).unwrap();
        roster.hear(name(agent), beat, now(0), Attended::default());
    }
    roster
}

/// A time by both clocks.
pub(crate) fn now(boot_ms: u64) -> Now {
    let wall = Timestamp::from_unix_ms(BEGUN_MS + i64::try_from(boot_ms).unwrap());
    Now {
        boot_ms,
        wall: wall.unwrap(),
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            hive: Hive::default(),
            world: World::new(),
            roster: roster(&[
                ("alice", &["rust"]),
                ("bob", &["rust"]),
                ("carol", &["docs"]),
                ("sue", &[]),
            ]),
            ids: Ids::default(),
            commands: 0,
            now_ms: BEGUN_MS,
            letters: Vec::new(),
        }
    }

    /// A command under this id, decided and stored.
    pub(crate) fn command(&mut self, from: &str, verb: TaskVerb, id: &str, body: &[u8]) -> Event {
        self.commands += 1;
        let ask = Ask::read(verb, name(from), self.commands, Some(id), body);
        self.now_ms += 1;
        let at = Timestamp::from_unix_ms(self.now_ms).unwrap();
        let mut scribe = Scribe {
            hive: &self.hive,
            at,
            ids: &mut self.ids,
        };
        let event = decide(&self.world, &self.roster, &ask, &mut scribe);
        self.store(event)
    }

    /// A command with a fresh id.
    pub(crate) fn ask(&mut self, from: &str, verb: TaskVerb, body: &Value) -> Event {
        let id = self.ids.fresh().to_string();
        self.command(from, verb, &id, &serde_json::to_vec(body).unwrap())
    }

    /// A task that `sue` submits.
    pub(crate) fn submit(&mut self, body: &Value) -> Id {
        let event = self.ask("sue", TaskVerb::Submit, body);
        assert_eq!(event.event, "submit", "{event:?}");
        event.entity_id.parse().unwrap()
    }

    /// What the leader does by itself, stored.
    pub(crate) fn by_leader(
        &mut self,
        act: impl FnOnce(&World, &mut Scribe<'_>) -> Option<Event>,
    ) -> Option<Event> {
        self.now_ms += 1;
        let at = Timestamp::from_unix_ms(self.now_ms).unwrap();
        let mut scribe = Scribe {
            hive: &self.hive,
            at,
            ids: &mut self.ids,
        };
        let event = act(&self.world, &mut scribe)?;
        Some(self.store(event))
    }

    fn store(&mut self, event: Event) -> Event {
        // As it is read back.
        let event: Event = serde_json::from_slice(&serde_json::to_vec(&event).unwrap()).unwrap();
        self.letters = self.world.apply(self.world.last() + 1, &event).unwrap();
        event
    }

    pub(crate) fn task(&self, id: &Id) -> &TaskEntry {
        self.world.task(id).unwrap()
    }

    /// A task that `alice` holds or held, in this state, at its second assignment of three attempts.
    pub(crate) fn brought_to(state: TaskState) -> (Self, Id) {
        use TaskState as S;
        let mut rig = Self::new();
        let needed = rig.submit(&json!({"title": "first"}));
        let waits = state == S::WaitingDependency;
        let depends_on = if waits { vec![needed] } else { Vec::new() };
        let id = rig.submit(&json!({"title": "work", "capabilities": ["rust"], "depends_on": depends_on}));
        if waits {
            return (rig, id);
        }
        for _ in 0..2 {
            let given = json!({"task_id": id, "agent": "alice"});
            rig.ask("operator", TaskVerb::Assign, &given);
            let epoch = rig.task(&id).task.epoch;
            if epoch == 1 || state == S::Pending {
                let body = json!({"task_id": id, "epoch": epoch, "error": "no", "retryable": true});
                rig.ask("alice", TaskVerb::Fail, &body);
            }
        }
        let verbs: &[TaskVerb] = match state {
            S::Pending | S::WaitingDependency | S::Assigned => &[],
            S::InProgress => &[TaskVerb::Accept],
            S::Blocked => &[TaskVerb::Block],
            S::Completed => &[TaskVerb::Complete],
            S::Failed => &[TaskVerb::Fail],
            S::Cancelled => &[TaskVerb::Cancel],
        };
        for verb in verbs {
            let from = if *verb == TaskVerb::Cancel { "sue" } else { "alice" };
            rig.ask(from, *verb, &about(id, Some(2)));
        }
        assert_eq!(rig.task(&id).task.state, state);
        (rig, id)
    }
}

/// A body with everything that any verb needs.
pub(crate) fn about(task: Id, epoch: Option<u64>) -> Value {
    json!({
        "task_id": task, "epoch": epoch, "reason": "because", "progress": 0.5, "result": "done",
        "error": "broke", "retryable": false, "agent": "bob", "force": false,
    })
}

/// The data of a task's event.
pub(crate) fn data(event: &Event) -> TaskData {
    TaskData::decode(&event.data).unwrap()
}
