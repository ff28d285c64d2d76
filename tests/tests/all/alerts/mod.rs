//! Alerts of real processes: told once in each episode, by every way, and over when their cause is.

mod sink;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::alert::Alert;
use wagglebus_schemas::api::NakRequest;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Draft, Priority};

use crate::messages::{WITHIN, ack, draft, send, take};
use crate::tasks::commands::{Commander, about};
use crate::tasks::{ask, until};
use sink::Sink;

/// What an alert may take from its condition on.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How long a killed agent's connection is waited for before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// A hive whose coordinator has these options, with agents that all can `rust`.
async fn hive(agents: &[&str], options: &[&str]) -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    let names: Vec<&str> = agents.iter().copied().chain(["alice", "operator"]).collect();
    fleet.enrol(&names).await.unwrap();
    fleet.start_coordinator_with(options).await.unwrap();
    for name in ["alice", "operator"] {
        fleet.start(name, &Options::http()).await.unwrap();
    }
    for name in agents {
        let options = Options::http().with(&["--capability", "rust:8"]);
        fleet.start(name, &options).await.unwrap();
    }
    fleet
}

/// The alerts of a rule, the latest first.
async fn alerts(fleet: &Fleet, rule: &str) -> Vec<Alert> {
    let page = ask(fleet, "alerts", json!({})).await;
    let items: Vec<Alert> = serde_json::from_value(page["items"].clone()).unwrap_or_default();
    items.into_iter().filter(|alert| alert.rule == rule).collect()
}

/// The only alert of a rule, once it is in this state.
async fn only(fleet: &Fleet, rule: &str, state: &str) -> Alert {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let found = async {
        loop {
            tick.tick().await;
            let all = alerts(fleet, rule).await;
            assert!(all.len() <= 1, "{all:?}");
            if let Some(alert) = all.into_iter().find(|alert| alert.state.as_str() == state) {
                return alert;
            }
        }
    };
    let found = tokio::time::timeout(WITHIN, found).await;
    match found {
        Ok(alert) => alert,
        Err(_) => panic!(
            "no {rule} is {state}: {:?}",
            ask(fleet, "alerts", json!({})).await
        ),
    }
}

/// How often the log says that something happened to alerts of a rule.
async fn lines(fleet: &Fleet, rule: &str, event: &str) -> usize {
    let stream = fleet.bus().admin().get_stream("WB_EVENTS").await.unwrap();
    let mut count = 0;
    for seq in 1..=stream.cached_info().state.last_sequence {
        let Ok(line) = stream.get_raw_message(seq).await else {
            continue;
        };
        let line: Value = serde_json::from_slice(&line.payload).unwrap();
        count += usize::from(line["event"] == event && line["data"]["alert"]["rule"] == rule);
    }
    count
}

#[tokio::test]
async fn a_killed_agent_is_told_of_once_over_a_takeover_and_is_over_when_it_is_back() {
    let sink = Sink::open().await;
    let file = sink.folder().join("told.jsonl");
    // A command is run as it stands: this one is a shell on purpose.
    let append = format!("cat >> {0}; echo >> {0}", file.display());
    let command = json!(["/bin/sh", "-c", append]).to_string();
    let url = sink.url();
    let options = [
        "--alert-webhook",
        &url,
        "--alert-command",
        &command,
        "--alert-message",
    ];
    let mut fleet = hive(&["bob"], &options).await;
    let task = Commander::of(&fleet, "alice")
        .submit(json!({"title": "Survive", "capabilities": ["rust"]}))
        .await;
    until(&fleet, task.id, TaskState::Assigned).await;

    let killed = Instant::now();
    fleet.sidecar_mut("bob").unwrap().kill().await.unwrap();
    let told = sink.next("agent_lost", "firing").await;
    assert!(
        killed.elapsed() < LOST_AFTER + TOLD_WITHIN,
        "{:?}",
        killed.elapsed()
    );
    let alert = &told["alert"];
    assert_eq!(
        (&alert["entity"], &alert["entity_id"]),
        (&json!("agent"), &json!("bob"))
    );
    assert_eq!(
        (&alert["severity"], &alert["evidence"]["tasks"]),
        (&json!("error"), &json!([task.id]))
    );
    assert!(
        alert["summary"].as_str().unwrap().contains("it had 1 task"),
        "{told}"
    );
    assert_eq!((&told["id"], &told["hive"]), (&alert["event_id"], &json!("wb")));
    // The operator hears of it, too, and says so by a reply.
    let operator = fleet.sidecar("operator").unwrap().client();
    let item = take(&operator, 1).await.remove(0);
    assert_eq!(item.message.metadata["alert"]["id"], alert["id"]);
    ack(&operator, &item).await;

    // Its successor neither tells it again nor forgets it.
    fleet.start_coordinator_with(&options).await.unwrap();
    fleet.kill_coordinator(0).await.unwrap();
    let mut reply = Draft::text("coordinator".parse().unwrap(), "on it".to_owned());
    reply
        .metadata
        .insert("in_reply_to".to_owned(), json!(item.message.id));
    send(&operator, &reply).await;
    let known = only(&fleet, "agent_lost", "acknowledged").await;
    assert_eq!(json!(known.id), alert["id"]);
    assert_eq!(known.acked_by.unwrap().as_str(), "operator");
    fleet.sidecar_mut("bob").unwrap().start().await.unwrap();
    let over = only(&fleet, "agent_lost", "resolved").await;
    assert_eq!(json!(over.id), alert["id"]);
    sink.next("agent_lost", "resolved").await;
    for (event, count) in [("fire", 1), ("acknowledge", 1), ("resolve", 1)] {
        assert_eq!(lines(&fleet, "agent_lost", event).await, count, "{event}");
    }
    // By both ways, each change; twice only under the same id.
    let by_command = sink.lines(&file, 3).await;
    for heard in [sink.all(), by_command] {
        let of_it = heard.iter().filter(|told| told["alert"]["id"] == alert["id"]);
        let firing = of_it.filter(|told| told["transition"] == "firing");
        let ids: std::collections::BTreeSet<String> = firing.map(|told| told["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{heard:?}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_told_with_its_reason() {
    let fleet = hive(&["bob"], &[]).await;
    let (alice, bob) = (
        fleet.sidecar("alice").unwrap().client(),
        fleet.sidecar("bob").unwrap().client(),
    );
    send(&alice, &draft("bob", Priority::Normal, "no luck")).await;
    let mut deliveries = 0;
    while deliveries < 5 {
        let item = take(&bob, 1).await.remove(0);
        deliveries = item.delivery;
        let back = NakRequest {
            lease: item.lease.clone(),
            delay_ms: 0,
            reason: None,
        };
        bob.nak(item.message.id, &back).await.unwrap();
    }
    let alert = only(&fleet, "dead_letter", "firing").await;
    assert_eq!(alert.entity_id, "bob");
    assert!(
        alert.summary.contains("max_deliver") && alert.hint == "wagglebus dlq ls",
        "{alert:?}"
    );
    // A typed record of the failure says what is done about it.
    let stream = fleet.bus().admin().get_stream("WB_EVENTS").await.unwrap();
    let line = stream
        .get_last_raw_message_by_subject("wb.event.failure.coordinator")
        .await
        .unwrap();
    let line: Value = serde_json::from_slice(&line.payload).unwrap();
    let failure = &line["data"]["failure"];
    assert_eq!(
        (&failure["class"], &failure["agent"]),
        (&json!("dead_letter"), &json!("bob"))
    );
    assert_eq!(line["data"]["plan"]["name"], "keep");
}

#[tokio::test]
async fn urgent_mail_that_nobody_reads_is_told_and_over_once_it_is_read() {
    let fleet = hive(&["bob"], &["--alert-limit", "urgent_unread=1"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    send(&alice, &draft("bob", Priority::Urgent, "look at me")).await;
    let alert = only(&fleet, "urgent_unread", "firing").await;
    assert_eq!(alert.entity_id, "bob");
    let bob = fleet.sidecar("bob").unwrap().client();
    let item = take(&bob, 1).await.remove(0);
    ack(&bob, &item).await;
    only(&fleet, "urgent_unread", "resolved").await;
}

#[tokio::test]
async fn a_silent_holder_and_a_past_deadline_are_told_and_nothing_else_happens() {
    let fleet = hive(&["bob"], &[]).await;
    let deadline = Instant::now() + Duration::from_secs(3);
    let ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis()
        + 3_000;
    let at = wagglebus_schemas::Timestamp::from_unix_ms(i64::try_from(ms).unwrap()).unwrap();
    let draft = json!({"title": "Hush", "capabilities": ["rust"], "stall_ms": 1_000, "deadline": at});
    let task = Commander::of(&fleet, "alice").submit(draft).await;
    let held = until(&fleet, task.id, TaskState::Assigned).await;
    let bob = Commander::of(&fleet, "bob");
    bob.command("accept", about(&held, json!({}))).await.unwrap();
    let stuck = only(&fleet, "task_stuck", "firing").await;
    assert_eq!(stuck.entity_id, task.id.to_string());
    assert!(stuck.summary.contains("bob has said nothing"), "{stuck:?}");
    let overdue = only(&fleet, "task_overdue", "firing").await;
    assert!(Instant::now() >= deadline && overdue.entity_id == task.id.to_string());
    let still = until(&fleet, task.id, TaskState::InProgress).await;
    assert_eq!(still.assigned_to.as_ref().unwrap().as_str(), "bob");
    bob.command("complete", about(&still, json!({"result": 1})))
        .await
        .unwrap();
    only(&fleet, "task_stuck", "resolved").await;
    only(&fleet, "task_overdue", "resolved").await;
}
