//! The coordinator's live feed: everything once and in order, wherever it is read, and only what one may see.

mod moving;
mod roles;
mod socket;

use async_nats::HeaderMap;
use serde_json::{Value, json};
use wagglebus_harness::feed::{FeedEvent, FeedReader};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::Id;
use wagglebus_schemas::headers::MSG_ID;

use crate::messages::WITHIN;

/// Agents without sidecars: what they say is published for them.
pub(super) async fn hive(coordinators: usize) -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob", "carol"]).await.unwrap();
    for _ in 0..coordinators {
        fleet.start_coordinator().await.unwrap();
    }
    fleet
}

/// Publishes a message and returns its sequence.
pub(super) async fn publish(fleet: &Fleet, from: &str, to: &str, content: &str) -> u64 {
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    let body = json!({
        "id": id, "from_agent": from, "to_agent": to, "content": content, "priority": "normal",
        "timestamp": "2026-01-02T03:04:05.678Z",
    });
    store(fleet, &format!("wb.msg.{to}.normal.{from}"), id, &body).await
}

/// Submits a task and returns its id.
pub(super) async fn submit(fleet: &Fleet, from: &str, title: &str) -> Id {
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    let subject = format!("wb.task.submit.normal.{from}");
    store(fleet, &subject, id, &json!({ "title": title })).await;
    id
}

async fn store(fleet: &Fleet, subject: &str, id: Id, body: &Value) -> u64 {
    let mut headers = HeaderMap::new();
    headers.insert(MSG_ID, id.to_string());
    let js = fleet.bus().admin();
    let stored = js.publish_with_headers(subject.to_owned(), headers, body.to_string().into());
    stored.await.unwrap().await.unwrap().sequence
}

/// The next event.
pub(super) async fn next(reader: &mut FeedReader) -> FeedEvent {
    tokio::time::timeout(WITHIN, reader.next())
        .await
        .unwrap()
        .unwrap()
}

/// The three numbers of an id.
pub(super) fn numbers(id: &str) -> [u64; 3] {
    let numbers: Vec<u64> = id.split('.').map(|part| part.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// What a message says.
pub(super) fn content(event: &FeedEvent) -> &str {
    assert_eq!(event.name, "message", "{event:?}");
    event.data["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_log_messages_and_receipts_are_shown_as_they_are_stored() {
    let fleet = hive(1).await;
    let feed = fleet.feed(0).unwrap();
    let mut all = feed.read("", None).await.unwrap();
    let mut tasks = feed.read("kind=task", None).await.unwrap();
    let mut of_bob = feed
        .read("kind=message,receipt&kind=task&agent=bob", None)
        .await
        .unwrap();
    publish(&fleet, "alice", "carol", "not for bob").await;
    publish(&fleet, "alice", "bob", "hello").await;
    let task = submit(&fleet, "alice", "Work").await;

    let mut names: Vec<String> = Vec::new();
    let mut before: Option<[u64; 3]> = None;
    while ["message", "receipt", "task"]
        .iter()
        .any(|name| !names.iter().any(|seen| seen == name))
    {
        let event = next(&mut all).await;
        let now = numbers(&event.id);
        if let Some(before) = before.replace(now) {
            let moved = (0..3).filter(|n| now[*n] != before[*n]).count();
            assert_eq!(moved, 1, "one stream moves with each event: {before:?} {now:?}");
        }
        names.push(event.name);
    }
    let event = next(&mut tasks).await;
    assert_eq!(
        (
            event.name.as_str(),
            &event.data["entity_id"],
            &event.data["event"]
        ),
        ("task", &json!(task), &json!("submit"))
    );
    assert_eq!(content(&next(&mut of_bob).await), "hello");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let fleet = hive(1).await;
    let feed = fleet.feed(0).unwrap();
    for (query, last) in [
        ("kind=tasks", None),
        ("kind=", None),
        ("agent=Bob", None),
        ("after=7", None),
        ("after=1.2.3&after=1.2.3", None),
        ("limit=5", None),
        ("", Some("7-3")),
        ("", Some("1.2")),
        ("", Some("99999999999999999999.0.0")),
    ] {
        let (status, body) = feed.refusal(query, last).await.unwrap();
        assert_eq!(
            (status, &body["error"]["code"]),
            (400, &json!("invalid_query")),
            "{query} {last:?}"
        );
    }
    // An empty one is none, as browsers have it.
    assert!(feed.read("kind=task&agent=nobody", Some("")).await.is_ok());
}

#[tokio::test]
async fn records_that_are_gone_are_told() {
    let fleet = hive(1).await;
    for n in 1..=5 {
        publish(&fleet, "alice", "bob", &format!("message {n}")).await;
    }
    let stream = fleet.bus().admin().get_stream("WB_MESSAGES").await.unwrap();
    stream.purge().sequence(4).await.unwrap();
    let feed = fleet.feed(0).unwrap();
    let mut reader = feed.read("kind=message", Some("0.1.0")).await.unwrap();
    let gap = next(&mut reader).await;
    assert_eq!(
        (gap.name.as_str(), gap.data, gap.id.as_str()),
        (
            "gap",
            json!({"stream": "messages", "after": 1, "next": 4, "reason": "expired"}),
            "0.3.0"
        )
    );
    for n in [4, 5] {
        assert_eq!(content(&next(&mut reader).await), format!("message {n}"));
    }
    // Of another hive, or of a stream that was made anew.
    let mut reader = feed.read("kind=message", Some("0.900.0")).await.unwrap();
    let gap = next(&mut reader).await;
    assert_eq!(
        (gap.name.as_str(), &gap.data["reason"], &gap.data["next"]),
        ("gap", &json!("unknown"), &json!(6))
    );
    publish(&fleet, "alice", "bob", "message 6").await;
    assert_eq!(content(&next(&mut reader).await), "message 6");
    // From the beginning, whatever that is.
    let mut reader = feed.read("kind=message&after=0.0.0", None).await.unwrap();
    for n in 4..=6 {
        assert_eq!(content(&next(&mut reader).await), format!("message {n}"));
    }
}

#[tokio::test]
async fn garbage_in_a_stream_is_passed_over() {
    let fleet = hive(1).await;
    let mut reader = fleet.feed(0).unwrap().read("kind=message", None).await.unwrap();
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    store(&fleet, "wb.msg.bob.normal.alice", id, &json!([1, 2])).await;
    publish(&fleet, "alice", "bob", "good").await;
    let event = next(&mut reader).await;
    assert_eq!((content(&event), numbers(&event.id)[1]), ("good", 2));
}
