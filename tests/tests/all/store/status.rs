//! How it is with an agent, in one call.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wagglebus_schemas::task::TaskState;

use crate::tasks::commands::{Commander, about};
use crate::tasks::{ask, hive, until};

#[tokio::test]
async fn one_call_tells_what_an_agent_does_and_why() {
    let fleet = hive(&[("bob", "rust:8")]).await;
    let status = async || ask(&fleet, "agent", json!({"agent": "bob", "status": true})).await;
    let idle = status().await;
    assert_eq!(
        (&idle["agent"]["agent"], &idle["health"], &idle["task"]),
        (&json!("bob"), &json!("ready"), &Value::Null)
    );
    assert_eq!(idle["last_decision"], Value::Null);
    let alice = Commander::of(&fleet, "alice");
    let task = alice
        .submit(json!({"title": "Work", "capabilities": ["rust"]}))
        .await;
    let task = until(&fleet, task.id, TaskState::Assigned).await;
    Commander::of(&fleet, "bob")
        .command("progress", about(&task, json!({"progress": 0.5})))
        .await
        .unwrap();
    let began = Instant::now();
    let busy = status().await;
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(busy["task"]["id"], json!(task.id));
    assert_eq!(busy["held"][0]["epoch"], 1);
    assert_eq!(
        busy["load"],
        json!({"assigned": 0, "in_progress": 1, "blocked": 0})
    );
    let decision = &busy["last_decision"];
    assert_eq!(
        (&decision["task_id"], &decision["explanation"]["chosen"]),
        (&json!(task.id), &json!("bob"))
    );
    assert!(busy["agent"]["epoch"].as_u64().unwrap() > 0 && busy["event_seq"].as_u64().unwrap() > 0);
}
