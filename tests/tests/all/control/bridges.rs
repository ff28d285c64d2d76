//! One test for each class of bridge: the word comes from a script, so that nothing but the sidecar is tested.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use wagglebus_client::Take;
use wagglebus_harness::fleet::Options;
use wagglebus_schemas::{Level, Priority};

use super::Operator;
use crate::messages::{ack, draft, hive, send, take};
use crate::tmux::heartbeats::Heartbeats;
use crate::tmux::stage::{READER, held, reader_hive, send_until, until};

const NOW: Take = Take {
    max: 1,
    timeout: Duration::ZERO,
    lease: Duration::from_secs(60),
};

#[tokio::test]
async fn over_http_nothing_is_taken_while_paused_and_a_restart_remembers() {
    let mut fleet = hive(&["alice", "bob"]).await;
    fleet.start_coordinator().await.unwrap();
    let (alice, bob) = (
        fleet.sidecar("alice").unwrap().client(),
        fleet.sidecar("bob").unwrap().client(),
    );
    send(&alice, &draft("bob", Priority::Normal, "in hand")).await;
    let item = take(&bob, 1).await.remove(0);
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let operator = Operator::of(&fleet).await;
    operator.tell("bob", "pause", "agent", 7).await;
    beats.hold(Some("paused")).await;
    let control = bob.readyz().await.unwrap().value.control.unwrap();
    assert!(control.paused && !control.halted);
    let sent = send(&alice, &draft("bob", Priority::Urgent, "not now")).await;
    held(&alice, &sent, "paused").await;
    ack(&bob, &item).await;
    send(&bob, &draft("alice", Priority::Normal, "still heard")).await;
    assert_eq!(take(&alice, 1).await[0].message.content, "still heard");
    assert!(bob.inbox(NOW).await.unwrap().value.messages.is_empty());

    fleet.sidecar_mut("bob").unwrap().kill().await.unwrap();
    fleet.sidecar_mut("bob").unwrap().start().await.unwrap();
    let bob = fleet.sidecar("bob").unwrap().client();
    beats.hold(Some("paused")).await;
    assert!(bob.inbox(NOW).await.unwrap().value.messages.is_empty());
    // Whoever waits is served at once when it goes on, and an older word changes nothing.
    let resuming = async {
        operator.tell("bob", "halt", "hive", 8).await;
        operator.tell("bob", "resume", "agent", 9).await;
        operator.tell("bob", "pause", "agent", 6).await;
        beats.hold(Some("paused")).await;
        operator.tell("bob", "resume", "hive", 10).await;
    };
    let (items, ()) = tokio::join!(take(&bob, 1), resuming);
    assert_eq!((items[0].message.id, items[0].delivery), (sent.id, 1));
    beats.hold(Some("busy")).await;
}

#[tokio::test]
async fn a_child_is_written_nothing_while_the_hive_is_halted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    fs::write(&log, "").unwrap();
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    let child = format!("exec cat >>'{}'", log.display());
    let options = Options::stdio(&[], &["sh", "-c", &child]);
    fleet.start("bob", &options).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let operator = Operator::of(&fleet).await;
    operator.tell("bob", "halt", "hive", 3).await;
    beats.hold(Some("paused")).await;
    let sent = send(&alice, &draft("bob", Priority::Urgent, "halted")).await;
    let waiting = |beat: &Value| beat["inbox"]["urgent"]["pending"] == 1;
    beats.like(waiting).await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    operator.tell("bob", "resume", "hive", 4).await;
    let text = || fs::read_to_string(&log).unwrap();
    until(|| text().contains(&sent.id.to_string()), text).await;
}

#[tokio::test]
async fn nothing_is_typed_into_a_pane_while_paused() {
    let (_tmux, reader, fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let operator = Operator::of(&fleet).await;
    send_until(&alice, &draft("bob", Priority::Normal, "first"), Level::Injected).await;
    reader.order("type half a line").await;
    send(&alice, &draft("bob", Priority::Normal, "second")).await;
    beats.hold(Some("human_typing")).await;
    operator.tell("bob", "pause", "agent", 5).await;
    beats.hold(Some("paused")).await;
    reader.order("clear").await;
    beats
        .like(|beat| beat["in_flight"] == json!([]) && beat["state"] == "idle")
        .await;
    assert_eq!(reader.submits().len(), 1, "{:?}", reader.submits());
    operator.tell("bob", "resume", "agent", 6).await;
    let submits = reader.submitted(2).await;
    assert!(submits[1].contains("second"), "{submits:?}");
}

#[tokio::test]
async fn no_nudge_is_made_while_paused() {
    let nudged = ["--profile", "claude", "--inject", "nudge", "--enter-delay", "0"];
    let (_tmux, reader, fleet) = reader_hive(&nudged).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let operator = Operator::of(&fleet).await;
    operator.tell("bob", "pause", "agent", 5).await;
    beats.hold(Some("paused")).await;
    send(&alice, &draft("bob", Priority::Urgent, "secret")).await;
    beats.like(|beat| beat["inbox"]["urgent"]["pending"] == 1).await;
    assert!(reader.submits().is_empty());
    operator.tell("bob", "resume", "agent", 6).await;
    let submits = reader.submitted(1).await;
    assert!(submits[0].contains("1 message waits (1 urgent)"), "{submits:?}");
}
