//! A sidecar that is killed, and a server that is gone.

use std::time::Instant;

use wagglebus_client::Client;
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Level, Priority};

use super::{accept, arrive, code, numbered, stored};
use crate::messages::{WITHIN, ack, draft, hive, send, take};

/// Records that may wait to be stored (DESIGN 4).
const UNSTORED_MAX: usize = 100_000;

#[tokio::test]
async fn what_was_in_hand_is_back_after_a_kill_as_the_next_hand_over() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    for content in ["held", "behind"] {
        send(&alice, &draft("bob", Priority::Normal, content)).await;
    }
    let mut held = take(&bob, 1).await.remove(0);
    for delivery in 1..4 {
        assert_eq!(
            (held.message.content.as_str(), held.delivery, held.redelivered),
            ("held", delivery, delivery > 1)
        );
        let sidecar = fleet.sidecar_mut("bob").unwrap();
        sidecar.kill().await.unwrap();
        let begun = Instant::now();
        sidecar.start().await.unwrap();
        let ready = begun.elapsed();
        let item = take(&bob, 1).await.remove(0);
        let back = begun.elapsed();
        println!(
            "ready after {} ms, back {} ms later",
            ready.as_millis(),
            (back - ready).as_millis()
        );
        assert_eq!(item.message.id, held.message.id);
        // The lease of the former hand-over is worth nothing.
        let request = AckRequest {
            lease: held.lease,
            done: true,
        };
        let lost = bob.ack(held.message.id, &request).await.unwrap_err();
        assert_eq!(lost.code(), Some(ErrorCode::LeaseLost));
        held = item;
    }
    ack(&bob, &held).await;
    assert_eq!(take(&bob, 1).await[0].message.content, "behind");
}

#[tokio::test]
async fn without_a_server_messages_are_accepted_and_stored_when_it_is_back() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    fleet.bus_mut().server_mut().kill().await.unwrap();
    let sent = numbered(1, 50);
    for draft in &sent {
        let answer = accept(&alice, draft).await.unwrap();
        assert_eq!((answer.level, answer.stream_seq), (Level::Accepted, None));
    }
    let readiness = alice.readyz().await.unwrap().value;
    assert!(!readiness.ready && readiness.checks.bus != "ok", "{readiness:?}");
    // Neither a repeat nor a kill of the sidecar makes more of them.
    assert!(accept(&alice, &sent[0]).await.unwrap().duplicate);
    fleet.sidecar_mut("alice").unwrap().kill().await.unwrap();
    fleet.bus_mut().server_mut().start().await.unwrap();
    fleet.sidecar_mut("alice").unwrap().start().await.unwrap();
    let answer = stored(&alice, &sent[49]).await;
    assert_eq!((answer.level, answer.duplicate), (Level::Stored, true));
    arrive(&bob, &sent.iter().collect::<Vec<_>>()).await;
    assert_eq!(messages_stored(&fleet).await, 50);
}

#[tokio::test]
async fn a_stopped_server_delays_and_loses_nothing() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    fleet.bus().server().pause().unwrap();
    let sent = numbered(2, 20);
    for draft in &sent {
        assert_eq!(accept(&alice, draft).await.unwrap().level, Level::Accepted);
    }
    fleet.bus().server().resume().unwrap();
    arrive(&bob, &sent.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_full_spool_refuses_and_accepts_again_when_it_has_drained() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    let begin = fleet.bus().home().join("begin");
    let script = format!(
        "until [ -e '{}' ]; do sleep 0.05; done; yes '{{\"to_agent\":\"bob\",\"content\":\"x\"}}' | head -n {UNSTORED_MAX}; cat",
        begin.display()
    );
    let options = Options::stdio(&["--frames", "none"], &["sh", "-c", &script]);
    let alice = fleet.start("alice", &options).await.unwrap().client();
    fleet.bus_mut().server_mut().kill().await.unwrap();
    std::fs::write(begin, "").unwrap();
    unstored(&alice, |records| records == UNSTORED_MAX).await;
    let one = &numbered(3, 1)[0];
    assert_eq!(code(accept(&alice, one).await), Some(ErrorCode::SpoolFull));
    fleet.bus_mut().server_mut().start().await.unwrap();
    unstored(&alice, |records| records < UNSTORED_MAX).await;
    assert!(accept(&alice, one).await.is_ok());
}

/// Asks the sidecar how many records wait to be stored, until that is enough.
async fn unstored(client: &Client, enough: impl Fn(usize) -> bool) {
    let waiting = async {
        loop {
            let text = client.metrics().await.unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("wagglebus_sidecar_outbox_unstored_records"));
            let value = line.unwrap().rsplit(' ').next().unwrap();
            if enough(value.parse::<f64>().unwrap() as usize) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(4 * WITHIN, waiting).await.unwrap();
}

async fn messages_stored(fleet: &Fleet) -> u64 {
    let name = Stream::Messages.name(fleet.bus().places().hive());
    let stream = fleet.bus().admin().get_stream(name).await.unwrap();
    stream.get_info().await.unwrap().state.messages
}
