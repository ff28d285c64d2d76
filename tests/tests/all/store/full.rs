//! Streams that are full: refused, not dropped, and seen.

use serde_json::json;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::TaskAnswer;
use wagglebus_schemas::{Id, TaskDraft};

use super::{bound, readyz, tasks, until};
use crate::tasks::commands::Commander;
use crate::tasks::hive;

#[tokio::test]
async fn a_full_log_stops_decisions_loses_nothing_and_goes_on_by_itself() {
    let mut fleet = hive(&[]).await;
    // What is in it is not let go: there is no room to be made.
    fleet.kill_coordinator(0).await.unwrap();
    bound(&fleet, "WB_EVENTS", |config| {
        config.max_bytes = 64 * 1024;
        config.deny_purge = true;
    })
    .await;
    fleet.start_coordinator().await.unwrap();
    let alice = Commander::of(&fleet, "alice");
    let stuff = "x".repeat(8_000);
    let mut stored = Vec::new();
    for n in 0..12 {
        let draft = json!({"title": format!("task {n}"), "input": stuff});
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        stored.push(alice.store("submit", id, draft).await);
    }
    let full = until(async || {
        let said = readyz(&fleet, 1).await;
        (said["checks"]["log"] != "ok").then_some(said)
    })
    .await;
    assert_eq!(
        (&full["ready"], &full["checks"]["log"]),
        (&json!(false), &json!("full"))
    );
    bound(&fleet, "WB_EVENTS", |config| config.max_bytes = 64 << 20).await;
    for id in &stored {
        alice.verdict(*id).await.unwrap();
    }
    assert_eq!(tasks(&fleet).await.len(), stored.len());
    until(async || (readyz(&fleet, 1).await["ready"] == true).then_some(())).await;
}

#[tokio::test]
async fn a_full_stream_of_commands_refuses_and_the_sidecar_keeps_them() {
    let fleet = hive(&[]).await;
    bound(&fleet, "WB_TASKS", |config| config.max_bytes = 1_000).await;
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    let draft = json!({"id": id, "title": "kept", "input": "x".repeat(2_000)});
    // Who writes there itself is refused.
    let js = fleet.bus().admin();
    let refused = js.publish("wb.task.submit.normal.alice", draft.to_string().into());
    let error = refused.await.unwrap().await.unwrap_err().to_string();
    assert!(error.contains("maximum bytes exceeded"), "{error}");
    // Who asks its sidecar hears that it is kept, and not stored.
    let alice = fleet.sidecar("alice").unwrap().client();
    let draft: TaskDraft = serde_json::from_value(draft).unwrap();
    let answer = alice.submit_task(&draft).await.unwrap();
    assert!(
        matches!(answer.value, TaskAnswer::Undecided(_)),
        "{:?}",
        answer.value
    );
    assert_eq!(tasks(&fleet).await.len(), 0);
    bound(&fleet, "WB_TASKS", |config| config.max_bytes = 1 << 20).await;
    crate::tasks::until(&fleet, id, TaskState::Assigned).await;
}
