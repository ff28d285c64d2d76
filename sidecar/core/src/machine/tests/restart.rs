//! A new process on an old spool: what was open goes back, what had ended is acked.

use wagglebus_schemas::{Priority, RoomName};

use super::effects::{fetching, handed, published_as, settlements};
use super::rig::{Rig, again, id, key, lane_state, message};
use crate::effect::{Effect, Settlement};
use crate::event::{Event, Fetched, LeaseOutcome};
use crate::record::OutKind;

const LOW: Priority = Priority::Low;
const NAK: Settlement = Settlement::Nak { delay_ms: 0 };

#[test]
fn what_was_in_hand_goes_back_in_the_order_of_the_stream_and_comes_at_once() {
    let mut rig = Rig::up("bob", 3);
    // The order of the ids is not that of the stream.
    let at = |seq, n| {
        let mut fetched = message("alice", "bob", LOW, n);
        fetched.stream_seq = seq;
        fetched.ack = format!("ack.{seq}.1");
        fetched
    };
    for (seq, n) in [(9, 5), (10, 3), (11, 4)] {
        rig.take_one(at(seq, n));
    }
    rig.restart();
    rig.open(1, true, 1);
    let effects = rig.connect();
    let naks: Vec<_> = settlements(&effects)
        .into_iter()
        .filter(|(_, how)| *how == NAK)
        .collect();
    assert_eq!(naks, [9, 10, 11].map(|n| (format!("ack.{n}.1"), NAK)));
    for (ack, how) in naks {
        assert_ne!(fetching(&rig.effects), Some(LOW));
        rig.settled(&ack, how);
    }
    let mut effects = rig.effects.clone();
    while fetching(&effects) != Some(LOW) {
        let lane = fetching(&effects).unwrap();
        let outcome = crate::event::FetchOutcome::Empty;
        effects = rig.step(Event::LaneFetched { lane, outcome });
    }
    let item = &handed(&rig.got(again(&at(9, 5))))[0];
    assert_eq!((item.delivery, item.redelivered), (2, true));
}

#[test]
fn what_was_given_back_before_is_not_given_back_again() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.nak(id(5), &item.lease, 60_000);
    rig.restart();
    assert!(settlements(&rig.connect()).is_empty());
}

#[test]
fn an_ack_waits_for_its_receipt_across_a_restart() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.ack(id(5), &item.lease);
    rig.restart();
    let effects = rig.connect();
    assert!(settlements(&effects).is_empty());
    let receipts = published_as(&effects, OutKind::Receipt);
    let mut settled = Vec::new();
    for (receipt, seq) in receipts.iter().zip(1..) {
        settled.extend(settlements(&rig.stored(receipt.id, seq)));
    }
    assert_eq!(settled, [("ack.5.1".to_owned(), Settlement::Ack)]);
    rig.restart();
    let effects = rig.connect();
    assert_eq!(
        settlements(&effects),
        settled,
        "stored, but the ack was not confirmed"
    );
    rig.settled("ack.5.1", Settlement::Ack);
    rig.restart();
    assert!(settlements(&rig.connect()).is_empty());
}

#[test]
fn an_ended_message_stays_ended() {
    let mut rig = Rig::up("bob", 1);
    let fetched = message("alice", "bob", LOW, 5);
    let item = rig.take_one(fetched.clone());
    rig.ack(id(5), &item.lease);
    rig.restart();
    rig.connect();
    rig.open(1, true, 1);
    rig.announce(LOW);
    let effects = rig.got(again(&fetched));
    assert!(handed(&effects).is_empty());
    assert!(
        rig.sidecar
            .ledger()
            .received(&key("alice", 5))
            .unwrap()
            .has_ended()
    );
}

fn post(room: &str, from: &str, n: u64) -> Fetched {
    let mut fetched = super::rig::message_with(from, "bob", LOW, n, |message| {
        message.to_agent = format!("room:{room}").parse().unwrap();
    });
    fetched.subject = format!("wb.room.{room}.{LOW}.{from}");
    fetched
}

/// Answers the check of a lane: the room counts from this sequence on.
fn joined(rig: &mut Rig, room: &str, seq: u64) -> Vec<Effect> {
    let mut state = lane_state();
    let room: RoomName = room.parse().unwrap();
    state.joined.insert(room, seq);
    rig.step(Event::LaneChecked {
        lane: LOW,
        state: Some(state),
    })
}

#[test]
fn a_room_counts_from_when_it_was_joined_and_own_posts_never() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    let effects = rig.got(post("hall", "alice", 8));
    assert_eq!(
        settlements(&effects),
        [("ack.8.1".into(), NAK)],
        "an unknown room: ask since when"
    );
    let asks = |effects: &[Effect]| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::CheckLane { lane: LOW, .. }))
    };
    assert!(asks(&effects));
    joined(&mut rig, "hall", 8);
    assert_eq!(fetching(&rig.settled("ack.8.1", NAK)), Some(LOW));
    let effects = rig.got(again(&post("hall", "alice", 8)));
    assert_eq!(
        settlements(&effects),
        [("ack.8.2".into(), Settlement::Ack)],
        "from before we joined"
    );
    let effects = rig.got(post("hall", "bob", 9));
    assert_eq!(
        settlements(&effects),
        [("ack.9.1".into(), Settlement::Ack)],
        "our own"
    );
    assert_eq!(handed(&rig.got(post("hall", "alice", 10))).len(), 1);

    // Left and joined again: what was said meanwhile is not for us.
    let room = "hall".parse().unwrap();
    rig.step(Event::RoomChanged { room });
    let effects = rig.got(post("hall", "alice", 11));
    assert_eq!(settlements(&effects), [("ack.11.1".into(), NAK)]);
    assert!(asks(&effects), "since when?");
    joined(&mut rig, "hall", 11);
    rig.settled("ack.11.1", NAK);
    let effects = rig.got(again(&post("hall", "alice", 11)));
    assert_eq!(settlements(&effects), [("ack.11.2".into(), Settlement::Ack)]);
}

#[test]
fn what_waits_for_its_delay_is_not_lost_with_the_process() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.nak(id(5), &item.lease, 60_000);
    rig.settled("ack.5.1", Settlement::Nak { delay_ms: 60_000 });
    rig.now_ms += 10_000;
    rig.restart();
    rig.step(Event::BusUp);
    rig.step(Event::Lease(LeaseOutcome::Read(None)));
    let effects = rig.step(Event::Lease(LeaseOutcome::Written(7)));
    let held = effects.iter().find_map(|effect| match effect {
        Effect::CheckLane { lane: LOW, held } => Some(held.clone()),
        _ => None,
    });
    assert_eq!(held, Some(vec![5]));
    rig.now_ms += 50_000;
    assert_eq!(rig.sidecar.held_sequences(LOW), [5], "it is due only now");
    rig.step(Event::Tick);
    assert!(rig.sidecar.held_sequences(LOW).is_empty());
}
