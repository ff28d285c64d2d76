//! The coordinator as a roster service: who is there, and who is meant by an address.

mod agent;
mod coordinator;
mod expiry;
mod sending;

use async_nats::service::{Info, PingResponse, Stats};
use serde_json::{Value, from_value, json};
use wagglebus_harness::bus::TestBus;
use wagglebus_nats::keys::BusUser;

use agent::{Agent, discover, listed};
use coordinator::Coordinator;

#[tokio::test]
async fn presence_follows_heartbeats_and_addresses_are_resolved() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol_all(&["alice", "bob"]).await.unwrap();
    let mut coordinator = Coordinator::start(&bus).await;
    let alice = Agent::connect(&bus, "alice").await;
    let bob = Agent::connect(&bus, "bob").await;

    let never = alice.ask("resolve", json!({"to": "bob"})).await;
    assert_eq!(never.status, None);
    assert_eq!(never.body["agent"]["presence"], "never");
    assert_eq!(never.body["agent"]["rooms"][0]["name"], "all");

    let rust = json!([{"name": "rust", "proficiency": 7}]);
    bob.beat(1, json!({"capabilities": rust, "epoch": 4})).await;
    coordinator.says(&["agent=bob", "to=\"alive\""]).await;
    let found = alice.ask("resolve", json!({"to": "capability:rust"})).await;
    assert_eq!(found.body["agent"]["agent"], "bob");
    assert_eq!(found.body["agent"]["capabilities"], rust);
    assert_eq!(found.body["agent"]["epoch"], 4);

    let unknown = alice.ask("resolve", json!({"to": "bbo"})).await;
    assert_eq!(unknown.status.as_deref(), Some("404"));
    assert_eq!(unknown.body["error"]["code"], "unknown_agent");
    assert_eq!(unknown.body["error"]["details"]["similar"], json!(["bob"]));
    let unknown = alice.ask("resolve", json!({"to": "capability:rsut"})).await;
    assert_eq!(unknown.body["error"]["code"], "unknown_capability");
    assert_eq!(unknown.body["error"]["details"]["similar"], json!(["rust"]));
    let bad = alice.ask("resolve", json!({"to": "a.b"})).await;
    assert_eq!(bad.status.as_deref(), Some("400"));

    let known = alice.ask("agent", json!({"agent": "coordinator"})).await;
    assert_eq!(known.body["presence"], "alive");
    let all = alice.ask("agents", json!({})).await;
    let names: Vec<&Value> = all.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["agent"])
        .collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(all.body["next_cursor"], Value::Null);

    bob.beat(2, json!({"capabilities": rust, "epoch": 4, "state": "gone"}))
        .await;
    coordinator.says(&["agent=bob", "to=\"lost\""]).await;
    let gone = alice.ask("agent", json!({"agent": "bob"})).await;
    assert_eq!(
        (&gone.body["presence"], &gone.body["state"]),
        (&json!("lost"), &json!("gone"))
    );
    let nobody = alice.ask("resolve", json!({"to": "capability:rust"})).await;
    assert_eq!(nobody.body["error"]["code"], "unknown_capability");

    assert!(coordinator.terminate().await.success());
}

#[tokio::test]
async fn a_heartbeat_in_anothers_name_changes_nothing() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol_all(&["alice", "mallory"]).await.unwrap();
    let mut coordinator = Coordinator::start(&bus).await;
    let mallory = Agent::connect(&bus, "mallory").await;
    mallory.beat(1, json!({"agent": "alice", "epoch": 9})).await;
    coordinator
        .says(&["forged heartbeat", "mallory speaks as alice"])
        .await;
    for name in ["alice", "mallory"] {
        let agent = mallory.ask("agent", json!({"agent": name})).await;
        assert_eq!(agent.body["presence"], "never", "{name}");
    }
    let (status, metrics) = coordinator.get("/metrics", "localhost").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("wagglebus_coordinator_ignored_total{why=\"forged\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn whoever_lost_its_connection_is_lost_and_whoever_enrols_is_known() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol("alice").await.unwrap();
    let mut coordinator = Coordinator::start(&bus).await;
    let alice = Agent::connect(&bus, "alice").await;
    alice.beat(1, json!({})).await;
    coordinator.says(&["agent=alice", "to=\"alive\""]).await;
    alice.leave().await;
    // From alive and not from suspect: the server's notice was faster than silence.
    coordinator
        .says(&["agent=alice", "from=\"alive\"", "to=\"lost\""])
        .await;

    bus.enrol("bob").await.unwrap();
    coordinator.says(&["agent=bob", "to=\"never\""]).await;
    let bob = Agent::connect(&bus, "bob").await;
    assert_eq!(bob.ask("agent", json!({})).await.body["agent"], "bob");
}

#[tokio::test]
async fn services_are_found_as_stock_tools_look_for_them() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol("alice").await.unwrap();
    let mut coordinator = Coordinator::start(&bus).await;
    let alice = Agent::connect(&bus, "alice").await;
    let capabilities = json!([{"name": "rust", "proficiency": 7}]);
    alice.beat(1, json!({"capabilities": capabilities})).await;
    coordinator.says(&["agent=alice", "to=\"alive\""]).await;
    alice.ask("resolve", json!({"to": "bbo"})).await;
    let tool = bus.connect(BusUser::Inspector).await.unwrap();
    until_led(&tool).await;

    let mut pings: Vec<PingResponse> = Vec::new();
    for answer in discover(&tool, "$SRV.PING", 2).await {
        pings.push(from_value(answer).unwrap());
    }
    pings.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        [&*pings[0].name, &*pings[1].name],
        ["wagglebus", "wagglebus_agent"]
    );
    assert_eq!(pings[1].metadata["agent"], "alice");
    assert_eq!(pings[1].metadata["capabilities"], "rust");

    let subject = format!("$SRV.INFO.wagglebus.{}", pings[0].id);
    let info: Info = from_value(discover(&tool, &subject, 1).await.remove(0)).unwrap();
    let mut endpoints: Vec<(&str, &str)> = info
        .endpoints
        .iter()
        .map(|e| (e.name.as_str(), e.subject.as_str()))
        .collect();
    endpoints.sort_unstable();
    let expected = [
        ("agent", "wb.api.agent.*"),
        ("agents", "wb.api.agents.*"),
        ("alerts", "wb.api.alerts.*"),
        ("explain", "wb.api.explain.*"),
        ("fsm", "wb.api.fsm.*"),
        ("join", "wb.api.join.*"),
        ("leave", "wb.api.leave.*"),
        ("resolve", "wb.api.resolve.*"),
        ("rooms", "wb.api.rooms.*"),
        ("task", "wb.api.task.*"),
        ("tasks", "wb.api.tasks.*"),
    ];
    assert_eq!(endpoints, expected);

    let stats: Stats = from_value(discover(&tool, "$SRV.STATS.wagglebus", 1).await.remove(0)).unwrap();
    let resolve = stats.endpoints.iter().find(|e| e.name == "resolve").unwrap();
    assert_eq!((resolve.requests, resolve.errors), (1, 1));
    let error = resolve.last_error.as_ref().unwrap();
    assert_eq!(error.code, 404);
}

/// Waits until a coordinator leads: only that one can be found.
async fn until_led(tool: &async_nats::Client) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    while listed(tool, "$SRV.PING.wagglebus").await.is_empty() {
        tick.tick().await;
    }
}

#[tokio::test]
async fn each_agent_is_found_once_however_many_coordinators_run() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol_all(&["alice", "bob"]).await.unwrap();
    let mut first = Coordinator::start(&bus).await;
    first.says(&["leads=true"]).await;
    let mut second = Coordinator::start(&bus).await;
    let alice = Agent::connect(&bus, "alice").await;
    alice.beat(1, json!({})).await;
    for coordinator in [&mut first, &mut second] {
        coordinator.says(&["agent=alice", "to=\"alive\""]).await;
    }
    let tool = bus.connect(BusUser::Inspector).await.unwrap();
    until_led(&tool).await;
    let found = |answers: Vec<Value>| {
        let named = answers.iter().map(|answer| {
            let agent = answer["metadata"]["agent"].as_str().unwrap_or_default();
            format!("{} {agent}", answer["name"].as_str().unwrap())
        });
        let mut named: Vec<String> = named.collect();
        named.sort();
        named
    };
    let expected = ["wagglebus ", "wagglebus_agent alice"];
    assert_eq!(found(listed(&tool, "$SRV.PING").await), expected);
    assert_eq!(found(listed(&tool, "$SRV.INFO").await), expected);
    let agents = found(listed(&tool, "$SRV.PING.wagglebus_agent").await);
    assert_eq!(agents, ["wagglebus_agent alice"], "bob was never there");

    // The first, who leads, goes: the other one is found instead, with the same agents.
    assert!(first.terminate().await.success());
    until_led(&tool).await;
    alice.beat(2, json!({})).await;
    second.says(&["leads=true"]).await;
    assert_eq!(found(listed(&tool, "$SRV.PING").await), expected);
    assert!(second.terminate().await.success());
}

#[tokio::test]
async fn health_tells_whether_the_roster_can_be_trusted() {
    let mut bus = TestBus::open().await.unwrap();
    bus.enrol("alice").await.unwrap();
    let mut coordinator = Coordinator::start(&bus).await;
    assert_eq!(coordinator.get("/livez", "127.0.0.1:1").await.0, 200);
    let (status, body) = coordinator.get("/readyz", "localhost").await;
    let checks = json!({"ready": true, "checks": {"bus": "ok", "enrolments": "ok", "log": "ok"}});
    assert_eq!(
        (status, serde_json::from_str::<Value>(&body).unwrap()),
        (200, checks)
    );
    assert_eq!(coordinator.get("/metrics", "evil.example").await.0, 403);
    assert_eq!(coordinator.get("/nothing", "localhost").await.0, 404);

    bus.server_mut().kill().await.unwrap();
    coordinator.says(&["disconnected"]).await;
    assert_eq!(coordinator.get("/livez", "localhost").await.0, 200);
    let (status, body) = coordinator.get("/readyz", "localhost").await;
    assert_eq!(status, 503, "{body}");

    bus.server_mut().start().await.unwrap();
    coordinator.says(&["listed"]).await;
    let alice = Agent::connect(&bus, "alice").await;
    alice.beat(1, json!({})).await;
    coordinator.says(&["agent=alice", "to=\"alive\""]).await;
    assert_eq!(coordinator.get("/readyz", "localhost").await.0, 200);
    assert!(coordinator.terminate().await.success());
}
