//! Receipts about our messages: which count, and what they end.

use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::failure::{Failure, FailureClass};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::ReceiptReason;
use wagglebus_schemas::{Hive, Id, Level};

use super::effects::{answer, published, refused, sent_level, settlements};
use super::rig::{Rig, agent, draft, id, now};
use crate::effect::{Body, Effect, Settlement};
use crate::event::{Event, FetchOutcome, Fetched};
use crate::receipt::{self, Report};
use crate::record::{Closed, Key, OutKind};

/// Receipt `n` about a message, as it is fetched.
fn receipt(n: u64, message: Id, about: &str, level: ReceiptLevel) -> Fetched {
    let key = Key {
        from: agent("alice"),
        id: message,
    };
    let dead = level == ReceiptLevel::Dead;
    let report = Report {
        key: &key,
        levels: &[level],
        bridge: Some(Bridge::Http),
        proof: Proof::Ack,
        delivery: 1,
        reason: dead.then_some(ReceiptReason::Dead(DeadReason::MaxDeliver)),
    };
    let receipt = report.receipt(id(9_000 + n), &agent(about), 7, now(0).wall);
    Fetched {
        subject: receipt::subject(&receipt).build(&Hive::default()),
        msg_id: Some(receipt.id.to_string()),
        payload: serde_json::to_vec(&receipt).unwrap().into(),
        ack: format!("receipt.{n}"),
        num_delivered: 1,
        stream_seq: n,
        pending: 0,
    }
}

fn arrives(rig: &mut Rig, fetched: Fetched) -> Vec<Effect> {
    let stream_seq = Some(fetched.stream_seq);
    let effects = rig.step(Event::ReceiptWoken { stream_seq });
    let asked = effects
        .iter()
        .any(|effect| matches!(effect, Effect::FetchReceipt { .. }));
    assert!(asked, "{effects:?}");
    rig.step(Event::ReceiptFetched {
        outcome: FetchOutcome::Got(Box::new(fetched)),
    })
}

/// Alice, and a message of hers to bob that is stored.
fn sent(wait: Option<Level>) -> (Rig, Id, crate::event::Token) {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), wait);
    let id = published(&effects)[0].id;
    rig.stored(id, 1);
    (rig, id, token)
}

#[test]
fn a_receipt_raises_the_level_answers_who_waits_for_it_and_is_acked() {
    let (mut rig, message, token) = sent(Some(Level::Seen));
    let effects = arrives(&mut rig, receipt(1, message, "bob", ReceiptLevel::Injected));
    assert_eq!(answer(&effects, token), None);
    assert_eq!(settlements(&effects), [("receipt.1".into(), Settlement::Ack)]);
    let closed = rig.sidecar.ledger().sent(&message).unwrap().closed;
    assert_eq!(
        closed,
        Some(Closed::Receipted),
        "kept no longer for another publish"
    );
    let effects = arrives(&mut rig, receipt(2, message, "bob", ReceiptLevel::Seen));
    assert_eq!(sent_level(answer(&effects, token)), Level::Seen);
}

#[test]
fn who_waits_for_more_than_a_dead_message_reaches_is_told() {
    let (mut rig, message, token) = sent(Some(Level::Done));
    let effects = arrives(&mut rig, receipt(1, message, "bob", ReceiptLevel::Dead));
    assert_eq!(refused(answer(&effects, token)), ErrorCode::LevelNotReached);
    let mut again = draft("bob", "one");
    again.id = Some(message);
    let (token, effects) = rig.send(again, Some(Level::Done));
    assert_eq!(
        refused(answer(&effects, token)),
        ErrorCode::LevelNotReached,
        "at once"
    );
}

#[test]
fn held_says_why_and_ends_nothing() {
    let (mut rig, message, token) = sent(Some(Level::Seen));
    let effects = arrives(&mut rig, receipt(1, message, "bob", ReceiptLevel::Held));
    assert_eq!(answer(&effects, token), None);
    assert_eq!(rig.sidecar.ledger().unreceipted().count(), 1);
}

#[test]
fn only_an_addressee_counts() {
    let (mut rig, message, token) = sent(Some(Level::Seen));
    let effects = arrives(&mut rig, receipt(1, message, "mallory", ReceiptLevel::Done));
    assert_eq!(answer(&effects, token), None);
    assert_eq!(settlements(&effects), [("receipt.1".into(), Settlement::Ack)]);
    assert_eq!(rig.sidecar.ledger().level(&message), Some(Level::Stored));
    assert_eq!(rig.sidecar.ledger().receipts(&message).count(), 0);
}

#[test]
fn the_same_receipt_counts_once_and_an_unknown_one_is_acked_away() {
    let (mut rig, message, _) = sent(None);
    let fetched = receipt(1, message, "bob", ReceiptLevel::Seen);
    arrives(&mut rig, fetched.clone());
    let records = rig.spool.records.len();
    rig.pass(16_000);
    rig.step(Event::ReceiptFetched {
        outcome: FetchOutcome::Got(Box::new(super::rig::again(&fetched))),
    });
    assert_eq!(rig.spool.records.len(), records);
    rig.step(Event::ReceiptFetched {
        outcome: FetchOutcome::Empty,
    });
    let effects = arrives(&mut rig, receipt(5, id(77), "bob", ReceiptLevel::Seen));
    assert_eq!(settlements(&effects), [("receipt.5".into(), Settlement::Ack)]);
    assert_eq!(rig.spool.records.len(), records);
}

#[test]
fn what_is_no_receipt_is_filed_as_a_dead_letter_and_nobody_is_told() {
    let (mut rig, message, _) = sent(None);
    let mut fetched = receipt(1, message, "bob", ReceiptLevel::Seen);
    fetched.subject = "wb.receipt.alice.done.bob".into();
    let effects = arrives(&mut rig, fetched);
    let kinds: Vec<_> = published(&effects).iter().map(|out| out.kind).collect();
    assert_eq!(kinds, [OutKind::DeadLetter]);
    assert!(settlements(&effects).is_empty());
}

#[test]
fn a_receipt_may_be_faster_than_the_publish_ack() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), Some(Level::Done));
    let message = published(&effects)[0].id;
    let effects = arrives(&mut rig, receipt(1, message, "bob", ReceiptLevel::Done));
    assert_eq!(sent_level(answer(&effects, token)), Level::Done);
    rig.step(Event::BusDown);
    rig.restart();
    assert!(published(&rig.connect()).is_empty(), "its recipient has it");
}

#[test]
fn a_receipt_that_the_disk_has_no_room_for_waits() {
    let (mut rig, message, token) = sent(Some(Level::Seen));
    rig.spool.full = true;
    let effects = arrives(&mut rig, receipt(1, message, "bob", ReceiptLevel::Seen));
    assert!(settlements(&effects).is_empty());
    rig.step(Event::ReceiptWoken { stream_seq: Some(2) });
    assert!(
        !rig.effects
            .iter()
            .any(|effect| matches!(effect, Effect::FetchReceipt { .. }))
    );
    rig.spool.full = false;
    let effects = rig.pass(3_000);
    assert_eq!(sent_level(answer(&effects, token)), Level::Seen);
    assert!(settlements(&effects).contains(&("receipt.1".into(), Settlement::Ack)));
}

#[test]
fn who_gets_no_receipt_for_a_day_is_reported_once_for_all() {
    let (mut rig, first, _) = sent(None);
    let (_, effects) = rig.send(draft("bob", "two"), None);
    rig.stored(published(&effects)[0].id, 2);
    rig.now_ms += 24 * 3_600_000 + 60_000;
    rig.step(Event::Tick);
    let Some(Effect::Publish {
        out,
        body: Body::Bytes(body),
    }) = rig
        .effects
        .iter()
        .find(|effect| matches!(effect, Effect::Publish { out, .. } if out.kind == OutKind::Report))
    else {
        panic!("{:?}", rig.effects)
    };
    assert_eq!(out.subject, "wb.report.failure.alice");
    let failure: Failure = serde_json::from_slice(body).unwrap();
    assert_eq!((failure.id, failure.class), (out.id, FailureClass::Unreceipted));
    assert_eq!(failure.evidence["messages"], 2);
    assert_eq!(failure.evidence["message_ids"][0], first.to_string());
    let report = out.id;
    rig.stored(report, 1);
    rig.now_ms += 60_000;
    let effects = rig.step(Event::Tick);
    assert!(published(&effects).iter().all(|out| out.kind != OutKind::Report));
}
