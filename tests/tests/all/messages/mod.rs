//! Messages between real sidecars: what one agent sends is what the other is shown.

mod order;
mod stdio;
mod urgent;

use std::time::Duration;

use wagglebus_client::{Client, SendOptions, Take};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::api::{AckRequest, InboxItem, SendAnswer};
use wagglebus_schemas::{Draft, Level, Priority};

/// Far longer than anything takes on two busy cores.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);

/// A hive with the sidecars of these agents over HTTP.
pub(crate) async fn hive(names: &[&str]) -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(names).await.unwrap();
    for name in names {
        fleet.start(name, &Options::http()).await.unwrap();
    }
    fleet
}

pub(crate) fn draft(to: &str, priority: Priority, content: &str) -> Draft {
    Draft {
        priority,
        ..Draft::text(to.parse().unwrap(), content.to_owned())
    }
}

/// Sends, waits until it is stored.
pub(crate) async fn send(client: &Client, draft: &Draft) -> SendAnswer {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(WITHIN),
        park: true,
    };
    client.send(draft, options).await.unwrap().value
}

/// Takes what is there, waits for the first.
pub(crate) async fn take(client: &Client, max: u32) -> Vec<InboxItem> {
    let take = Take {
        max,
        timeout: WITHIN,
        ..Take::default()
    };
    client.inbox(take).await.unwrap().value.messages
}

pub(crate) async fn ack(client: &Client, item: &InboxItem) {
    let request = AckRequest {
        lease: item.lease.clone(),
        done: true,
    };
    client.ack(item.message.id, &request).await.unwrap();
}

#[tokio::test]
async fn a_message_arrives_as_it_was_sent_and_is_done_once() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let sent = send(&alice, &draft("bob", Priority::High, "hello \u{1} 🐝\n")).await;
    assert_eq!((sent.level, sent.duplicate), (Level::Stored, false));
    let items = take(&bob, 8).await;
    let [item] = &items[..] else { panic!("{items:?}") };
    assert_eq!(
        (item.message.id, item.delivery, item.redelivered),
        (sent.id, 1, false)
    );
    assert_eq!(
        (item.message.content.as_str(), item.message.priority),
        ("hello \u{1} 🐝\n", Priority::High)
    );
    ack(&bob, item).await;
    fleet.until_settled("bob", WITHIN).await.unwrap();
}
