//! Tests of what waits while everybody is busy.

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::task::TaskState;

use super::{Stage, appended};
use crate::lead::Appended;
use crate::task::{Ask, FreshIds as _};

#[test]
fn a_submission_to_a_fleet_that_is_busy_looks_at_nothing_that_waits() {
    let mut stage = Stage::new();
    stage.lead();
    for n in 1..=1_000_u64 {
        let id = format!("0192f0c1-7c1e-7b11-8a52-{n:012x}");
        let ask = Ask::read(
            TaskVerb::Submit,
            "sue".parse().unwrap(),
            n,
            Some(&id),
            br#"{"title": "work"}"#,
        );
        stage.act(|c, desk| c.asked(desk, &ask));
        let last = stage.coordination.world().last();
        let after = stage.coordination.appending.unwrap();
        stage.act(|c, desk| c.appended(desk, after, Appended::Stored(last)));
    }
    assert_eq!(stage.coordination.backlog.len(), 999);
    // Alice is done: who waits is found at once.
    assert!(stage.coordination.all_busy);
    let (id, epoch) = {
        let mut held = stage.coordination.world().in_state(TaskState::Assigned);
        let task = &held.next().unwrap().task;
        (task.id, task.epoch)
    };
    let body = serde_json::to_vec(&json!({"task_id": id, "epoch": epoch, "result": 1})).unwrap();
    let fresh = stage.ids.fresh().to_string();
    let ask = Ask::read(
        TaskVerb::Complete,
        "alice".parse().unwrap(),
        1_001,
        Some(&fresh),
        &body,
    );
    let (_, events) = appended(stage.act(|c, desk| c.asked(desk, &ask)));
    let words: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert!(words.contains(&"assign"), "{words:?}");
}
