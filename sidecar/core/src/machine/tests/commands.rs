//! Commands about tasks: spool, outbox, verdicts, repeats, and what is filled in.

use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::receipt::{LevelAt, Receipt};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Command, Id, Level, Priority, Task, TaskDraft};

use super::effects::{answer, published, refused, settlements};
use super::rig::{Rig, agent, draft, id, now};
use crate::command::{CommandRequest, TaskCommand};
use crate::effect::{Answer, Body, Commanded, Effect};
use crate::event::{Event, FetchOutcome, Fetched, PublishOutcome, Token};
use crate::record::Closed;

const WAIT_MS: u64 = 2_000;

pub(super) fn task_draft(n: Option<u64>) -> TaskDraft {
    let mut draft = TaskDraft::titled("count the words".parse().unwrap());
    draft.id = n.map(id);
    draft.priority = Priority::High;
    draft
}

pub(super) fn about(task: u64, change: impl FnOnce(&mut Command)) -> Command {
    let mut command = Command {
        task_id: Some(id(task)),
        ..Command::default()
    };
    change(&mut command);
    command
}

impl Rig {
    fn commands(&mut self, command: TaskCommand, key: Option<&str>) -> (Token, Vec<Effect>) {
        let token = self.token();
        let request = CommandRequest {
            token,
            command,
            idempotency_key: key.map(str::to_owned),
            timeout_ms: WAIT_MS,
        };
        (token, self.step(Event::Command(Box::new(request))))
    }

    pub(super) fn submit(&mut self, draft: TaskDraft) -> (Token, Vec<Effect>) {
        self.commands(TaskCommand::Submit(Box::new(draft)), None)
    }

    pub(super) fn task_verb(&mut self, verb: TaskVerb, command: Command) -> (Token, Vec<Effect>) {
        let command = Box::new(command);
        self.commands(TaskCommand::Verb { verb, command }, None)
    }

    /// The coordinator's verdict `n` on a command of alice arrives.
    pub(super) fn verdict(&mut self, n: u64, command: Id, result: Result<Task, ErrorCode>) -> Vec<Effect> {
        let fetched = verdict(n, command, result);
        let stream_seq = Some(fetched.stream_seq);
        self.step(Event::ReceiptWoken { stream_seq });
        self.step(Event::ReceiptFetched {
            outcome: FetchOutcome::Got(Box::new(fetched)),
        })
    }
}

fn verdict(n: u64, command: Id, result: Result<Task, ErrorCode>) -> Fetched {
    let level = if result.is_ok() {
        ReceiptLevel::Done
    } else {
        ReceiptLevel::Dead
    };
    let at = now(0).wall;
    let receipt = Receipt {
        id: id(9_000 + n),
        message_id: command,
        sender: agent("alice"),
        agent: AgentId::coordinator(),
        level,
        levels: vec![LevelAt { level, at }],
        bridge: None,
        proof: Proof::None,
        delivery: None,
        epoch: None,
        at,
        reason: None,
        since: None,
        next_attempt: None,
        result: result
            .as_ref()
            .ok()
            .map(|task| serde_json::to_value(task).unwrap()),
        error: result.err().map(|code| ErrorDetail::new(code, "no")),
    };
    Fetched {
        subject: format!("wb.receipt.alice.{level}.coordinator"),
        msg_id: Some(receipt.id.to_string()),
        payload: serde_json::to_vec(&receipt).unwrap().into(),
        ack: format!("receipt.{n}"),
        num_delivered: 1,
        stream_seq: n,
        pending: 0,
    }
}

/// Task `n` as the coordinator shows it after a submission.
pub(super) fn task(n: u64, change: impl FnOnce(&mut Task)) -> Task {
    let mut task = task_draft(None).into_task(id(n), agent("alice"), now(0).wall);
    change(&mut task);
    task
}

pub(super) fn commanded(answer: Option<Answer>) -> Commanded {
    match answer {
        Some(Answer::Commanded(commanded)) => commanded,
        other => panic!("{other:?}"),
    }
}

fn body_of(effects: &[Effect]) -> Command {
    let body = effects.iter().find_map(|effect| match effect {
        Effect::Publish {
            body: Body::Bytes(bytes),
            ..
        } => Some(bytes),
        _ => None,
    });
    serde_json::from_slice(body.expect("published")).unwrap()
}

#[test]
fn a_task_is_published_under_its_own_id_and_its_verdict_answers() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.submit(task_draft(Some(1)));
    let out = &published(&effects)[0];
    assert_eq!((out.id, out.priority), (id(1), Priority::High));
    assert_eq!(out.subject, "wb.task.submit.high.alice");
    assert_eq!(answer(&rig.stored(id(1), 5), token), None, "stored is no verdict");
    let effects = rig.verdict(1, id(1), Ok(task(1, |_| {})));
    let decided = Commanded {
        id: id(1),
        repeat: false,
        undecided: None,
    };
    assert_eq!(commanded(answer(&effects, token)), decided);
    assert_eq!(
        settlements(&effects).len(),
        1,
        "a verdict is a receipt, and acked like one"
    );
    let entry = rig.sidecar.ledger().sent(&id(1)).unwrap();
    assert_eq!(entry.closed, Some(Closed::Receipted));
    assert!(rig.sidecar.ledger().verdict(&id(1)).is_some());
}

#[test]
fn an_undecided_command_is_answered_in_time_with_how_far_it_came() {
    let mut rig = Rig::up("alice", 1);
    let (first, _) = rig.submit(task_draft(Some(1)));
    rig.stored(id(1), 5);
    rig.step(Event::BusDown);
    let (second, _) = rig.submit(task_draft(Some(2)));
    let position = rig.spool.position();
    rig.step(Event::Synced { position });
    let early = rig.pass(WAIT_MS - 1);
    let effects = rig.pass(1);
    for (token, level) in [(first, Level::Stored), (second, Level::Accepted)] {
        assert_eq!(answer(&early, token), None, "as long as it waits");
        assert_eq!(commanded(answer(&effects, token)).undecided, Some(level));
    }
    assert_eq!(rig.sidecar.ledger().unreceipted().count(), 1);
}

#[test]
fn a_repeat_has_the_same_answer_and_another_body_is_a_conflict() {
    let mut rig = Rig::up("alice", 1);
    rig.submit(task_draft(Some(1)));
    let (token, effects) = rig.submit(task_draft(Some(1)));
    assert!(published(&effects).is_empty());
    rig.stored(id(1), 5);
    let effects = rig.verdict(1, id(1), Ok(task(1, |_| {})));
    assert!(
        commanded(answer(&effects, token)).repeat,
        "both wait for the one verdict"
    );
    rig.restart();
    let (token, effects) = rig.submit(task_draft(Some(1)));
    let repeated = commanded(answer(&effects, token));
    assert_eq!((repeated.repeat, repeated.undecided), (true, None), "at once");
    let mut other = task_draft(Some(1));
    other.park = true;
    let (token, effects) = rig.submit(other);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
    let mut message = draft("bob", "one");
    message.id = Some(id(1));
    let (token, effects) = rig.send(message, None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
}

#[test]
fn the_same_fields_under_another_verb_are_another_command() {
    let mut rig = Rig::up("alice", 1);
    let named = |command: &mut Command| {
        command.id = Some(id(7));
        command.reason = Some("no".into());
        command.epoch = Some(1);
    };
    rig.task_verb(TaskVerb::Block, about(1, named));
    let (token, effects) = rig.task_verb(TaskVerb::Refuse, about(1, named));
    assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
}

#[test]
fn a_stream_that_knew_the_id_gives_no_verdict_any_more() {
    let mut rig = Rig::up("alice", 1);
    let (token, _) = rig.submit(task_draft(Some(1)));
    let outcome = PublishOutcome::Stored {
        seq: 3,
        duplicate: true,
    };
    let effects = rig.step(Event::Published { id: id(1), outcome });
    assert_eq!(commanded(answer(&effects, token)).undecided, None);
    assert_eq!(
        rig.sidecar.ledger().verdict(&id(1)),
        None,
        "the coordinator is to be asked"
    );
    let (token, effects) = rig.submit(task_draft(Some(1)));
    assert_eq!(commanded(answer(&effects, token)).undecided, None);
}

#[test]
fn a_publish_whose_ack_was_lost_still_waits_for_its_verdict() {
    let mut rig = Rig::up("alice", 1);
    let (token, _) = rig.submit(task_draft(Some(1)));
    rig.step(Event::BusDown);
    rig.connect();
    let outcome = PublishOutcome::Stored {
        seq: 3,
        duplicate: true,
    };
    let effects = rig.step(Event::Published { id: id(1), outcome });
    assert_eq!(answer(&effects, token), None);
    let effects = rig.verdict(1, id(1), Err(ErrorCode::UnknownCapability));
    assert_eq!(commanded(answer(&effects, token)).undecided, None);
    let closed = rig.sidecar.ledger().sent(&id(1)).unwrap().closed;
    assert_eq!(closed, Some(Closed::Dead));
}

#[test]
fn a_bad_command_is_refused_before_anything_is_written() {
    let mut rig = Rig::up("alice", 1);
    let position = rig.spool.position();
    let long = |bytes: usize| Some(serde_json::Value::from("x".repeat(bytes)));
    let cases = [
        (TaskVerb::Progress, about(1, |_| {}), ErrorCode::InvalidMessage),
        (
            TaskVerb::Complete,
            about(1, |c| c.epoch = Some(1)),
            ErrorCode::InvalidMessage,
        ),
        (TaskVerb::Resume, about(1, |_| {}), ErrorCode::InvalidMessage),
        (
            TaskVerb::Accept,
            about(1, |c| c.task_id = None),
            ErrorCode::InvalidMessage,
        ),
        (TaskVerb::Control, about(1, |_| {}), ErrorCode::Forbidden),
        (
            TaskVerb::Complete,
            about(1, |c| (c.epoch, c.result) = (Some(1), long(98_303))),
            ErrorCode::TooLarge,
        ),
    ];
    for (verb, command, code) in cases {
        let (token, effects) = rig.task_verb(verb, command);
        assert_eq!(refused(answer(&effects, token)), code, "{verb}");
    }
    let mut draft = task_draft(None);
    draft.metadata.insert("note".into(), "y".repeat(33_000).into());
    let (token, effects) = rig.submit(draft);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::TooLarge);
    assert_eq!(rig.spool.position(), position);
}

#[test]
fn the_epoch_of_a_claim_is_filled_in_until_it_is_over() {
    let mut rig = Rig::up("alice", 1);
    let (_, effects) = rig.task_verb(TaskVerb::Accept, about(1, |_| {}));
    assert_eq!(
        body_of(&effects).epoch,
        None,
        "to accept what is nobody's is to claim it"
    );
    let claim = published(&effects)[0].id;
    assert_eq!(published(&effects)[0].subject, "wb.task.accept.normal.alice");
    rig.stored(claim, 1);
    let held = |task: &mut Task| {
        task.state = TaskState::InProgress;
        (task.assigned_to, task.epoch) = (Some(agent("alice")), 4);
    };
    rig.verdict(1, claim, Ok(task(1, held)));
    rig.restart();
    rig.connect();
    let half = |c: &mut Command| c.progress = Some(0.5.try_into().unwrap());
    let (_, effects) = rig.task_verb(TaskVerb::Progress, about(1, half));
    assert_eq!(body_of(&effects).epoch, Some(4));
    let out = &published(&effects)[0];
    assert_eq!(out.subject, "wb.task.progress.high.alice", "the task's priority");
    let (_, effects) = rig.task_verb(TaskVerb::Refuse, about(1, |c| c.reason = Some("no".into())));
    let refusal = published(&effects)[0].id;
    rig.stored(refusal, 2);
    rig.verdict(2, refusal, Ok(task(1, |task| task.epoch = 4)));
    let (_, effects) = rig.task_verb(TaskVerb::Accept, about(1, |_| {}));
    assert_eq!(body_of(&effects).epoch, None, "a new claim");
    let (_, effects) = rig.task_verb(TaskVerb::Resume, about(1, |_| {}));
    assert_eq!(
        body_of(&effects).epoch,
        Some(4),
        "the coordinator says that it is stale"
    );
    for (verb, fields) in [
        (TaskVerb::Cancel, about(1, |c| c.reason = Some("no".into()))),
        (TaskVerb::Assign, about(1, |c| c.agent = Some(agent("bob")))),
    ] {
        let (_, effects) = rig.task_verb(verb, fields);
        assert_eq!(body_of(&effects).epoch, None, "{verb}");
    }
}

#[test]
fn only_the_coordinator_decides() {
    let mut rig = Rig::up("alice", 1);
    let (token, _) = rig.submit(task_draft(Some(1)));
    rig.stored(id(1), 5);
    let mut forged = verdict(1, id(1), Ok(task(1, |_| {})));
    let mut receipt: Receipt = serde_json::from_slice(&forged.payload).unwrap();
    receipt.agent = agent("mallory");
    forged.payload = serde_json::to_vec(&receipt).unwrap().into();
    forged.subject = "wb.receipt.alice.done.mallory".into();
    let stream_seq = Some(1);
    rig.step(Event::ReceiptWoken { stream_seq });
    let outcome = FetchOutcome::Got(Box::new(forged));
    let effects = rig.step(Event::ReceiptFetched { outcome });
    assert_eq!(answer(&effects, token), None);
    assert_eq!(rig.sidecar.ledger().verdict(&id(1)), None);
}

#[test]
fn what_its_stream_lost_is_published_again_and_what_it_may_have_decided_is_not() {
    let mut rig = Rig::up("alice", 1);
    rig.submit(task_draft(Some(1)));
    rig.stored(id(1), 3);
    rig.pass(16 * 60_000);
    rig.submit(task_draft(Some(2)));
    rig.stored(id(2), 9);
    rig.step(Event::BusDown);
    let probes = published(&rig.connect());
    assert_eq!(probes.iter().map(|out| out.id).collect::<Vec<_>>(), [id(2)]);
    let again = published(&rig.stored(id(2), 8));
    assert_eq!(
        again.iter().map(|out| out.id).collect::<Vec<_>>(),
        [id(2)],
        "{again:?}"
    );
    rig.step(Event::BusDown);
    rig.connect();
    let again = published(&rig.stored(id(2), 1));
    let again: Vec<Id> = again.iter().map(|out| out.id).collect();
    assert!(
        again.contains(&id(1)),
        "its place was given to another: {again:?}"
    );
}
