//! The buckets say what the log says, whoever died or was frozen.

use async_nats::jetstream::kv::Store;
use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::Task;
use wagglebus_schemas::task::TaskState;

use super::{rebuild, until};
use crate::tasks::commands::{Commander, about};
use crate::tasks::{self, hive};

async fn bucket(fleet: &Fleet, name: &str) -> Store {
    fleet.bus().admin().get_key_value(name).await.unwrap()
}

async fn value(store: &Store, key: &str) -> Option<Value> {
    let value = store.get(key).await.unwrap()?;
    Some(serde_json::from_slice(&value).unwrap())
}

/// Submits tasks: bob completes every second one, and nobody can do the others.
async fn work(fleet: &Fleet, count: usize) -> Vec<Task> {
    let (alice, bob) = (Commander::of(fleet, "alice"), Commander::of(fleet, "bob"));
    let mut all = Vec::new();
    for n in 0..count {
        let capability = if n % 2 == 0 { "rust" } else { "cobol" };
        let draft = json!({"title": format!("task {n}"), "capabilities": [capability], "park": true});
        let task = alice.submit(draft).await;
        if n % 2 == 0 {
            let task = tasks::until(fleet, task.id, TaskState::Assigned).await;
            bob.command("complete", about(&task, json!({"result": n})))
                .await
                .unwrap();
        }
        all.push(task);
    }
    all
}

#[tokio::test]
async fn after_a_kill_the_next_leader_writes_what_the_dead_one_did_not() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    let all = work(&fleet, 8).await;
    // What was decided last is not in the buckets yet, as a rule.
    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    until(async || (rebuild(&fleet, "--check").await.0 == Some(0)).then_some(())).await;
    let (tasks, fsm) = (bucket(&fleet, "WB_tasks").await, bucket(&fleet, "WB_fsm").await);
    let done = value(&tasks, &all[0].id.to_string()).await.unwrap();
    assert_eq!(
        (&done["state"], &done["result"]),
        (&json!("completed"), &json!(0))
    );
    let known: Task = serde_json::from_value(done.clone()).unwrap();
    assert_eq!(known, tasks::until(&fleet, all[0].id, TaskState::Completed).await);
    let state = value(&fsm, &format!("task.{}", all[0].id)).await.unwrap();
    assert_eq!(
        (&state["state"], &state["event_seq"]),
        (&json!("completed"), &done["event_seq"])
    );
}

#[tokio::test]
async fn a_leader_that_was_frozen_overwrites_nothing() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    work(&fleet, 3).await;
    fleet.start_coordinator().await.unwrap();
    fleet.coordinators()[0].pause().unwrap();
    let all = work(&fleet, 4).await;
    fleet.coordinators()[0].resume().unwrap();
    work(&fleet, 2).await;
    until(async || (rebuild(&fleet, "--check").await.0 == Some(0)).then_some(())).await;
    let done = value(&bucket(&fleet, "WB_tasks").await, &all[2].id.to_string()).await;
    assert_eq!(done.unwrap()["state"], "completed");
}

#[tokio::test]
async fn what_differs_is_told_and_mended() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    let all = work(&fleet, 4).await;
    until(async || (rebuild(&fleet, "--check").await.0 == Some(0)).then_some(())).await;
    fleet.kill_coordinator(0).await.unwrap();
    let (tasks, fsm) = (bucket(&fleet, "WB_tasks").await, bucket(&fleet, "WB_fsm").await);
    let mut wrong = value(&tasks, &all[0].id.to_string()).await.unwrap();
    wrong["state"] = json!("failed");
    tasks
        .put(all[0].id.to_string(), wrong.to_string().into())
        .await
        .unwrap();
    wrong["event_seq"] = json!(9_999);
    tasks
        .put(all[1].id.to_string(), wrong.to_string().into())
        .await
        .unwrap();
    fsm.delete(format!("task.{}", all[2].id)).await.unwrap();
    fsm.put("task.unknown", "{\"event_seq\":1}".into()).await.unwrap();
    let (code, told) = rebuild(&fleet, "--check").await;
    assert_eq!(code, Some(1), "{told}");
    for (key, what) in [
        (all[0].id.to_string(), "its state is not what the log says"),
        (all[1].id.to_string(), "event 9999 is there"),
        (all[2].id.to_string(), "nothing is there"),
        ("unknown".to_owned(), "the log knows nothing of it"),
    ] {
        let told_of = |line: &str| line.contains(&key) && line.contains(what);
        assert!(told.lines().any(told_of), "{key} {what}: {told}");
    }
    let (code, told) = rebuild(&fleet, "--write").await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("mended     4 of 4 records"), "{told}");
    let (code, told) = rebuild(&fleet, "--check").await;
    assert_eq!(code, Some(0), "{told}");
    assert!(fsm.get("task.unknown").await.unwrap().is_none());
}
