//! The whole way of a task over the local API, with the real coordinator.

use serde_json::json;
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::TasksRequest;

use super::script::{draft, fresh};
use super::{command, task};
use crate::messages::{WITHIN, ack, take};

#[tokio::test]
async fn a_task_is_submitted_assigned_worked_on_and_completed() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let counting = Options::http().with(&["--capability", "count"]);
    fleet.start("bob", &counting).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();

    let mut wanted = draft("count the words", Some(fresh()));
    wanted.capabilities = vec!["count".parse().unwrap()];
    wanted.input = "one two three".into();
    wanted.park = true;
    let submitted = task(alice.submit_task(&wanted).await.unwrap().value);
    assert_eq!(submitted.submitted_by.as_str(), "alice");
    let id = submitted.id;

    let assigned = take(&bob, 1).await.remove(0);
    assert_eq!(assigned.message.metadata["kind"], "task.assigned");
    assert_eq!(assigned.message.metadata["task_id"], json!(id));
    let accepted = command(&bob, id, TaskVerb::Accept, json!({})).await.unwrap();
    assert_eq!(accepted.state, TaskState::InProgress);
    let half = command(&bob, id, TaskVerb::Progress, json!({ "progress": 0.5 })).await;
    assert_eq!(half.unwrap().progress, 0.5.try_into().unwrap());
    let stale = command(&bob, id, TaskVerb::Resume, json!({ "epoch": 77 })).await;
    assert_eq!(stale, Err(ErrorCode::StaleEpoch));
    let foreign = command(
        &alice,
        id,
        TaskVerb::Fail,
        json!({ "error": "no", "epoch": accepted.epoch }),
    )
    .await;
    assert_eq!(foreign, Err(ErrorCode::Forbidden));
    let done = json!({ "result": { "words": 3 } });
    let completed = command(&bob, id, TaskVerb::Complete, done).await.unwrap();
    assert_eq!(
        (completed.state, &completed.result),
        (TaskState::Completed, &json!({ "words": 3 }))
    );
    ack(&bob, &assigned).await;

    let told = take(&alice, 1).await.remove(0);
    assert_eq!(told.message.metadata["kind"], "task.completed");
    assert_eq!(told.message.metadata["task"]["result"], json!({ "words": 3 }));
    ack(&alice, &told).await;

    let now = alice.task(id).await.unwrap().value;
    assert_eq!(now.state, TaskState::Completed);
    let request = TasksRequest {
        state: Some(TaskState::Completed),
        ..TasksRequest::default()
    };
    let listed = bob.tasks(&request).await.unwrap().value.items;
    assert_eq!(listed.iter().map(|task| task.id).collect::<Vec<_>>(), [id]);
    let explained = alice.explain_task(id).await.unwrap().value;
    assert_eq!(explained.task_id, id);
    let unknown = alice.task(fresh()).await.unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::NotFound));
    for agent in ["alice", "bob"] {
        fleet.until_settled(agent, WITHIN).await.unwrap();
    }
}

#[tokio::test]
async fn a_parked_task_waits_and_can_be_withdrawn() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut wanted = draft("wait for nobody", None);
    wanted.capabilities = vec!["nobody-has-this".parse().unwrap()];
    let refused = alice.submit_task(&wanted).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::UnknownCapability));
    wanted.park = true;
    let parked = task(alice.submit_task(&wanted).await.unwrap().value);
    assert_eq!(parked.state, TaskState::Pending);
    let why = json!({ "reason": "changed my mind" });
    let cancelled = command(&alice, parked.id, TaskVerb::Cancel, why).await.unwrap();
    assert_eq!(cancelled.state, TaskState::Cancelled);
}
