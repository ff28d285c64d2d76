//! The judge is judged: a good record has no violation, and each way to doctor it is found.

use serde_json::{Value, json};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use super::facts::{Answer, CommandLine, Deed, Facts, Fault, Line, On, Submitted};
use super::judge::judge;
use super::takeover;

fn id(number: u8) -> Id {
    Id::from_bytes([number; 16])
}

fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

/// Writes a record step by step.
#[derive(Default)]
struct Scribe {
    facts: Facts,
    at_ms: u64,
}

impl Scribe {
    /// A command and its place.
    fn command(&mut self, verb: TaskVerb, from: &str, body: Value) -> u64 {
        let seq = self.facts.commands.len() as u64 + 1;
        let from = agent(from);
        self.facts.commands.push(CommandLine {
            seq,
            verb,
            from,
            body,
        });
        seq
    }

    /// A line about a task. `cause` is the command that caused it.
    fn line(
        &mut self,
        task: u8,
        (event, actor): (&str, &str),
        (from, to): (&str, &str),
        more: (Option<u64>, Value),
    ) {
        self.at_ms += 100;
        let of_task = |line: &&Line| line.event.entity_id == id(task).to_string();
        let seq = self.facts.lines.iter().filter(of_task).count() + 1;
        let (cause, data) = more;
        let cause = match cause {
            Some(seq) => json!({"type": "command", "id": id(200), "stream": "WB_TASKS", "seq": seq}),
            None => json!({"type": "leader", "id": null}),
        };
        let event = json!({
            "id": id(100), "entity": "task", "entity_id": id(task), "seq": seq, "event": event, "actor": actor,
            "from": (!from.is_empty()).then_some(from), "to": to, "cause": cause, "guard": null,
            "at": "2026-01-02T03:04:05.000Z", "data": data,
        });
        let event: Event = serde_json::from_value(event).unwrap();
        let seq = self.facts.lines.len() as u64 + 1;
        let stored_ms = self.at_ms;
        self.facts.lines.push(Line {
            seq,
            stored_ms,
            event,
        });
    }

    fn submit(&mut self, task: u8, capabilities: &[&str], depends_on: &[u8], state: &str) {
        let place = self.command(TaskVerb::Submit, "boss", json!({"id": id(task)}));
        self.line(task, ("submit", "boss"), ("", state), (Some(place), json!({})));
        self.facts.submitted.push(Submitted {
            id: id(task),
            capabilities: capabilities.iter().map(|name| name.parse().unwrap()).collect(),
            depends_on: depends_on.iter().map(|task| id(*task)).collect(),
        });
    }

    fn assign(&mut self, task: u8, to: &str, epoch: u64) {
        let data = json!({"assigned_to": to, "epoch": epoch, "attempt": epoch});
        self.line(
            task,
            ("assign", "coordinator"),
            ("pending", "assigned"),
            (None, data),
        );
    }

    fn complete(&mut self, task: u8, by: &str, epoch: u64) {
        let result = json!(format!("{by} {epoch}"));
        let body = json!({"task_id": id(task), "epoch": epoch, "result": result});
        let place = self.command(TaskVerb::Complete, by, body);
        let data = json!({"result": result});
        self.line(
            task,
            ("complete", by),
            ("in_progress", "completed"),
            (Some(place), data),
        );
        let state = TaskState::Completed;
        self.deed(task, by, epoch, Answer::Done { state });
        self.facts.told.push((id(task), id(task + 100)));
    }

    fn deed(&mut self, task: u8, by: &str, epoch: u64, answer: Answer) {
        self.facts.deeds.push(Deed {
            agent: agent(by),
            task: id(task),
            epoch: Some(epoch),
            verb: Some(TaskVerb::Complete),
            result: json!(format!("{by} {epoch}")),
            answer,
        });
    }

    fn accept(&mut self, task: u8, by: &str) {
        self.line(
            task,
            ("accept", by),
            ("assigned", "in_progress"),
            (None, json!({})),
        );
    }
}

/// Task 1 is done by bob; task 2 waits for it, is lost by bob, who was killed, and done by carol, and bob comes too late.
fn good() -> Facts {
    let mut scribe = Scribe::default();
    for (name, able) in [("bob", ["rust", "docs"]), ("carol", ["rust", "ops"])] {
        let able = able.iter().map(|name| name.parse().unwrap());
        scribe.facts.able.insert(agent(name), able.collect());
    }
    scribe.submit(1, &["docs"], &[], "pending");
    scribe.submit(2, &["rust"], &[1], "waiting_dependency");
    scribe.assign(1, "bob", 1);
    scribe.accept(1, "bob");
    scribe.complete(1, "bob", 1);
    scribe.line(
        2,
        ("ready", "coordinator"),
        ("waiting_dependency", "pending"),
        (None, json!({})),
    );
    scribe.assign(2, "bob", 1);
    scribe.accept(2, "bob");
    let at_ms = scribe.at_ms + 50;
    scribe.facts.faults.push(Fault {
        at_ms,
        on: On::Agent(agent("bob")),
        killed: true,
    });
    scribe.at_ms += 3_000;
    let lost = json!({"released": ["bob", "lost"], "failed_on": "bob"});
    scribe.line(
        2,
        ("release", "coordinator"),
        ("in_progress", "pending"),
        (None, lost),
    );
    scribe.assign(2, "carol", 2);
    scribe.accept(2, "carol");
    let late = scribe.command(
        TaskVerb::Complete,
        "bob",
        json!({"task_id": id(2), "epoch": 1, "result": 1}),
    );
    let refused = json!({"error": {"code": "stale_epoch", "message": "x"}});
    scribe.line(
        2,
        ("refused", "bob"),
        ("in_progress", "in_progress"),
        (Some(late), refused),
    );
    scribe.deed(2, "bob", 1, Answer::Refused(ErrorCode::StaleEpoch));
    scribe.complete(2, "carol", 2);
    scribe.facts
}

#[test]
fn a_good_record_is_clean_and_counted() {
    let judged = judge(&good());
    assert_eq!(judged.violations, Vec::<String>::new());
    assert_eq!((judged.completed, judged.failed, judged.given), (2, 0, 3));
    assert_eq!((judged.released, judged.refused), (1, 1));
    let times = takeover::agents(&good(), true);
    assert_eq!((times.count(), times.p50_and_max()), (1, (3_050, 3_050)));
    assert_eq!(takeover::agents(&good(), false).count(), 0);
}

#[test]
fn whatever_is_doctored_is_found() {
    type Doctor = fn(&mut Facts);
    let doctored: [(&str, Doctor); 20] = [
        ("line 14 of the log comes where 13", |facts| {
            facts.lines[12].seq = 14
        }),
        ("did not come to an end: it is in_progress", |facts| {
            drop(facts.lines.pop())
        }),
        ("never decided", |facts| drop(facts.lines.pop())),
        ("is not in the log", |facts| {
            facts.submitted.push(Submitted {
                id: id(3),
                ..facts.submitted[0].clone()
            });
        }),
        ("is decided again", |facts| {
            facts.lines[4].event.cause.seq = Some(2)
        }),
        ("decides a command that it does not name", |facts| {
            facts.lines[4].event.cause.seq = None
        }),
        ("command 3 is decided, and 2 before it was not", |facts| {
            facts.lines[1].event.cause.kind = CauseType::Timer;
        }),
        ("which does not exist", |facts| drop(facts.commands.pop())),
        ("came of complete by mallory", |facts| {
            facts.commands[2].from = agent("mallory")
        }),
        // One completion more, as if the first had never been, and openly.
        ("does not follow its event 4 in state completed", |facts| {
            again(facts, "in_progress")
        }),
        ("is no move from completed", |facts| again(facts, "completed")),
        ("accepted with epoch Some(1) while 2", |facts| {
            facts.commands[4].body["epoch"] = json!(1)
        }),
        ("while Some", |facts| {
            facts.lines[12].event.actor = agent("bob");
            facts.commands[4].from = agent("bob");
        }),
        ("assignment Some(1) comes after 1", |facts| {
            facts.lines[9].event.data.insert("epoch".to_owned(), json!(1));
        }),
        ("who cannot do docs", |facts| {
            facts.lines[2]
                .event
                .data
                .insert("assigned_to".to_owned(), json!("carol"));
        }),
        ("before what it depends on was settled", |facts| {
            facts.submitted[1].depends_on = vec![id(2)]
        }),
        ("was told that it completed it", |facts| {
            facts.deeds[1].answer = Answer::Done {
                state: TaskState::Completed,
            };
        }),
        ("that its holder never gave", |facts| {
            facts.deeds[2].result = json!("something else")
        }),
        ("was told 0 times", |facts| facts.told.truncate(1)),
        ("was told 2 times", |facts| facts.told.push((id(1), id(77)))),
    ];
    for (said, doctor) in doctored {
        let mut facts = good();
        doctor(&mut facts);
        let found = judge(&facts).violations;
        assert!(found.iter().any(|what| what.contains(said)), "{said}: {found:#?}");
    }
}

/// Has the first task completed once more at the end of the log, by the leader's own decision.
fn again(facts: &mut Facts, from: &str) {
    let mut line = facts.lines[4].clone();
    line.seq = facts.lines.len() as u64 + 1;
    line.event.seq = 5;
    line.event.from = Some(from.to_owned());
    line.event.cause.kind = CauseType::Leader;
    facts.lines.push(line);
}

#[test]
fn too_few_completed_are_found() {
    let mut facts = good();
    let last = facts.lines.last_mut().unwrap();
    last.event.event = "fail".to_owned();
    last.event.to = "failed".to_owned();
    facts.commands[4].verb = TaskVerb::Fail;
    let found = judge(&facts).violations;
    assert!(
        found
            .iter()
            .any(|what| what.contains("1 of 2 tasks were completed")),
        "{found:#?}"
    );
}

#[test]
fn takeovers_of_leaders_are_timed() {
    let mut facts = good();
    facts.faults = vec![Fault {
        at_ms: 150,
        on: On::Leader,
        killed: true,
    }];
    facts.lines[5].event.entity = EventKind::Leader;
    let times = takeover::leaders(&facts);
    assert_eq!((times.count(), times.p50_and_max()), (1, (450, 450)));
}
