//! What becomes of a message in hand: verbs, leases, receipts, what comes again and what does not.

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::DELAYED_NAKS_PER_LANE_MAX;
use wagglebus_schemas::{Level, Priority};

use super::effects::{handed, published_as, refused, settlements};
use super::rig::{Rig, again, id, key, message};
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{Event, FetchOutcome, ReaderId, Verb};
use crate::inbox::PROGRESS_MS;
use crate::record::OutKind;

const NAK: Settlement = Settlement::Nak { delay_ms: 0 };
const LOW: Priority = Priority::Low;

#[test]
fn a_hand_over_is_counted_before_it_happens_and_an_ack_waits_for_its_receipt() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched);
    assert_eq!((item.delivery, item.redelivered), (1, false));
    assert_eq!(rig.deliveries(&key("alice", 5)), 1);
    let injected = published_as(&rig.effects, OutKind::Receipt);
    assert_eq!(injected[0].subject, "wb.receipt.alice.injected.bob");

    let answered = rig.ack(id(5), &item.lease);
    assert!(matches!(answered, Answer::Acked(acked) if acked.level == Level::Done));
    let done = published_as(&rig.effects, OutKind::Receipt);
    assert_eq!(done[0].subject, "wb.receipt.alice.done.bob");
    assert!(
        settlements(&rig.effects).is_empty(),
        "its receipt is not stored yet"
    );
    let effects = rig.stored(done[0].id, 9);
    assert_eq!(settlements(&effects), [("ack.5.1".into(), Settlement::Ack)]);
    rig.settled("ack.5.1", Settlement::Ack);
    assert_eq!(rig.sidecar.ledger().unfinished().count(), 0);
}

#[test]
fn levels_reached_together_travel_in_one_receipt() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    let receipts = |rig: &Rig| -> Vec<Vec<String>> {
        let receipts = rig.effects.iter().filter_map(|effect| match effect {
            Effect::Publish {
                out,
                body: crate::effect::Body::Bytes(body),
            } if out.kind == OutKind::Receipt => {
                let receipt: serde_json::Value = serde_json::from_slice(body).unwrap();
                let levels = receipt["levels"].as_array().unwrap();
                Some(
                    levels
                        .iter()
                        .map(|level| level["level"].as_str().unwrap().to_owned())
                        .collect(),
                )
            }
            _ => None,
        });
        receipts.collect()
    };
    assert_eq!(receipts(&rig), [["fetched", "injected"]]);
    rig.verb(id(5), Some(&item.lease), Verb::Ack { done: false });
    assert_eq!(receipts(&rig), [["seen"]]);
    rig.verb(id(5), Some(&item.lease), Verb::Ack { done: false });
    assert_eq!(receipts(&rig).len(), 0, "an equal repeat says nothing new");
    rig.ack(id(5), &item.lease);
    assert_eq!(receipts(&rig), [["done"]]);

    let item = rig.take_one(message("alice", "bob", LOW, 6));
    rig.ack(id(6), &item.lease);
    assert_eq!(receipts(&rig), [["seen", "done"]]);
}

#[test]
fn an_ended_message_is_acked_away_and_never_handed_over_again() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.ack(id(5), &item.lease);
    let done = published_as(&rig.effects, OutKind::Receipt)[0].id;
    rig.open(1, false, 1);
    rig.announce(LOW);
    let effects = rig.got(again(&fetched));
    assert!(handed(&effects).is_empty());
    assert!(
        settlements(&effects).is_empty(),
        "the receipt of its end is not stored yet"
    );
    rig.stored(done, 1);
    rig.announce(LOW);
    let effects = rig.got(again(&again(&fetched)));
    assert_eq!(settlements(&effects), [("ack.5.3".into(), Settlement::Ack)]);
    assert!(handed(&effects).is_empty());
}

#[test]
fn a_repeated_ack_gets_the_same_answer_and_a_wrong_lease_none() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    assert_eq!(refused(Some(rig.ack(id(5), "5.2"))), ErrorCode::LeaseLost);
    assert_eq!(refused(Some(rig.ack(id(6), "6.1"))), ErrorCode::NotFound);
    let first = rig.ack(id(5), &item.lease);
    assert_eq!(rig.ack(id(5), &item.lease), first);
    assert!(published_as(&rig.effects, OutKind::Receipt).is_empty());
    assert_eq!(refused(Some(rig.ack(id(5), "5.9"))), ErrorCode::LeaseLost);
    assert_eq!(
        refused(Some(rig.nak(id(5), &item.lease, 0))),
        ErrorCode::LeaseLost
    );
}

#[test]
fn an_expired_lease_gives_back_and_is_no_longer_good_for_an_ack() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.pass(59_999);
    rig.now_ms += 1;
    assert_eq!(refused(Some(rig.ack(id(5), &item.lease))), ErrorCode::LeaseLost);
    assert!(settlements(&rig.effects).contains(&("ack.5.1".into(), NAK)));
    rig.settled("ack.5.1", NAK);
    let item = rig.take_one(again(&fetched));
    assert_eq!((item.delivery, item.redelivered), (2, true));
}

#[test]
fn progress_extends_the_lease() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.pass(50_000);
    rig.verb(id(5), Some(&item.lease), Verb::Progress { extend_ms: 60_000 });
    rig.pass(50_000);
    assert!(matches!(rig.ack(id(5), &item.lease), Answer::Acked(_)));
}

#[test]
fn the_server_is_told_every_10_s_that_a_message_is_in_hand_and_only_while_it_is() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    let effects = rig.pass(3 * PROGRESS_MS);
    let told = settlements(&effects);
    assert_eq!(told, vec![("ack.5.1".to_owned(), Settlement::Progress); 3]);
    rig.ack(id(5), &item.lease);
    assert!(settlements(&rig.pass(2 * PROGRESS_MS)).is_empty());
}

#[test]
fn time_in_hand_while_the_bus_is_down_wakes_nobody() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    rig.step(Event::BusDown);
    let mut wakes = 0;
    let end = rig.now_ms + 60_000;
    while rig.now_ms < end {
        let at = rig.sidecar.next_wake(rig.now_ms);
        rig.until(at);
        wakes += 1;
    }
    assert!(wakes <= 60, "{wakes} wake-ups in a minute");
}

#[test]
fn a_newer_delivery_of_a_message_in_hand_replaces_its_reply_subject() {
    let mut rig = Rig::up("bob", 2);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.take(1, 60_000);
    rig.announce(LOW);
    let effects = rig.got(again(&fetched));
    assert!(handed(&effects).is_empty() && settlements(&effects).is_empty());
    rig.ack(id(5), &item.lease);
    let done = published_as(&rig.effects, OutKind::Receipt)[0].id;
    assert_eq!(
        settlements(&rig.stored(done, 1)),
        [("ack.5.2".into(), Settlement::Ack)]
    );
}

#[test]
fn a_nak_with_delay_comes_again_in_its_time_and_too_many_are_refused() {
    let mut rig = Rig::up("bob", 1);
    let bound = DELAYED_NAKS_PER_LANE_MAX as u64;
    for n in 1..=bound {
        let item = rig.take_one(message("alice", "bob", LOW, n));
        assert!(matches!(rig.nak(id(n), &item.lease, 60_000), Answer::Naked(_)));
        rig.settled(&format!("ack.{n}.1"), Settlement::Nak { delay_ms: 60_000 });
    }
    let item = rig.take_one(message("alice", "bob", LOW, 900));
    let Answer::Error(error) = rig.nak(id(900), &item.lease, 1_000) else {
        panic!("one too many")
    };
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert_eq!(error.retry_after_ms, Some(60_000));
    assert!(
        matches!(rig.nak(id(900), &item.lease, 0), Answer::Naked(_)),
        "without a delay it may"
    );
    let other = rig.take_one(message("alice", "bob", Priority::High, 901));
    assert!(
        matches!(rig.nak(id(901), &other.lease, 1_000), Answer::Naked(_)),
        "another lane may"
    );
}

#[test]
fn a_nak_is_not_repeated_on_the_next_hand_over() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.nak(id(5), &item.lease, 1_000);
    // The answer to the NAK never comes, but the message does.
    rig.pass(1_000);
    rig.take_one(again(&fetched));
    rig.step(Event::BusDown);
    let effects = rig.connect();
    assert!(settlements(&effects).is_empty(), "{effects:?}");
}

#[test]
fn an_ack_that_the_server_never_confirmed_is_not_taken_for_one() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.ack(id(5), &item.lease);
    let done = published_as(&rig.effects, OutKind::Receipt)[0].id;
    rig.stored(done, 1);
    for _ in 0..5 {
        rig.step(Event::Settled {
            ack: "ack.5.1".into(),
            settlement: Settlement::Ack,
            confirmed: false,
        });
        rig.pass(1_000);
    }
    assert_eq!(rig.sidecar.ledger().unfinished().count(), 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    assert_eq!(
        settlements(&rig.got(again(&fetched))),
        [("ack.5.2".into(), Settlement::Ack)]
    );
}

#[test]
fn a_late_answer_of_a_given_up_fetch_is_taken_unless_it_was_overtaken() {
    let late = |n| Event::FetchedLate {
        fetched: Box::new(message("alice", "bob", LOW, n)),
        lane: Some(LOW),
    };
    let mut rig = Rig::up("bob", 9);
    rig.open(1, true, 9);
    rig.announce(LOW);
    rig.step(Event::LaneFetched {
        lane: LOW,
        outcome: FetchOutcome::Failed,
    });
    assert_eq!(handed(&rig.step(late(5))).len(), 1, "nothing came since");
    rig.pass(300);
    rig.step(Event::LaneChecked {
        lane: LOW,
        state: Some(super::rig::lane_state()),
    });
    let effects = rig.step(late(6));
    assert!(handed(&effects).is_empty(), "another may come any moment");
    assert_eq!(settlements(&effects), [("ack.6.1".into(), NAK)]);
    rig.got(message("alice", "bob", LOW, 8));
    rig.settled("ack.6.1", NAK);
    rig.step(Event::LaneFetched {
        lane: LOW,
        outcome: FetchOutcome::Empty,
    });
    let effects = rig.step(late(7));
    assert!(handed(&effects).is_empty(), "8 came since");
    assert_eq!(settlements(&effects), [("ack.7.1".into(), NAK)]);
}

#[test]
fn a_written_line_ends_a_message_of_an_auto_reader_and_a_closed_one_gives_it_back() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    let effects = rig.got(message("alice", "bob", LOW, 5));
    assert_eq!(handed(&effects).len(), 1);
    let injected = Event::Injected {
        reader: ReaderId(1),
        key: key("alice", 5),
    };
    let effects = rig.step(injected.clone());
    let receipt = &published_as(&effects, OutKind::Receipt)[0];
    assert_eq!(receipt.subject, "wb.receipt.alice.injected.bob");
    assert!(rig.step(injected).is_empty(), "once");
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 6));
    let effects = rig.step(Event::ReaderClosed { reader: ReaderId(1) });
    assert!(settlements(&effects).contains(&("ack.6.1".into(), NAK)));
}

#[test]
fn an_explicit_reader_acks_by_id_and_levels_are_told_once_each() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    rig.verb(id(5), None, Verb::Ack { done: false });
    assert_eq!(
        published_as(&rig.effects, OutKind::Receipt)[0].subject,
        "wb.receipt.alice.seen.bob"
    );
    let effects = rig.step(Event::Injected {
        reader: ReaderId(1),
        key: key("alice", 5),
    });
    assert!(
        published_as(&effects, OutKind::Receipt).is_empty(),
        "told with seen"
    );
    rig.verb(id(5), None, Verb::Ack { done: true });
    assert_eq!(
        published_as(&rig.effects, OutKind::Receipt)[0].subject,
        "wb.receipt.alice.done.bob"
    );
}
