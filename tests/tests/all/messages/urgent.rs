//! Urgent messages overtake any backlog, and nothing waits for ever.

use futures::StreamExt as _;
use wagglebus_client::Client;
use wagglebus_schemas::Priority;

use super::{ack, draft, hive, send, take};

/// The backlog of the promise (DESIGN 8).
const LOWS: usize = 10_000;

#[tokio::test]
async fn at_most_one_low_of_ten_thousand_is_handed_over_before_an_urgent() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    backlog(&alice, LOWS).await;
    for round in 0..20 {
        // The agent is in the middle of the backlog, with a low in its hands.
        let held = take(&bob, 1).await.remove(0);
        assert_eq!(held.message.priority, Priority::Low);
        let urgent = send(&alice, &draft("bob", Priority::Urgent, "now")).await.id;
        if round % 2 == 0 {
            ack(&bob, &held).await;
        }
        let mut lows = 0;
        loop {
            let item = take(&bob, 1).await.remove(0);
            ack(&bob, &item).await;
            if item.message.id == urgent {
                break;
            }
            lows += 1;
        }
        assert!(lows <= 1, "round {round}: {lows} lows came first");
        if round % 2 != 0 {
            ack(&bob, &held).await;
        }
    }
}

#[tokio::test]
async fn the_head_of_the_low_lane_is_handed_over_within_35_whatever_arrives() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let low = send(&alice, &draft("bob", Priority::Low, "last")).await.id;
    for priority in [Priority::Urgent, Priority::High, Priority::Normal] {
        for _ in 0..40 {
            send(&alice, &draft("bob", priority, "first")).await;
        }
    }
    let mut handed_over = 0;
    loop {
        let item = take(&bob, 1).await.remove(0);
        ack(&bob, &item).await;
        handed_over += 1;
        if item.message.id == low {
            break;
        }
    }
    assert!(handed_over <= 35, "it was the {handed_over}.");
}

/// Sends many lows over a few connections; returns when all are stored.
async fn backlog(alice: &Client, lows: usize) {
    let low = draft("bob", Priority::Low, "some time");
    let sends = futures::stream::iter(0..lows).map(|_| send(alice, &low));
    sends.buffer_unordered(16).for_each(async |_| {}).await;
}
