//! Mail to the coordinator that cannot be read: dead letters with the reason, once.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::headers::MSG_ID;

use super::{bound, until};
use crate::tasks::commands::Commander;
use crate::tasks::hive;

async fn publish(fleet: &Fleet, subject: &str, id: &str, body: &str) {
    let mut headers = HeaderMap::new();
    headers.insert(MSG_ID, id);
    let js = fleet.bus().admin();
    let stored = js.publish_with_headers(subject.to_owned(), headers, body.to_owned().into());
    stored.await.unwrap().await.unwrap();
}

/// The dead letters, as their readers understand them: by the place of the original.
async fn letters(fleet: &Fleet) -> BTreeMap<(String, u64), DeadLetter> {
    let stream = fleet.bus().admin().get_stream("WB_DLQ").await.unwrap();
    let mut all = BTreeMap::new();
    for seq in 1..=stream.cached_info().state.last_sequence {
        let letter = stream.get_raw_message(seq).await.unwrap();
        let letter: DeadLetter = serde_json::from_slice(&letter.payload).unwrap();
        assert_eq!(letter.agent.as_str(), "coordinator");
        all.insert((letter.stream.clone(), letter.stream_seq), letter);
    }
    all
}

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
const OTHER: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32";

#[tokio::test]
async fn what_the_coordinator_cannot_read_is_a_dead_letter_once() {
    let mut fleet = hive(&[]).await;
    publish(&fleet, "wb.msg.coordinator.normal.alice", ID, "no message").await;
    let forged = json!({"id": OTHER, "from_agent": "bob", "to_agent": "coordinator", "content": "x",
                        "timestamp": "2026-01-02T03:04:05.000Z"});
    publish(
        &fleet,
        "wb.msg.coordinator.normal.alice",
        OTHER,
        &forged.to_string(),
    )
    .await;
    publish(&fleet, "wb.receipt.coordinator.seen.alice", "r1", "{}").await;
    publish(&fleet, "wb.task.dance.normal.alice", "t1", "{}").await;
    publish(&fleet, "wb.task.submit.normal.alice", "no id", "{}").await;
    let all = until(async || {
        let all = letters(&fleet).await;
        (all.len() == 5).then_some(all)
    })
    .await;
    let reasons: Vec<(&str, &str)> = all
        .values()
        .map(|letter| (letter.subject.as_str(), letter.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("wb.msg.coordinator.normal.alice", "undecodable"),
            ("wb.msg.coordinator.normal.alice", "refused"),
            ("wb.receipt.coordinator.seen.alice", "undecodable"),
            ("wb.task.dance.normal.alice", "refused"),
            ("wb.task.submit.normal.alice", "refused"),
        ]
    );
    assert!(
        all.values()
            .all(|letter| !letter.detail.is_empty() && letter.body_base64.is_some())
    );
    // Its sender hears of the message.
    let receipts = fleet.bus().admin().get_stream("WB_RECEIPTS").await.unwrap();
    let dead = until(async || {
        let receipt = receipts.get_last_raw_message_by_subject("wb.receipt.alice.dead.coordinator");
        receipt.await.ok()
    })
    .await;
    let dead: Value = serde_json::from_slice(&dead.payload).unwrap();
    assert!(
        [ID, OTHER].contains(&dead["message_id"].as_str().unwrap()),
        "{dead}"
    );

    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    Commander::of(&fleet, "alice")
        .submit(json!({"title": "goes on"}))
        .await;
    assert_eq!(letters(&fleet).await.len(), 5, "readers know each by its place");
}

#[tokio::test]
async fn a_full_stream_of_dead_letters_refuses_and_drops_nothing() {
    let mut fleet = hive(&[]).await;
    bound(&fleet, "WB_DLQ", |config| config.max_bytes = 1_000).await;
    let long = "x".repeat(2_000);
    publish(&fleet, "wb.msg.coordinator.normal.alice", ID, &long).await;
    publish(&fleet, "wb.task.submit.normal.alice", "no id", &long).await;
    // Others are not kept waiting, and what was decided behind it is not read again by a successor.
    Commander::of(&fleet, "alice")
        .submit(json!({"title": "goes on"}))
        .await;
    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    Commander::of(&fleet, "alice")
        .submit(json!({"title": "and on"}))
        .await;
    assert!(letters(&fleet).await.is_empty());
    bound(&fleet, "WB_DLQ", |config| config.max_bytes = 1 << 20).await;
    until(async || (letters(&fleet).await.len() == 2).then_some(())).await;
}
