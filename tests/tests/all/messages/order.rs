//! Order of one sender's messages of one priority, also when they come back.

use wagglebus_client::{Client, Take};
use wagglebus_harness::rng::Rng;
use wagglebus_schemas::api::{InboxItem, NakRequest};
use wagglebus_schemas::{Draft, Priority};

use super::{WITHIN, ack, draft, hive, send, take};

const COUNT: usize = 12;

fn contents(items: &[InboxItem]) -> Vec<&str> {
    items.iter().map(|item| item.message.content.as_str()).collect()
}

async fn numbered(alice: &Client) -> Vec<String> {
    let mut names = Vec::new();
    let mut rng = Rng::new(3);
    for n in 0..COUNT {
        names.push(format!("{n:02}"));
        // Ids say nothing about order.
        let id = Some(rng.id());
        let numbered = Draft {
            id,
            ..draft("bob", Priority::Normal, &names[n])
        };
        send(alice, &numbered).await;
    }
    names
}

/// Takes until so many are in hand, and acks none.
async fn hold(bob: &Client, count: u32) -> Vec<InboxItem> {
    let items = take(bob, count).await;
    assert_eq!(
        items.len(),
        usize::try_from(count).unwrap(),
        "{:?}",
        contents(&items)
    );
    items
}

#[tokio::test]
async fn several_at_once_come_in_order_and_come_back_in_order_after_a_kill() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let names = numbered(&alice).await;
    let held = hold(&bob, 8).await;
    assert_eq!(contents(&held), names[..8]);
    fleet.sidecar_mut("bob").unwrap().restart().await.unwrap();
    let again = hold(&bob, 12).await;
    assert_eq!(contents(&again), names);
    for (n, item) in again.iter().enumerate() {
        let expected = if n < 8 { (2, true) } else { (1, false) };
        assert_eq!((item.delivery, item.redelivered), expected, "{n}");
        ack(&bob, item).await;
    }
    fleet.until_settled("bob", WITHIN).await.unwrap();
}

#[tokio::test]
async fn several_that_were_given_back_are_at_the_head_of_their_lane() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let names = numbered(&alice).await;
    for item in hold(&bob, 4).await {
        let request = NakRequest {
            lease: item.lease,
            delay_ms: 0,
            reason: None,
        };
        bob.nak(item.message.id, &request).await.unwrap();
    }
    let again = hold(&bob, 12).await;
    assert_eq!(contents(&again), names);
}

#[tokio::test]
async fn several_whose_lease_ran_out_are_at_the_head_of_their_lane() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let names = numbered(&alice).await;
    let shortest = Take {
        max: 4,
        timeout: WITHIN,
        lease: std::time::Duration::from_secs(5),
    };
    assert_eq!(bob.inbox(shortest).await.unwrap().value.messages.len(), 4);
    // The slot is free when the leases are over; the poll waits for that.
    let mut again = Vec::new();
    while again.len() < COUNT {
        for item in take(&bob, 12).await {
            ack(&bob, &item).await;
            again.push(item);
        }
    }
    assert_eq!(contents(&again), names);
    assert!(
        again[..4]
            .iter()
            .all(|item| item.delivery == 2 && item.redelivered)
    );
}
