//! Tasks through the coordinator: who does what, decided, followed, survived.

pub(super) mod commands;
mod degraded;
mod machines;
mod resources;
mod takeover;

use std::time::Duration;

use async_nats::Request;
use serde_json::{Value, json};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Draft, ErrorCode, Id, Task};

use crate::messages::{WITHIN, ack, send, take};
use commands::{Commander, about};

/// A hive with a coordinator, an agent `alice` without capabilities, and agents with one each.
pub(super) async fn hive(capable: &[(&str, &str)]) -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    let names: Vec<&str> = capable.iter().map(|(name, _)| *name).chain(["alice"]).collect();
    fleet.enrol(&names).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    for (name, capability) in capable {
        let options = Options::http().with(&["--capability", capability]);
        fleet.start(name, &options).await.unwrap();
    }
    fleet
}

/// The task, once it is in this state.
pub(crate) async fn until(fleet: &Fleet, id: Id, state: TaskState) -> Task {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let asked = async {
        loop {
            tick.tick().await;
            let task = ask(fleet, "task", json!({ "id": id })).await;
            if let Ok(task) = serde_json::from_value::<Task>(task)
                && task.state == state
            {
                return task;
            }
        }
    };
    tokio::time::timeout(WITHIN, asked).await.unwrap()
}

/// A question to the coordinator; null while none answers.
pub(super) async fn ask(fleet: &Fleet, method: &str, query: Value) -> Value {
    let client = fleet.bus().admin().client();
    let subject = format!("wb.api.{method}.operator");
    let request = Request::new()
        .payload(query.to_string().into())
        .inbox(client.new_inbox());
    match client.send_request(subject, request).await {
        Ok(answer) => serde_json::from_slice(&answer.payload).unwrap(),
        Err(_) => Value::Null,
    }
}

#[tokio::test]
async fn a_task_goes_to_who_can_and_a_reply_completes_it() {
    let fleet = hive(&[("bob", "rust:8"), ("carol", "python:9")]).await;
    let (alice, bob) = (
        fleet.sidecar("alice").unwrap().client(),
        fleet.sidecar("bob").unwrap().client(),
    );
    let submitter = Commander::of(&fleet, "alice");
    let draft = json!({"title": "Review", "capabilities": ["rust"], "input": {"branch": "parser"}});
    let task = submitter.submit(draft).await;
    assert_eq!(
        (task.state, task.submitted_by.as_str()),
        (TaskState::Pending, "alice")
    );

    let item = take(&bob, 1).await.remove(0);
    let notice = &item.message;
    assert_eq!(notice.metadata[metadata::KIND], "task.assigned");
    assert_eq!(notice.metadata["epoch"], 1);
    assert_eq!(notice.metadata["task"]["assigned_to"], "bob");
    assert!(
        notice.content.starts_with("Review\n\n{\"branch\":\"parser\"}"),
        "{}",
        notice.content
    );
    ack(&bob, &item).await;
    // Seen is accepted.
    let held = until(&fleet, task.id, TaskState::InProgress).await;
    assert_eq!((held.epoch, held.attempt), (1, 1));

    let mut reply = Draft::text("coordinator".parse().unwrap(), "looks good".to_owned());
    let answered = json!(notice.id);
    reply.metadata.insert(metadata::IN_REPLY_TO.to_owned(), answered);
    send(&bob, &reply).await;
    let done = until(&fleet, task.id, TaskState::Completed).await;
    assert_eq!((done.result, done.progress.get()), (json!("looks good"), 1.0));
    let told = take(&alice, 1).await.remove(0);
    assert_eq!(told.message.metadata[metadata::KIND], "task.completed");
    assert_eq!(told.message.metadata["task"]["result"], "looks good");
}

#[tokio::test]
async fn verbs_change_a_task_as_the_table_says_and_others_are_refused() {
    let fleet = hive(&[("bob", "rust:8")]).await;
    let (alice, bob) = (Commander::of(&fleet, "alice"), Commander::of(&fleet, "bob"));
    let draft = json!({"title": "Review", "capabilities": ["rust"], "max_attempts": 2});
    let task = alice.submit(draft.clone()).await;
    let same = alice.store("submit", task.id, draft).await;
    assert_eq!(alice.verdict(same).await.unwrap().id, task.id);
    let task = until(&fleet, task.id, TaskState::Assigned).await;

    let foreign = alice
        .command("complete", about(&task, json!({"result": 1})))
        .await;
    assert_eq!(foreign.unwrap_err(), ErrorCode::Forbidden);
    let stale = Task {
        epoch: 7,
        ..task.clone()
    };
    let stale = bob.command("complete", about(&stale, json!({"result": 1}))).await;
    assert_eq!(stale.unwrap_err(), ErrorCode::StaleEpoch);
    let incomplete = bob.command("complete", about(&task, json!({}))).await;
    assert_eq!(incomplete.unwrap_err(), ErrorCode::InvalidMessage);
    commands::overdo(&bob, &task).await;

    let half = bob
        .command("progress", about(&task, json!({"progress": 0.5})))
        .await
        .unwrap();
    assert_eq!((half.state, half.progress.get()), (TaskState::InProgress, 0.5));
    let blocked = bob
        .command("block", about(&task, json!({"reason": "no access"})))
        .await
        .unwrap();
    assert_eq!(blocked.state, TaskState::Blocked);
    let again = bob.command("resume", about(&task, json!({}))).await.unwrap();
    assert_eq!(again.state, TaskState::InProgress);
    let failed = bob
        .command(
            "fail",
            about(&task, json!({"error": "no luck", "retryable": true})),
        )
        .await
        .unwrap();
    assert_eq!((failed.state, failed.attempt), (TaskState::Pending, 1));
    // Nobody else can do it: it comes back, for the last time.
    let task = until(&fleet, task.id, TaskState::Assigned).await;
    assert_eq!((task.epoch, task.attempt), (2, 2));
    let failed = bob
        .command(
            "fail",
            about(&task, json!({"error": "no luck", "retryable": true})),
        )
        .await
        .unwrap();
    assert_eq!(
        (failed.state, failed.error.as_deref()),
        (TaskState::Failed, Some("no luck"))
    );
    let late = bob.command("resume", about(&task, json!({}))).await;
    assert_eq!(late.unwrap_err(), ErrorCode::IllegalTransition);

    for (draft, code) in [
        (
            json!({"title": "x", "capabilities": ["rsut"]}),
            ErrorCode::UnknownCapability,
        ),
        (
            json!({"title": "x", "deadline": "2020-01-01T00:00:00Z"}),
            ErrorCode::InvalidMessage,
        ),
        (json!({"title": ""}), ErrorCode::InvalidMessage),
        (
            json!({"title": "x", "depends_on": [Id::from_bytes([7; 16])]}),
            ErrorCode::NotFound,
        ),
    ] {
        assert_eq!(
            alice.command("submit", draft.clone()).await.unwrap_err(),
            code,
            "{draft}"
        );
    }
}

#[tokio::test]
async fn fifty_claims_have_one_winner() {
    let fleet = hive(&[("bob", "rust:8"), ("carol", "rust:8")]).await;
    let alice = Commander::of(&fleet, "alice");
    let draft = |title: &str| json!({"title": title, "capabilities": ["rust"]});
    // Both have their hands full: the next task waits, and may be claimed.
    for title in ["one", "two"] {
        let task = alice.submit(draft(title)).await;
        until(&fleet, task.id, TaskState::Assigned).await;
    }
    let task = alice.submit(draft("three")).await;
    let incapable = alice.command("accept", json!({"task_id": task.id})).await;
    assert_eq!(incapable.unwrap_err(), ErrorCode::Forbidden);
    let claims = (0..50).map(|n| {
        let claimant = Commander::of(&fleet, if n % 2 == 0 { "bob" } else { "carol" });
        async move { claimant.command("accept", json!({"task_id": task.id})).await }
    });
    let claims = futures::future::join_all(claims).await;
    let won: Vec<&Task> = claims.iter().filter_map(|claim| claim.as_ref().ok()).collect();
    let [won] = &won[..] else { panic!("{won:?}") };
    assert_eq!((won.state, won.epoch), (TaskState::InProgress, 1));
    let lost = claims
        .iter()
        .filter(|claim| claim.as_ref().err() == Some(&ErrorCode::IllegalTransition));
    assert_eq!(lost.count(), 49);
}
