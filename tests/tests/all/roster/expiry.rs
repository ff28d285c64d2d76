//! Mail that nobody reads before the stream drops it becomes a dead letter, and its sender hears of it.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use wagglebus_client::{SendOptions, Take};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Draft, Hive, Level};

use crate::dlq;
use crate::messages::WITHIN;

/// Half of it must pass: mail of a stream that keeps it so shortly counts as unread for good after that.
const MAX_AGE: Duration = Duration::from_secs(24);

#[tokio::test]
async fn unread_mail_becomes_a_dead_letter_before_the_stream_drops_it() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    let hive = Hive::default();
    let mut stream = fleet
        .bus()
        .admin()
        .get_stream(Stream::Messages.name(&hive))
        .await
        .unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    (config.max_age, config.duplicate_window) = (MAX_AGE, MAX_AGE);
    fleet.bus().admin().update_stream(config).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(WITHIN),
        park: false,
    };
    let draft = Draft::text("bob".parse().unwrap(), "whoever reads this".to_owned());
    let sent = alice.send(&draft, options).await.unwrap().value;

    let take = Take {
        timeout: Duration::from_secs(40),
        ..Take::default()
    };
    let told = alice.inbox(take).await.unwrap().value.messages.remove(0).message;
    assert_eq!(told.metadata["kind"], "undeliverable");
    assert_eq!(told.metadata["in_reply_to"], sent.id.to_string());
    assert_eq!(told.from_agent.as_str(), "coordinator");
    let letters = fleet
        .bus()
        .admin()
        .get_stream(Stream::Dlq.name(&hive))
        .await
        .unwrap();
    let letter = letters
        .direct_get_next_for_subject("wb.dlq.expired.coordinator", None)
        .await
        .unwrap();
    let letter: DeadLetter = serde_json::from_slice(&letter.payload).unwrap();
    assert_eq!((letter.message_id, letter.agent.as_str()), (Some(sent.id), "bob"));
    let explained = async {
        loop {
            let trace = alice.trace(sent.id).await.unwrap().value;
            if trace.explanation.starts_with("dead: expired at bob") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WITHIN, explained).await.unwrap();
    fleet.until_settled("bob", WITHIN).await.unwrap();
    let (code, listed, said) = dlq::run(&fleet, &["ls", "--agent", "bob"]);
    let listed = (code, &listed["items"][0]["message_id"]);
    assert_eq!(listed, (0, &json!(sent.id)), "{said}");
    let (code, retried, said) = dlq::run(&fleet, &["retry", &sent.id.to_string()]);
    let retried = (code, &retried["items"][0]["retry_of"]);
    assert_eq!(retried, (0, &json!(sent.id)), "{said}");
    let mut readers = letters.consumers();
    while let Some(reader) = readers.next().await {
        let named = reader.unwrap().config.durable_name;
        assert_eq!(named, None, "the leader's own reading is all that is left");
    }
}
