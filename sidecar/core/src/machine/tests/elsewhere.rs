//! Messages that the agent read in the stream: they end where they lie.

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{Level, Priority, Timestamp};

use super::effects::{answer, fetching, published_as, refused, settlements};
use super::rig::{Rig, WALL_MS, again, agent, id, key, message};
use crate::effect::{Answer, Settlement};
use crate::event::{Event, FetchOutcome, Verb};
use crate::ledger::{KEPT_MS, KEPT_UNBROUGHT_MS};
use crate::record::OutKind;

const LOW: Priority = Priority::Low;

fn read(rig: &mut Rig, from: &str, n: u64) -> Answer {
    let from = agent(from);
    rig.verb(id(n), None, Verb::ReadElsewhere { from })
}

fn is_acked(answer: &Answer, level: Level) -> bool {
    matches!(answer, Answer::Acked(acked) if acked.level == level)
}

/// The lane brings it behind another message: it is acked away, the other one is handed over, and no hand-over of it was
/// ever counted.
#[test]
fn a_message_that_was_read_elsewhere_is_told_as_done_and_never_handed_over() {
    let mut rig = Rig::up("bob", 1);
    assert!(is_acked(&read(&mut rig, "alice", 5), Level::Done));
    let receipts = published_as(&rig.effects, OutKind::Receipt);
    assert_eq!(receipts[0].subject, "wb.receipt.alice.done.bob");
    let ended: Vec<_> = rig.sidecar.ended_elsewhere().cloned().collect();
    assert_eq!(ended, [key("alice", 5)]);
    let effects = rig.stored(receipts[0].id, 9);
    assert_eq!(settlements(&effects), [], "there is nothing to ack yet");
    assert!(
        is_acked(&read(&mut rig, "alice", 5), Level::Done),
        "an equal repeat"
    );
    assert!(published_as(&rig.effects, OutKind::Receipt).is_empty());

    rig.restart();
    rig.connect();
    rig.announce(LOW);
    let (token, effects) = rig.take(1, 10_000);
    let mut effects = effects;
    while let Some(other) = fetching(&effects).filter(|other| *other != LOW) {
        let outcome = FetchOutcome::Empty;
        effects = rig.step(Event::LaneFetched { lane: other, outcome });
    }
    let mut fetched = message("alice", "bob", LOW, 5);
    fetched.pending = 1;
    let effects = rig.got(fetched);
    assert_eq!(settlements(&effects), [("ack.5.1".into(), Settlement::Ack)]);
    assert_eq!(rig.deliveries(&key("alice", 5)), 0);
    let kept = rig.sidecar.ledger().received(&key("alice", 5)).unwrap();
    assert!(kept.body.is_some(), "the history has it");
    assert_eq!(answer(&effects, token), None, "the request waits on");
    assert_eq!(fetching(&effects), Some(LOW), "for what lies behind it");
    rig.settled("ack.5.1", Settlement::Ack);
    assert_eq!(rig.sidecar.ended_elsewhere().count(), 0);
    let effects = rig.got(message("alice", "bob", LOW, 6));
    assert!(matches!(answer(&effects, token), Some(Answer::Messages(items)) if items.len() == 1));
}

#[test]
fn ids_of_other_senders_are_not_meant() {
    let mut rig = Rig::up("bob", 1);
    read(&mut rig, "mallory", 5);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    assert_eq!(item.delivery, 1);
}

#[test]
fn what_was_given_back_ends_and_what_is_in_hand_does_not() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    let told = read(&mut rig, "alice", 5);
    assert_eq!(refused(Some(told)), ErrorCode::LeaseLost);
    rig.nak(id(5), &item.lease, 1_000);
    assert!(is_acked(&read(&mut rig, "alice", 5), Level::Done));
    let receipts = published_as(&rig.effects, OutKind::Receipt);
    let effects = rig.stored(receipts[0].id, 9);
    assert_eq!(settlements(&effects), []);
    rig.settled("ack.5.1", Settlement::Nak { delay_ms: 1_000 });
    rig.until(rig.now_ms + 2_000);
    let (_, effects) = rig.take(1, 10_000);
    assert_eq!(fetching(&effects), Some(LOW), "{effects:?}");
    let effects = rig.got(again(&fetched));
    assert_eq!(settlements(&effects), [("ack.5.2".into(), Settlement::Ack)]);
    assert_eq!(rig.deliveries(&key("alice", 5)), 1);
}

#[test]
fn nothing_ends_without_the_lease() {
    let mut rig = Rig::new("bob", 1);
    let told = read(&mut rig, "alice", 5);
    assert_eq!(refused(Some(told)), ErrorCode::BusUnreachable);
    assert_eq!(rig.sidecar.ended_elsewhere().count(), 0);
}

/// What its lane never brings is remembered as long as the stream may have it, and no longer.
#[test]
fn it_is_remembered_until_the_stream_has_it_no_more() {
    let mut rig = Rig::up("bob", 1);
    read(&mut rig, "alice", 5);
    let receipt = published_as(&rig.effects, OutKind::Receipt)[0].id;
    rig.stored(receipt, 9);
    let mut ledger = rig.spool.ledger();
    let at = |ms: i64| Timestamp::from_unix_ms(WALL_MS + 10_000 + ms).unwrap();
    ledger.prune(at(KEPT_MS));
    assert!(ledger.received(&key("alice", 5)).is_some());
    ledger.prune(at(KEPT_UNBROUGHT_MS + KEPT_MS));
    assert!(ledger.received(&key("alice", 5)).is_none());
}
