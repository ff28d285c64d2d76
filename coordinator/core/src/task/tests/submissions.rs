//! New tasks: what they must fulfil, the same one again, and what they wait for.

use serde_json::{Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;

use crate::task::rig::{Rig, data};
use crate::task::timer;

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

fn submit(rig: &mut Rig, from: &str, body: &Value) -> Event {
    rig.command(from, TaskVerb::Submit, ID, &serde_json::to_vec(body).unwrap())
}

fn refused(body: &Value) -> ErrorDetail {
    let mut rig = Rig::new();
    let event = submit(&mut rig, "sue", body);
    assert_eq!(
        (event.event.as_str(), event.seq, event.to.as_str()),
        ("refused", 0, "none")
    );
    assert_eq!(rig.letters.len(), 1, "its sender hears why");
    assert!(rig.world.tasks().next().is_none());
    data(&event).error.unwrap()
}

#[test]
fn the_same_again_answers_with_the_task_and_another_is_a_conflict() {
    let mut rig = Rig::new();
    let draft = json!({"title": "work", "priority": "high", "input": {"n": 1}});
    assert_eq!(submit(&mut rig, "sue", &draft).to, "pending");
    let id: Id = ID.parse().unwrap();
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "carol"}),
    );
    let before = rig.task(&id).task.clone();
    let again = submit(&mut rig, "sue", &draft);
    assert_eq!((again.event.as_str(), again.to.as_str()), ("submit", "assigned"));
    assert_eq!(rig.task(&id).task, before);
    let receipt: Value = serde_json::from_slice(&rig.letters[0].body).unwrap();
    assert_eq!(
        (&receipt["level"], &receipt["result"]["state"]),
        (&"done".into(), &"assigned".into())
    );
    let other = json!({"title": "other"});
    for (from, body) in [("sue", &other), ("bob", &draft), ("bob", &other)] {
        let error = data(&submit(&mut rig, from, body)).error.unwrap();
        assert_eq!(error.code, ErrorCode::IdempotencyConflict, "{from} {body}");
        assert_eq!(rig.task(&id).task, before);
    }
}

#[test]
fn what_can_never_begin_is_refused() {
    let cycle = refused(&json!({"title": "t", "depends_on": [ID]}));
    assert_eq!(cycle.code, ErrorCode::InvalidMessage);
    assert_eq!(cycle.details.unwrap()["cycle"], json!([ID, ID]));
    let nowhere = "0192f0c1-7c1e-7b11-8a52-000000000000";
    let unknown = refused(&json!({"title": "t", "depends_on": [nowhere]}));
    assert_eq!(unknown.code, ErrorCode::NotFound);
    assert_eq!(unknown.details.unwrap()["unknown"], json!([nowhere]));
    let past = refused(&json!({"title": "t", "deadline": "2020-01-01T00:00:00.000Z"}));
    assert_eq!(past.code, ErrorCode::InvalidMessage);
    let nobody = refused(&json!({"title": "t", "capabilities": ["rust", "ruts"]}));
    assert_eq!(nobody.code, ErrorCode::UnknownCapability);
    assert_eq!(nobody.details.unwrap()["similar"], json!(["rust"]));
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert_eq!(refused(&json!({})).code, ErrorCode::InvalidMessage);
    assert_eq!(
        refused(&json!({"title": "two\nlines"})).code,
        ErrorCode::InvalidMessage
    );
    let other = json!({"title": "t", "id": "0192f0c1-7c1e-7b11-8a52-000000000000"});
    assert_eq!(
        refused(&other).code,
        ErrorCode::InvalidMessage,
        "the envelope says another id"
    );
    let mut rig = Rig::new();
    let event = rig.command("sue", TaskVerb::Submit, ID, b"{");
    assert_eq!(data(&event).error.unwrap().code, ErrorCode::InvalidJson);
    let event = rig.command("sue", TaskVerb::Submit, "no id", b"{}");
    assert_eq!(event.entity_id, "command 2");
    assert_eq!(data(&event).error.unwrap().code, ErrorCode::InvalidMessage);
    assert!(rig.letters.is_empty(), "nobody can be answered");
    assert_eq!(
        rig.world.last_decided("WB_TASKS"),
        2,
        "it is decided all the same"
    );
}

#[test]
fn what_is_too_long_never_gets_into_the_log() {
    let long = "x".repeat(97 * 1024);
    assert_eq!(
        refused(&json!({"title": "t", "input": long})).code,
        ErrorCode::TooLarge
    );
    let (mut rig, id) = Rig::brought_to(TaskState::Assigned);
    let body = json!({"task_id": id, "epoch": 2, "result": long});
    let event = rig.ask("alice", TaskVerb::Complete, &body);
    assert_eq!(data(&event).error.unwrap().code, ErrorCode::TooLarge);
    assert_eq!(rig.task(&id).task.state, TaskState::Assigned);
}

#[test]
fn a_parked_task_waits_for_somebody_who_can() {
    let mut rig = Rig::new();
    let event = submit(
        &mut rig,
        "sue",
        &json!({"title": "t", "capabilities": ["cobol"], "park": true}),
    );
    assert_eq!(event.to, "pending");
}

fn two(rig: &mut Rig) -> (Id, Id) {
    let first = rig.submit(&json!({"title": "first"}));
    let second = rig.submit(&json!({"title": "second", "depends_on": [first]}));
    (first, second)
}

fn ready(rig: &mut Rig, id: Id) -> Option<Event> {
    rig.by_leader(|world, scribe| timer::ready(world, world.task(&id)?, scribe))
}

#[test]
fn a_task_waits_until_all_it_depends_on_is_completed() {
    let mut rig = Rig::new();
    let (first, second) = two(&mut rig);
    assert_eq!(rig.task(&second).task.state, TaskState::WaitingDependency);
    assert!(ready(&mut rig, second).is_none());
    let waiting: Vec<Id> = rig.world.dependents(&first).map(|entry| entry.task.id).collect();
    assert_eq!(waiting, [second]);
    rig.ask("bob", TaskVerb::Accept, &json!({"task_id": first}));
    rig.ask(
        "bob",
        TaskVerb::Complete,
        &json!({"task_id": first, "epoch": 1, "result": null}),
    );
    let event = ready(&mut rig, second).unwrap();
    assert_eq!((event.to.as_str(), event.guard), ("pending", None));
    assert!(ready(&mut rig, second).is_none(), "once");
    let third = rig.submit(&json!({"title": "third", "depends_on": [first]}));
    assert_eq!(
        rig.task(&third).task.state,
        TaskState::Pending,
        "it is done already"
    );
}

#[test]
fn a_task_fails_with_what_it_depends_on() {
    let mut rig = Rig::new();
    let (first, second) = two(&mut rig);
    rig.ask(
        "sue",
        TaskVerb::Cancel,
        &json!({"task_id": first, "reason": "not needed"}),
    );
    let event = ready(&mut rig, second).unwrap();
    assert_eq!(
        (event.to.as_str(), event.guard.as_deref()),
        ("failed", Some("dependency_failed"))
    );
    assert_eq!(rig.task(&second).task.error.as_deref(), Some("dependency_failed"));
    assert_eq!(rig.letters.len(), 1, "its submitter hears of it");
}

#[test]
fn numbers_come_out_as_they_went_in() {
    let mut rig = Rig::new();
    let body = br#"{"title":"t","input":-0.46399999999999997}"#;
    rig.command("sue", TaskVerb::Submit, ID, body);
    let task = &rig.task(&ID.parse().unwrap()).task;
    assert_eq!(task.input.to_string(), "-0.46399999999999997");
}
