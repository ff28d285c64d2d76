//! Several coordinators: each answers, and `bus.json` names the one that leads.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;
use wagglebus_nats::bus_file;
use wagglebus_schemas::places::{BusFile, Durability};
use wagglebus_schemas::task::TaskState;

use super::{operator, tokens, world};
use crate::messages::WITHIN;
use crate::tasks::until;

/// Waits until `bus.json` names this address.
async fn named(path: &Path, url: &str) -> Value {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let asked = async {
        loop {
            tick.tick().await;
            let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            if file["coordinator"]["http"] == url {
                return file;
            }
        }
    };
    tokio::time::timeout(WITHIN, asked).await.unwrap()
}

fn new_bus_file(fleet: &Fleet) -> String {
    let places = fleet.bus().places();
    let file = BusFile {
        url: fleet.bus().url().to_owned(),
        monitor: "http://127.0.0.1:1".to_owned(),
        pid: 1,
        supervisor_pid: std::process::id(),
        credentials_file: "/k".into(),
        durability: Durability::Relaxed,
        coordinator: None,
    };
    bus_file::write(&places.bus_file(), &file).unwrap();
    places.bus_file().to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_standby_answers_and_whoever_takes_over_says_where_it_is() {
    let mut fleet = world(&["--listen", "127.0.0.1:0"]).await;
    let path = new_bus_file(&fleet);
    let more = ["--bus-file", path.as_str(), "--listen", "127.0.0.1:0"];
    // The one that leads was not told of the file.
    fleet.start_coordinator_with(&more).await.unwrap();
    fleet.start_coordinator_with(&more).await.unwrap();
    let standby = operator(&fleet, 1);
    assert_eq!(standby.get("/v1/agents/bob").await.json()["agent"], "bob");
    let made = standby
        .post(
            "/v1/tasks",
            &json!({"title": "Through a standby", "capabilities": ["rust"]}),
        )
        .await;
    assert_eq!(
        (made.status, &made.json()["submitted_by"]),
        (201, &json!("operator")),
        "{made:?}"
    );
    let id = made.json()["id"].as_str().unwrap().parse().unwrap();
    until(&fleet, id, TaskState::Assigned).await;
    let refused = standby
        .post("/v1/tasks", &json!({"title": "x", "capabilities": ["cobol"]}))
        .await;
    assert_eq!(refused.refusal(), (404, "unknown_capability".to_owned()));

    // One of the two leads then, and says so.
    let urls = [
        fleet.coordinator_http(1).unwrap(),
        fleet.coordinator_http(2).unwrap(),
    ];
    fleet.kill_coordinator(0).await.unwrap();
    let file = tokio::select! {
        file = named(Path::new(&path), &urls[0]) => file,
        file = named(Path::new(&path), &urls[1]) => file,
    };
    assert_eq!(
        file["coordinator"]["token_file"],
        json!(tokens(&fleet).operator_file())
    );
    assert_eq!(file["url"], fleet.bus().url());
    let (first, second) = if file["coordinator"]["http"] == urls[0].as_str() {
        (0, 1)
    } else {
        (1, 0)
    };
    let leader = operator(&fleet, first);
    assert!(
        leader
            .get("/metrics")
            .await
            .body
            .contains("wagglebus_coordinator_leads 1")
    );
    assert_eq!(leader.get(&format!("/v1/tasks/{id}")).await.status, 200);
    // Somebody who writes the file anew does not hide it for long.
    new_bus_file(&fleet);
    named(Path::new(&path), &urls[first]).await;
    fleet.kill_coordinator(first).await.unwrap();
    named(Path::new(&path), &urls[second]).await;
}
