//! Tests of what is published because of events (TASKS 3).

use serde_json::{Value, json};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::limits::{MESSAGE_BYTES_MAX, TASK_PART_BYTES_MAX};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Message, Priority};

use crate::task::rig::{Rig, about};

/// The letters of the last event: whom they go to, and what they say.
fn letters(rig: &Rig) -> Vec<(String, Value)> {
    let one = |letter: &super::Letter| {
        let body: Value = serde_json::from_slice(&letter.body).unwrap();
        assert_eq!(body["id"], letter.id.to_string());
        (letter.subject.build(&rig.hive), body)
    };
    rig.letters.iter().map(one).collect()
}

fn subjects(letters: &[(String, Value)]) -> Vec<&str> {
    letters.iter().map(|(subject, _)| subject.as_str()).collect()
}

#[test]
fn a_verdict_is_a_receipt_about_the_command() {
    let (mut rig, id) = Rig::brought_to(TaskState::InProgress);
    let event = rig.ask("alice", TaskVerb::Block, &about(id, Some(2)));
    let all = letters(&rig);
    assert_eq!(subjects(&all), ["wb.receipt.alice.done.coordinator"]);
    let verdict = &all[0].1;
    assert_eq!(verdict["message_id"], event.cause.id.unwrap().to_string());
    assert_eq!(
        (&verdict["sender"], &verdict["agent"]),
        (&json!("alice"), &json!("coordinator"))
    );
    assert_eq!(
        verdict["result"],
        serde_json::to_value(&rig.task(&id).task).unwrap()
    );
    assert_eq!(
        (&verdict["result"]["state"], &verdict["error"]),
        (&json!("blocked"), &Value::Null)
    );
    assert_eq!(rig.letters[0].event_type, "io.wagglebus.receipt.v1.receipt");

    rig.ask("bob", TaskVerb::Resume, &about(id, Some(2)));
    let all = letters(&rig);
    assert_eq!(subjects(&all), ["wb.receipt.bob.dead.coordinator"]);
    assert_eq!(all[0].1["error"]["code"], "forbidden");
    assert_eq!(all[0].1["result"], Value::Null);
}

#[test]
fn an_assignment_is_a_task_with_its_input_and_how_to_answer() {
    let mut rig = Rig::new();
    let id = rig.submit(&json!({"title": "work", "priority": "high", "input": {"file": "a.rs"}}));
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "alice"}),
    );
    let all = letters(&rig);
    assert_eq!(subjects(&all)[1..], ["wb.msg.alice.high.coordinator"]);
    let message: Message = serde_json::from_slice(&rig.letters[1].body).unwrap();
    assert_eq!(message.from_agent, AgentId::coordinator());
    assert_eq!((message.conversation_id, message.priority), (id, Priority::High));
    let body = &all[1].1;
    assert_eq!(body["message_type"], "task");
    assert_eq!(body["metadata"]["kind"], "task.assigned");
    assert_eq!(
        (&body["metadata"]["task_id"], &body["metadata"]["epoch"]),
        (&json!(id), &json!(1))
    );
    assert_eq!(
        body["metadata"]["task"],
        serde_json::to_value(&rig.task(&id).task).unwrap()
    );
    let lines: Vec<&str> = message.content.lines().collect();
    assert_eq!((lines[0], lines[2]), ("work", r#"{"file":"a.rs"}"#));
    assert!(lines[4].contains("Reply to this message") && lines[4].ends_with(&id.to_string()));
    assert_eq!(rig.task(&id).notice, Some(rig.letters[1].id));
}

#[test]
fn a_release_names_the_assignment_that_is_over() {
    let (mut rig, id) = Rig::brought_to(TaskState::Blocked);
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "bob", "force": true}),
    );
    let all = letters(&rig);
    let wanted = [
        "wb.receipt.operator.done.coordinator",
        "wb.msg.alice.urgent.coordinator",
        "wb.msg.bob.normal.coordinator",
    ];
    assert_eq!(subjects(&all), wanted);
    let released = &all[1].1;
    assert_eq!(released["message_type"], "status");
    let said = json!({"kind": "task.released", "task_id": id, "epoch": 2, "reason": "forced"});
    assert_eq!(released["metadata"], said);
    assert_eq!(all[2].1["metadata"]["epoch"], 3);

    rig.ask("sue", TaskVerb::Cancel, &json!({"task_id": id, "reason": "no"}));
    let all = letters(&rig);
    let said = json!({"kind": "task.released", "task_id": id, "epoch": 3, "reason": "cancelled"});
    assert_eq!(
        (all[1].0.as_str(), &all[1].1["metadata"]),
        ("wb.msg.bob.urgent.coordinator", &said)
    );
}

#[test]
fn the_submitter_hears_of_each_end() {
    let ends = [
        (TaskState::Completed, "task.completed", "work is completed"),
        (TaskState::Failed, "task.failed", "work failed: broke"),
        (TaskState::Cancelled, "task.cancelled", "work was cancelled"),
    ];
    for (state, kind, content) in ends {
        let (rig, id) = Rig::brought_to(state);
        let all = letters(&rig);
        let (subject, body) = all.last().unwrap();
        assert_eq!(subject, "wb.msg.sue.normal.coordinator");
        assert_eq!(
            (&body["message_type"], &body["content"]),
            (&json!("status"), &json!(content))
        );
        assert_eq!(
            (&body["metadata"]["kind"], &body["metadata"]["task_id"]),
            (&json!(kind), &json!(id))
        );
        assert_eq!(body["metadata"]["task"]["state"], state.as_str());
    }
}

/// The text of the assignment of a task with this input.
fn assignment(input: &Value) -> (Message, usize) {
    let mut rig = Rig::new();
    let id = rig.submit(&json!({"title": "t", "input": input}));
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "alice"}),
    );
    let letter = rig.letters.last().unwrap();
    assert!(matches!(letter.subject, Subject::Message { .. }));
    (serde_json::from_slice(&letter.body).unwrap(), letter.body.len())
}

#[test]
fn the_text_shows_32_kib_of_the_input_as_it_is_encoded() {
    const SHOWN: usize = 32 * 1024;
    let whole = "x".repeat(SHOWN);
    let (message, _) = assignment(&json!(whole));
    assert!(message.content.contains(&whole) && !message.content.contains('…'));
    // One byte more; characters of several bytes; such that are longer as JSON; and all of it once more as an object.
    let long = [
        json!("x".repeat(SHOWN + 1)),
        json!(format!("x{}", "ü".repeat(SHOWN / 2))),
        json!("\u{1}".repeat(15_000)),
        json!("\"".repeat(40_000)),
        json!({ "key": "\"".repeat(40_000) }),
    ];
    for input in long {
        let (message, bytes) = assignment(&input);
        let (before, after) = message.content.split_once('…').unwrap();
        let shown = before.split_once("\n\n").unwrap().1;
        let encoded = serde_json::to_string(shown).unwrap().len() - 2;
        assert!((SHOWN - 6..=SHOWN).contains(&encoded), "{encoded}");
        assert!(after.contains("the whole input is in metadata.task.input"));
        assert_eq!(message.metadata["task"]["input"], input);
        assert!(bytes <= MESSAGE_BYTES_MAX);
    }
}

#[test]
fn the_longest_task_is_still_a_message() {
    let mut rig = Rig::new();
    let part = "\\".repeat((TASK_PART_BYTES_MAX - 2) / 2);
    let title = "t".repeat(31 * 1024);
    let id = rig.submit(&json!({"title": title, "input": part}));
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "alice"}),
    );
    let assigned = rig.letters.last().unwrap().body.len();
    rig.ask(
        "alice",
        TaskVerb::Complete,
        &json!({"task_id": id, "epoch": 1, "result": part}),
    );
    assert_eq!(rig.task(&id).task.state, TaskState::Completed);
    for bytes in rig
        .letters
        .iter()
        .map(|letter| letter.body.len())
        .chain([assigned])
    {
        assert!(bytes <= MESSAGE_BYTES_MAX, "{bytes}");
    }
}

#[test]
fn what_is_remembered_of_a_letter_is_the_letter() {
    let mut rig = Rig::new();
    rig.submit(&json!({"title": "work", "input": "x".repeat(10_000)}));
    let remembered = rig.world.follows().last().unwrap();
    let told = rig.letters.last().unwrap();
    assert_eq!(remembered, told);
    assert!(
        std::sync::Arc::ptr_eq(&remembered.body, &told.body),
        "it is copied"
    );
}
