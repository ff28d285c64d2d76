//! Two sidecars of one agent: only one may hand messages over.

use std::time::{Duration, Instant};

use wagglebus_client::Take;
use wagglebus_harness::fleet::sidecar::Sidecar;
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::Priority;

use crate::messages::{WITHIN, ack, draft, hive, send, take};

/// How often a lease is tried.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A sidecar on another machine.
fn elsewhere() -> Options {
    Options {
        machine: Some("elsewhere".to_owned()),
        ..Options::http()
    }
}

#[tokio::test]
async fn a_second_sidecar_is_turned_away_and_the_first_goes_on() {
    let fleet = hive(&["alice", "bob"]).await;
    for options in [Options::http(), elsewhere()] {
        let mut second = fleet.second("bob", &options).unwrap();
        second.launch().await.unwrap();
        assert_eq!(second.exit_code().await.unwrap(), 6, "{}", second.log());
    }
    let log = fleet.sidecar("bob").unwrap().log();
    assert!(log.contains("another sidecar") && log.contains("fenced"), "{log}");
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    send(&alice, &draft("bob", Priority::Normal, "still there?")).await;
    ack(&bob, &take(&bob, 1).await[0]).await;
}

#[tokio::test]
async fn a_living_sidecar_can_be_taken_over_and_ends() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let mut second = fleet.second("bob", &elsewhere().with(&["--takeover"])).unwrap();
    second.start().await.unwrap();
    let first = fleet.sidecar_mut("bob").unwrap();
    assert_eq!(first.exit_code().await.unwrap(), 6, "{}", first.log());
    let (alice, bob) = (fleet.sidecar("alice").unwrap().client(), second.client());
    let sent = send(&alice, &draft("bob", Priority::Normal, "moved?")).await;
    let item = take(&bob, 1).await.remove(0);
    assert_eq!((item.message.id, item.delivery), (sent.id, 1));
    ack(&bob, &item).await;
}

#[tokio::test]
async fn a_sidecar_that_wakes_after_its_lease_was_taken_hands_nothing_over() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    // Asked before it is stopped, answered after it has lost its lease.
    let old = fleet.sidecar("bob").unwrap().client();
    let poll = tokio::spawn(async move {
        let take = Take {
            timeout: Duration::from_secs(60),
            ..Take::default()
        };
        old.inbox(take).await
    });
    let asked = fleet.sidecar("bob").unwrap().client();
    let two = "wagglebus_sidecar_http_connections{agent=\"bob\"} 2";
    while !asked.metrics().await.unwrap().contains(two) {
        tokio::task::yield_now().await;
    }
    let first = fleet.sidecar("bob").unwrap().process().unwrap();
    first.pause().unwrap();
    let second = after_its_lease(&fleet).await;
    let sent = send(&alice, &draft("bob", Priority::Urgent, "for the living")).await;
    first.resume().unwrap();
    let first = fleet.sidecar_mut("bob").unwrap();
    assert_eq!(first.exit_code().await.unwrap(), 6, "{}", first.log());
    if let Ok(answer) = poll.await.unwrap() {
        assert_eq!(answer.value.messages, []);
    }
    let bob = second.client();
    let item = take(&bob, 1).await.remove(0);
    assert_eq!((item.message.id, item.redelivered), (sent.id, false));
    ack(&bob, &item).await;
}

/// A second sidecar, as soon as the first one's lease is over.
async fn after_its_lease(fleet: &Fleet) -> Sidecar {
    let within = Instant::now() + WITHIN;
    loop {
        let mut second = fleet.second("bob", &elsewhere()).unwrap();
        match second.start().await {
            Ok(_) => return second,
            Err(error) => assert!(Instant::now() < within, "{error}"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
