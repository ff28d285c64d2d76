//! The coordinator's HTTP API: who may do what there, and what comes of it.

mod client;
mod guards;
mod history;
mod leaders;

use serde_json::{Value, json};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_nats::api_tokens::{Role, TokenFiles};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::task::TaskState;

use crate::messages::{WITHIN, take};
use crate::tasks::until;
use client::Api;

/// A hive with a coordinator that got these arguments, and the sidecars of alice and bob, who can do rust.
async fn world(more: &[&str]) -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator_with(more).await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let bob = Options::http().with(&["--capability", "rust:8"]);
    fleet.start("bob", &bob).await.unwrap();
    fleet
}

fn tokens(fleet: &Fleet) -> TokenFiles {
    TokenFiles::of(fleet.bus().places())
}

/// A new token.
fn token(fleet: &Fleet, name: &str, role: Role) -> String {
    tokens(fleet).add(name, role, Timestamp::EPOCH).unwrap()
}

fn agent(fleet: &Fleet, name: &str) -> String {
    let agent = name.parse().unwrap();
    token(fleet, &format!("{name}-token"), Role::Agent { agent })
}

/// The operator at a coordinator, by its place among those that run.
fn operator(fleet: &Fleet, place: usize) -> Api {
    let own = std::fs::read_to_string(tokens(fleet).operator_file()).unwrap();
    Api::at(&fleet.coordinator_http(place).unwrap()).with(own.trim())
}

/// Waits until a token counts.
async fn counts(api: &Api) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    let asked = async {
        while api.get("/v1/agents").await.status == 401 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(WITHIN, asked).await.unwrap();
}

#[tokio::test]
async fn the_operator_and_agents_write_in_their_own_names_and_viewers_look() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let alice = operator.with(&agent(&fleet, "alice"));
    let bob = operator.with(&agent(&fleet, "bob"));
    let viewer = operator.with(&token(&fleet, "eyes", Role::Viewer));
    counts(&viewer).await;

    let all = viewer.get("/v1/agents?limit=1").await.json();
    assert_eq!(
        (&all["items"][0]["agent"], &all["next_cursor"]),
        (&json!("alice"), &json!("alice"))
    );
    assert_eq!(viewer.get("/v1/agents/bob").await.json()["presence"], "alive");
    assert_eq!(viewer.get("/v1/rooms").await.json()["items"][0]["name"], "all");
    assert_eq!(viewer.get("/v1/swarm").await.json()["entity"], "swarm");
    let machine = viewer.get("/v1/fsm/agent/bob").await.json();
    assert_eq!(
        (&machine["entity"], &machine["id"]),
        (&json!("agent"), &json!("bob"))
    );
    let history = viewer.get("/v1/fsm/agent/bob/history?limit=5").await.json();
    assert!(history["items"].is_array(), "{history}");
    let before = viewer.get("/v1/fsm/agent/bob?at=2020-01-01T00:00:00Z").await;
    assert_ne!(before.status, 400, "{before:?}");
    assert_eq!(
        viewer.get("/v1/fsm/nothing/bob").await.refusal(),
        (404, "not_found".to_owned())
    );
    let unknown = viewer.get("/v1/agents/bbo").await;
    assert_eq!(unknown.refusal(), (404, "unknown_agent".to_owned()));
    assert_eq!(unknown.json()["error"]["details"]["similar"], json!(["bob"]));

    let draft = json!({"title": "Review", "capabilities": ["rust"]});
    let refused = viewer.post("/v1/tasks", &draft).await;
    assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
    let made = alice.post("/v1/tasks", &draft).await;
    assert_eq!(
        (made.status, &made.json()["submitted_by"]),
        (201, &json!("alice")),
        "{made:?}"
    );
    let task = made.json()["id"].as_str().unwrap().to_owned();
    let held = until(&fleet, task.parse().unwrap(), TaskState::Assigned).await;
    assert_eq!(
        viewer.get(&format!("/v1/tasks/{task}")).await.json()["assigned_to"],
        "bob"
    );
    let why = viewer.get(&format!("/v1/tasks/{task}/explanation")).await.json();
    assert_eq!(why["chosen"], "bob");
    let listed = viewer.get("/v1/tasks?state=assigned&agent=bob").await.json();
    assert_eq!(listed["items"][0]["id"], task.as_str());

    let verb = |verb: &str| format!("/v1/tasks/{task}/{verb}");
    let late = json!({"result": 1, "epoch": held.epoch + 1});
    assert_eq!(
        bob.post(&verb("complete"), &late).await.refusal(),
        (409, "stale_epoch".to_owned())
    );
    let foreign = json!({"result": 1, "epoch": held.epoch});
    assert_eq!(alice.post(&verb("complete"), &foreign).await.refusal().0, 403);
    assert_eq!(
        alice
            .post(&verb("complete"), &json!({"result": 1}))
            .await
            .refusal()
            .0,
        400
    );
    let taken = bob.send("POST", &verb("accept"), &bob.host(), "").await;
    assert_eq!(
        (taken.status, &taken.json()["state"]),
        (200, &json!("in_progress"))
    );
    // Its epoch is that of its own assignment.
    let done = bob.post(&verb("complete"), &json!({"result": "fine"})).await;
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("completed")));
    for (path, state) in [("pause", "paused"), ("resume", "")] {
        let path = format!("/v1/agents/bob/{path}");
        let refused = bob.send("POST", &path, &bob.host(), "").await;
        assert_eq!(refused.refusal(), (403, "forbidden".to_owned()));
        let now = operator.send("POST", &path, &operator.host(), "").await;
        assert_eq!(
            (now.status, &now.json()["entity"]),
            (200, &json!("agent")),
            "{now:?}"
        );
        assert!(now.json()["state"].as_str().unwrap().contains(state), "{now:?}");
    }
    let again = operator.post(&verb("cancel"), &json!({"reason": "no"})).await;
    assert_eq!(again.refusal(), (409, "illegal_transition".to_owned()));
}

#[tokio::test]
async fn a_repeat_is_the_same_and_an_id_stands_for_one_thing() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let id = "018f0000-0000-7000-8000-000000000001";
    let draft = json!({"id": id, "title": "Once"});
    assert_eq!(operator.post("/v1/tasks", &draft).await.status, 201);
    let again = operator.post("/v1/tasks", &draft).await;
    assert_eq!(
        (again.status, &again.json()["id"]),
        (200, &json!(id)),
        "{again:?}"
    );
    let other = operator
        .post("/v1/tasks", &json!({"id": id, "title": "Twice"}))
        .await;
    assert_eq!(other.refusal(), (409, "idempotency_conflict".to_owned()));
    let refused =
        json!({"id": "018f0000-0000-7000-8000-000000000002", "title": "x", "capabilities": ["rsut"]});
    for _ in 0..2 {
        let unknown = operator.post("/v1/tasks", &refused).await;
        assert_eq!(unknown.refusal(), (404, "unknown_capability".to_owned()));
        assert_eq!(unknown.json()["error"]["details"]["similar"], json!(["rust"]));
    }
    let with_key = format!(
        "{}Content-Type: application/json\r\nIdempotency-Key: k1\r\n",
        operator.host()
    );
    let keyed = |title: &str| json!({ "title": title }).to_string();
    let first = operator
        .send("POST", "/v1/tasks", &with_key, &keyed("keyed"))
        .await;
    let second = operator
        .send("POST", "/v1/tasks", &with_key, &keyed("keyed"))
        .await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.json()["id"], second.json()["id"]);
    let third = operator
        .send("POST", "/v1/tasks", &with_key, &keyed("other"))
        .await;
    assert_eq!(third.refusal().0, 409);
}

#[tokio::test]
async fn messages_are_sent_in_the_name_of_the_token_alone() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let alice = operator.with(&agent(&fleet, "alice"));
    counts(&alice).await;
    let forged = json!({"to_agent": "bob", "content": "x", "from_agent": "bob"});
    assert_eq!(
        alice.post("/v1/messages", &forged).await.refusal(),
        (403, "sender_mismatch".to_owned())
    );
    let id = "018f0000-0000-7000-8000-000000000003";
    let draft = json!({"id": id, "to_agent": "capability:rust", "content": "hello", "from_agent": "alice"});
    let sent = alice.post("/v1/messages", &draft).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let answer = sent.json();
    assert_eq!(
        (&answer["level"], &answer["duplicate"]),
        (&json!("stored"), &json!(false))
    );
    let item = take(&fleet.sidecar("bob").unwrap().client(), 1).await.remove(0);
    assert_eq!(item.message.from_agent.as_str(), "alice");
    assert_eq!(
        (
            item.message.content.as_str(),
            &item.message.metadata["capability"]
        ),
        ("hello", &json!("rust"))
    );
    let shown = operator.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(
        (&shown["content"], &shown["from_agent"]),
        (&json!("hello"), &json!("alice"))
    );
    let trace = alice.get(&format!("/v1/messages/{id}/trace")).await.json();
    assert_eq!(trace["message"]["id"], id, "{trace}");
    assert!(trace["level"] != "accepted" && !trace["explanation"].as_str().unwrap().is_empty());
    let again = alice.post("/v1/messages", &draft).await.json();
    assert_eq!(
        (&again["duplicate"], &again["stream_seq"]),
        (&json!(true), &answer["stream_seq"])
    );
    let other = json!({"id": id, "to_agent": "bob", "content": "other"});
    assert_eq!(
        alice.post("/v1/messages", &other).await.refusal(),
        (409, "idempotency_conflict".to_owned())
    );
    let unknown = json!({"to_agent": "bbo", "content": "x"});
    let refused = operator.post("/v1/messages", &unknown).await;
    assert_eq!(refused.json()["error"]["details"]["similar"], json!(["bob"]));
    assert_eq!(
        operator.post("/v1/messages?park=true", &unknown).await.status,
        201
    );
    let room = operator
        .post("/v1/messages", &json!({"to_agent": "all", "content": "hi"}))
        .await;
    assert_eq!(room.status, 201, "{room:?}");
    let joined = alice
        .send("POST", "/v1/rooms/design/join", &alice.host(), "")
        .await;
    assert_eq!(
        (joined.status, &joined.json()["name"]),
        (200, &Value::from("design"))
    );
}
