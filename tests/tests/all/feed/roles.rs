//! Who may read the feed, and what of it.

use std::time::Duration;

use serde_json::{Value, json};
use wagglebus_harness::feed::FeedSource;
use wagglebus_harness::fleet::Fleet;
use wagglebus_nats::api_tokens::{Role, TokenFiles};
use wagglebus_schemas::Timestamp;

use super::{content, hive, next, publish, submit};
use crate::messages::WITHIN;

/// The feed with a new token of a role. A coordinator looks for new tokens each second.
pub(super) async fn with_role(fleet: &Fleet, name: &str, role: Role) -> FeedSource {
    let files = TokenFiles::of(fleet.bus().places());
    let token = files.add(name, role, Timestamp::EPOCH).unwrap();
    let feed = FeedSource {
        token,
        ..fleet.feed(0).unwrap()
    };
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let known = async {
        while feed.read("kind=contract", None).await.is_err() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(WITHIN, known).await.unwrap();
    feed
}

fn agent(name: &str) -> Role {
    Role::Agent {
        agent: name.parse().unwrap(),
    }
}

#[tokio::test]
async fn agents_see_their_own_messages_and_viewers_all() {
    let fleet = hive(1).await;
    let viewer = with_role(&fleet, "eyes", Role::Viewer).await;
    let carol = with_role(&fleet, "carol", agent("carol")).await;
    let mut viewer = viewer.read("kind=message,task", None).await.unwrap();
    let mut carol = carol.read("kind=message,task", None).await.unwrap();
    publish(&fleet, "alice", "bob", "private").await;
    publish(&fleet, "alice", "carol", "to carol").await;
    publish(&fleet, "carol", "bob", "from carol").await;
    let task = submit(&fleet, "alice", "Work").await;
    for (reader, expected) in [
        (&mut viewer, &["private", "to carol", "from carol"][..]),
        (&mut carol, &["to carol", "from carol"]),
    ] {
        let (mut messages, mut tasks) = (Vec::new(), Vec::new());
        while tasks.is_empty() || messages.len() < expected.len() {
            let event = next(reader).await;
            match event.name.as_str() {
                "task" => tasks.push(event.data["entity_id"].clone()),
                _ => messages.push(content(&event).to_owned()),
            }
        }
        assert_eq!(
            (messages, tasks),
            (
                expected.iter().map(|text| (*text).to_owned()).collect(),
                vec![json!(task)]
            )
        );
    }
}

#[tokio::test]
async fn an_agent_is_not_shown_what_others_write() {
    let fleet = hive(1).await;
    let carol = with_role(&fleet, "carol", agent("carol")).await;
    publish(&fleet, "alice", "bob", "private").await;
    publish(&fleet, "alice", "carol", "hers").await;
    for query in [
        "kind=message&after=0.0.0",
        "kind=message&agent=bob,carol&after=0.0.0",
    ] {
        let mut reader = carol.read(query, None).await.unwrap();
        assert_eq!(content(&next(&mut reader).await), "hers", "{query}");
    }
}

#[tokio::test]
async fn nobody_reads_without_a_token_or_with_one_that_was_revoked() {
    let fleet = hive(1).await;
    for token in ["", "wrong"] {
        let feed = FeedSource {
            token: token.to_owned(),
            ..fleet.feed(0).unwrap()
        };
        let (status, body) = feed.refusal("", None).await.unwrap();
        assert_eq!(
            (status, &body["error"]["code"]),
            (401, &Value::from("unauthorized"))
        );
    }
    let eyes = with_role(&fleet, "eyes", Role::Viewer).await;
    let mut reader = eyes.read("kind=contract", None).await.unwrap();
    let files = TokenFiles::of(fleet.bus().places());
    files.revoke("eyes").unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), reader.next());
    assert!(ended.await.unwrap().is_err(), "its stream ends");
    assert_eq!(eyes.refusal("", None).await.unwrap().0, 401);
}
