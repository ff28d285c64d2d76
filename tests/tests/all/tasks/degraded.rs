//! Without a coordinator: what the sidecars remember answers, and what must be decided waits.

use std::collections::BTreeSet;

use serde_json::json;
use wagglebus_client::SendOptions;
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::{TaskAnswer, TasksRequest};
use wagglebus_schemas::{Draft, ErrorCode, Level, TaskDraft};

use super::{ask, hive, until};
use crate::messages::{WITHIN, take};

/// Waits until all of these are alive and the sidecars have looked at them.
async fn until_known(fleet: &Fleet, names: &[&str]) {
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    let known = async {
        loop {
            tick.tick().await;
            let page = alice.agents(None).await.unwrap().value;
            let alive = |name: &&str| {
                let mut items = page.items.iter();
                items.any(|agent| agent.agent.as_str() == *name && agent.presence == Presence::Alive)
            };
            if names.iter().all(alive) {
                return;
            }
        }
    };
    tokio::time::timeout(WITHIN, known).await.unwrap();
}

#[tokio::test]
async fn a_capability_is_found_among_those_who_are_remembered() {
    let mut fleet = hive(&[("bob", "rust:5"), ("carol", "rust:9")]).await;
    until_known(&fleet, &["bob", "carol"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(WITHIN),
        park: false,
    };
    let draft = |to: &str| Draft::text(to.parse().unwrap(), "compile".to_owned());
    let fresh = alice.send(&draft("capability:rust"), options).await.unwrap();
    assert!(!fresh.value.stale);
    assert!(!String::from_utf8(fresh.body.to_vec()).unwrap().contains("stale"));
    fleet.kill_coordinator(0).await.unwrap();

    // The least loaded: what was sent meanwhile counts, so it is not always the same one.
    let mut recipients = BTreeSet::new();
    for _ in 0..4 {
        let sent = alice
            .send(&draft("capability:rust"), options)
            .await
            .unwrap()
            .value;
        assert!(sent.stale && sent.warning.is_none(), "{sent:?}");
        let message = alice.message(sent.id).await.unwrap().value;
        assert_eq!(message.metadata["capability"], "rust");
        recipients.insert(message.to_agent.to_string());
    }
    assert_eq!(recipients, ["bob", "carol"].map(str::to_owned).into());
    assert_eq!(take(&fleet.sidecar("bob").unwrap().client(), 1).await.len(), 1);
    let nobody = alice.send(&draft("capability:cobol"), options).await.unwrap_err();
    assert_eq!(nobody.code(), Some(ErrorCode::CoordinatorUnavailable), "{nobody}");

    let page = alice.agents(None).await.unwrap().value;
    assert!(page.items.len() >= 3 && page.items.iter().all(|agent| agent.stale));
    let bob = alice.agent(&"bob".parse().unwrap()).await.unwrap().value;
    assert!(bob.stale && bob.capabilities[0].name.as_str() == "rust");
    let tasks = alice.tasks(&TasksRequest::default()).await.unwrap_err();
    assert_eq!(tasks.code(), Some(ErrorCode::CoordinatorUnavailable));
}

#[tokio::test]
async fn a_task_is_kept_and_decided_later() {
    let mut fleet = hive(&[("bob", "rust:5")]).await;
    until_known(&fleet, &["bob"]).await;
    fleet.kill_coordinator(0).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let draft: TaskDraft =
        serde_json::from_value(json!({"title": "Later", "capabilities": ["rust"]})).unwrap();
    let TaskAnswer::Undecided(kept) = alice.submit_task(&draft).await.unwrap().value else {
        panic!("nobody could decide it");
    };
    assert_eq!(kept.level, Level::Stored);
    fleet.start_coordinator().await.unwrap();
    let task = until(&fleet, kept.id, TaskState::Assigned).await;
    assert_eq!(task.assigned_to.unwrap().as_str(), "bob");
}

#[tokio::test]
async fn sidecars_look_at_the_roster_by_themselves() {
    let fleet = hive(&[("bob", "rust:5")]).await;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    let looked = async {
        loop {
            tick.tick().await;
            let tool = fleet.bus().admin().client();
            let request = async_nats::Request::new().inbox(tool.new_inbox());
            let stats = tool.send_request("$SRV.STATS.wagglebus", request).await;
            let stats = stats.map(|answer| serde_json::from_slice::<serde_json::Value>(&answer.payload));
            let Ok(Ok(stats)) = stats else { continue };
            let endpoints = stats["endpoints"].as_array().cloned().unwrap_or_default();
            let agents = endpoints.iter().find(|endpoint| endpoint["name"] == "agents");
            if agents.is_some_and(|agents| agents["num_requests"].as_u64() >= Some(2)) {
                return;
            }
        }
    };
    tokio::time::timeout(WITHIN, looked).await.unwrap();
    assert_eq!(
        ask(&fleet, "agent", json!({"agent": "bob"})).await["agent"],
        "bob"
    );
}
