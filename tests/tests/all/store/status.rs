//! How it is with an agent, in one call.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wagglebus_schemas::task::TaskState;

use crate::tasks::commands::{Commander, about};
use crate::tasks::{ask, hive, until};

#[tokio::test]
async fn one_call_tells_what_an_agent_does_and_why() {
    let fleet = hive(&[("bob", "rust:8")]).await;
    let status = async || ask(&fleet, "agent", json!({"agent": "bob"})).await;
    let idle = status().await;
    assert_eq!(
        (
            &idle["agent"],
            &idle["detail"]["health"],
            &idle["detail"]["current"]
        ),
        (&json!("bob"), &json!("ready"), &Value::Null)
    );
    assert_eq!(idle["detail"]["last_decision"], Value::Null);
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
    let detail = &busy["detail"];
    assert_eq!(detail["current"], json!(task.id));
    assert_eq!(detail["tasks"][0]["epoch"], 1);
    assert_eq!(
        detail["load"],
        json!({"assigned": 0, "in_progress": 1, "blocked": 0})
    );
    let decision = &detail["last_decision"];
    assert_eq!(
        (&decision["task_id"], &decision["explanation"]["chosen"]),
        (&json!(task.id), &json!("bob"))
    );
    assert!(busy["epoch"].as_u64().unwrap() > 0 && detail["event_seq"].as_u64().unwrap() > 0);
}
