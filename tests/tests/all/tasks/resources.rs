//! What agents have for tasks, declared by real sidecars, reserved by a real coordinator.

use serde_json::{Value, json};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{ErrorCode, Task};

use super::commands::{Commander, about};
use super::{ask, until};
use crate::messages::WITHIN;

/// What is known of an agent, once this holds.
async fn once(fleet: &Fleet, agent: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let shown = async {
        loop {
            tick.tick().await;
            let shown = ask(fleet, "agent", json!({"agent": agent})).await;
            if holds(&shown) {
                return shown;
            }
        }
    };
    tokio::time::timeout(WITHIN, shown).await.unwrap()
}

#[tokio::test]
async fn tasks_reserve_what_their_agents_have() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let declared = ["--capability", "rust:8", "--slots", "3"];
    let amounts = ["--resource", "memory_mb=1000", "--resource", "cpu_cores=2"];
    fleet
        .start("bob", &Options::http().with(&[declared, amounts].concat()))
        .await
        .unwrap();
    let idle = once(&fleet, "bob", |shown| shown["presence"] == "alive").await;
    assert_eq!(idle["detail"]["slots"], 3);
    assert_eq!(
        idle["detail"]["resources"],
        json!([{"name": "cpu_cores", "total": 2.0, "used": 0.0, "free": 2.0},
               {"name": "memory_mb", "total": 1000.0, "used": 0.0, "free": 1000.0}])
    );
    assert_eq!(idle["detail"]["skills"][0]["declared"], 8);

    let (submitter, bob) = (Commander::of(&fleet, "alice"), Commander::of(&fleet, "bob"));
    let draft = |mb: u32| json!({"title": "work", "capabilities": ["rust"], "resources": {"memory_mb": mb}});
    let first = submitter.submit(draft(400)).await;
    let second = submitter.submit(draft(400)).await;
    let third = submitter.submit(draft(400)).await;
    let held: Task = until(&fleet, first.id, TaskState::Assigned).await;
    until(&fleet, second.id, TaskState::Assigned).await;
    let busy = once(&fleet, "bob", |shown| {
        shown["detail"]["tasks"].as_array().map(Vec::len) == Some(2)
    })
    .await;
    assert_eq!(busy["detail"]["resources"][1]["free"], 200.0);
    // There is a slot, but no memory: it waits, and neither a claim nor an assignment gets round that.
    assert_eq!(
        ask(&fleet, "task", json!({"id": third.id})).await["state"],
        "pending"
    );
    let claim = bob.command("accept", json!({"task_id": third.id})).await;
    assert_eq!(claim.unwrap_err(), ErrorCode::Forbidden);

    let done = about(&held, json!({"result": 1}));
    bob.command("complete", done).await.unwrap();
    until(&fleet, third.id, TaskState::Assigned).await;
    let learned = once(&fleet, "bob", |shown| {
        shown["detail"]["skills"][0]["outcomes"] == 1.0
    })
    .await;
    let success = learned["detail"]["skills"][0]["success"].as_f64().unwrap();
    assert!(success > 0.8, "a success moves what was assumed: {learned}");
}
