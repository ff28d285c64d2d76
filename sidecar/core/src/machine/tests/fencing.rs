//! Lease, connection and drain: when nothing may be handed over, and what happens to what is in hand.

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::{Id, Level, Priority};

use super::effects::{answer, fetching, handed, published, refused, settlements};
use super::rig::{Rig, again, draft, id, key, lane_state, message, now};
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{Event, FetchOutcome, LeaseOutcome, ReaderId};
use crate::fence::LEASE_MS;

const LOW: Priority = Priority::Low;
const NAK: Settlement = Settlement::Nak { delay_ms: 0 };

fn of_another() -> Lease {
    Lease {
        agent: super::rig::agent("bob"),
        instance: Id::from_bytes([99; 16]),
        state_id: Id::from_bytes([99; 16]),
        host: "there".into(),
        pid: 2,
        at: super::rig::now(0).wall,
    }
}

fn asks(effects: &[Effect]) -> usize {
    let asks = |effect: &&Effect| {
        matches!(
            effect,
            Effect::CheckLane { .. }
                | Effect::CheckReceipts
                | Effect::FetchLane { .. }
                | Effect::FetchReceipt { .. }
        )
    };
    effects.iter().filter(asks).count()
}

#[test]
fn without_the_lease_nothing_is_asked_of_the_consumers() {
    let mut rig = Rig::new("bob", 1);
    rig.take(1, 60_000);
    let effects = rig.step(Event::BusUp);
    assert!(effects.contains(&Effect::ReadLease));
    assert_eq!(asks(&effects), 0);
    assert_eq!(asks(&rig.announce(LOW)), 0);
    assert_eq!(asks(&rig.step(Event::Lease(LeaseOutcome::Read(None)))), 0);
    let effects = rig.step(Event::Lease(LeaseOutcome::Written(7)));
    assert_eq!(
        asks(&effects),
        5,
        "four lanes and the receipts are checked: {effects:?}"
    );
}

#[test]
fn a_second_sidecar_is_fenced_once_and_tells_everybody() {
    let mut rig = Rig::new("bob", 1);
    let (waiting, _) = rig.take(1, 60_000);
    rig.step(Event::BusUp);
    let found = LeaseOutcome::Read(Some((of_another(), 3)));
    let effects = rig.step(Event::Lease(found.clone()));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Fenced { .. }))
    );
    assert_eq!(refused(answer(&effects, waiting)), ErrorCode::Fenced);
    let effects = rig.step(Event::Lease(found));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Fenced { .. }))
    );
    let (token, effects) = rig.take(1, 0);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Fenced);
    let (token, effects) = rig.send(draft("alice", "one"), None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Fenced);
    let effects = rig.pass(60_000);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Heartbeat)));
}

#[test]
fn a_message_that_arrives_after_the_lease_is_over_goes_back() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    assert_eq!(fetching(&rig.announce(LOW)), Some(LOW));
    rig.now_ms += LEASE_MS;
    let effects = rig.got(message("alice", "bob", LOW, 5));
    assert!(handed(&effects).is_empty());
    assert_eq!(
        rig.deliveries(&key("alice", 5)),
        0,
        "not handed over, not counted"
    );
    assert!(settlements(&effects).contains(&("ack.5.1".into(), NAK)));
    assert_eq!(fetching(&effects), None);
}

#[test]
fn what_a_request_collected_is_not_answered_after_the_lease_is_over() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    let (token, _) = rig.take(5, 60_000);
    rig.got(message("alice", "bob", LOW, 5));
    rig.now_ms += LEASE_MS;
    let effects = rig.step(Event::LaneFetched {
        lane: LOW,
        outcome: FetchOutcome::Empty,
    });
    assert_eq!(answer(&effects, token), Some(Answer::Messages(Vec::new())));
    assert!(settlements(&effects).contains(&("ack.5.1".into(), NAK)));
}

#[test]
fn a_message_in_hand_survives_a_reconnect_and_is_not_taken_for_lost() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.step(Event::BusDown);
    rig.step(Event::BusUp);
    let effects = rig.step(Event::Lease(LeaseOutcome::Written(8)));
    let held: Vec<_> = effects
        .iter()
        .chain(&rig.effects)
        .filter_map(|effect| match effect {
            Effect::CheckLane { lane: LOW, held } => Some(held.clone()),
            _ => None,
        })
        .collect();
    assert!(held.iter().all(|held| *held == [5]), "{held:?}");
    assert!(matches!(rig.ack(id(5), &item.lease), Answer::Acked(_)));
}

#[test]
fn what_somebody_knows_about_is_not_lost_and_what_should_come_at_once_is() {
    let mut rig = Rig::up("bob", 9);
    let item = |n, rig: &mut Rig| rig.take_one(message("alice", "bob", LOW, n));
    let [ended, delayed, back, _in_hand] = [1, 2, 3, 4].map(|n| item(n, &mut rig));
    rig.ack(id(1), &ended.lease);
    rig.nak(id(2), &delayed.lease, 60_000);
    rig.nak(id(3), &back.lease, 0);
    rig.settled("ack.3.1", NAK);
    let mut dead = message("alice", "bob", LOW, 6);
    dead.payload = bytes::Bytes::from_static(b"{");
    rig.open(1, false, 9);
    rig.announce(LOW);
    rig.got(dead);
    rig.spool.full = true;
    let mut parked = message("alice", "bob", LOW, 7);
    parked.pending = 1;
    rig.got(parked);
    assert_eq!(rig.sidecar.held_sequences(LOW), [4, 2, 7, 1, 6]);
    assert_eq!(
        rig.sidecar.held_sequences(Priority::High),
        [7, 1, 6],
        "ended ones of any lane may be named"
    );
}

#[test]
fn a_lost_hand_over_comes_back_before_anything_else_of_its_lane() {
    let mut rig = Rig::new("bob", 1);
    rig.open(1, true, 1);
    rig.step(Event::BusUp);
    rig.step(Event::Lease(LeaseOutcome::Read(None)));
    rig.step(Event::Lease(LeaseOutcome::Written(7)));
    let mut state = lane_state();
    state.lost = vec!["lost.5".into()];
    let effects = rig.step(Event::LaneChecked {
        lane: LOW,
        state: Some(state),
    });
    assert_eq!(settlements(&effects), [("lost.5".into(), NAK)]);
    assert_eq!(fetching(&effects), None, "not before the server confirmed it");
    assert_eq!(fetching(&rig.settled("lost.5", NAK)), Some(LOW));
    let effects = rig.got(again(&message("alice", "bob", LOW, 5)));
    assert!(handed(&effects)[0].redelivered);
}

#[test]
fn a_fetch_without_an_answer_checks_before_the_next() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    rig.step(Event::LaneFetched {
        lane: LOW,
        outcome: FetchOutcome::Failed,
    });
    let effects = rig.pass(300);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckLane { lane: LOW, .. }))
    );
    assert_eq!(fetching(&effects), None);
    let state = Some(lane_state());
    assert_eq!(
        fetching(&rig.step(Event::LaneChecked { lane: LOW, state })),
        Some(LOW)
    );
}

#[test]
fn an_unconfirmed_nak_is_sent_again_and_its_message_looked_for_then() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    rig.step(Event::ReaderClosed { reader: ReaderId(1) });
    rig.open(2, false, 1);
    let unconfirmed = Event::Settled {
        ack: "ack.5.1".into(),
        settlement: NAK,
        confirmed: false,
    };
    assert_eq!(fetching(&rig.step(unconfirmed)), None);
    assert!(settlements(&rig.pass(1_000)).contains(&("ack.5.1".into(), NAK)));
    assert_eq!(fetching(&rig.settled("ack.5.1", NAK)), Some(LOW));
}

#[test]
fn a_drain_gives_back_refuses_and_ends_once_all_is_settled() {
    let mut rig = Rig::up("bob", 1);
    rig.take_one(message("alice", "bob", LOW, 5));
    let (waiting, _) = rig.take(1, 60_000);
    let (_, effects) = rig.send(draft("alice", "one"), None);
    let sent = published(&effects);
    let effects = rig.step(Event::Drain);
    assert_eq!(answer(&effects, waiting), Some(Answer::Messages(Vec::new())));
    assert!(settlements(&effects).contains(&("ack.5.1".into(), NAK)));
    assert!(
        !effects.contains(&Effect::Drained),
        "a publish and a NAK are under way"
    );
    let (token, effects) = rig.send(draft("alice", "two"), None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Draining);
    let (token, effects) = rig.take(1, 0);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Draining);
    let mut all = rig.settled("ack.5.1", NAK);
    let receipts: Vec<Id> = rig.sidecar.ledger().unstored().map(|(_, id)| id).collect();
    for (n, id) in receipts.into_iter().enumerate() {
        assert!(!all.contains(&Effect::Drained));
        all.extend(rig.stored(id, n as u64 + 1));
    }
    assert!(!sent.is_empty());
    assert_eq!(all.iter().filter(|effect| **effect == Effect::Drained).count(), 1);
    assert!(!rig.pass(60_000).contains(&Effect::Drained), "told once");
}

#[test]
fn a_drain_ends_after_10_s_at_the_latest_and_at_once_without_a_bus() {
    let mut rig = Rig::up("bob", 1);
    let (token, _) = rig.send(draft("alice", "one"), Some(Level::Done));
    rig.step(Event::Drain);
    let effects = rig.pass(9_999);
    assert!(!effects.contains(&Effect::Drained));
    assert_eq!(
        refused(answer(&effects, token)),
        ErrorCode::LevelNotReached,
        "its own time is over"
    );
    assert!(rig.pass(1).contains(&Effect::Drained));

    let mut rig = Rig::new("bob", 1);
    let (token, _) = rig.send(draft("alice", "one"), Some(Level::Stored));
    let effects = rig.step(Event::Drain);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::LevelNotReached);
    assert!(effects.contains(&Effect::Drained));

    let mut rig = Rig::new("bob", 1);
    let (token, _) = rig.send(draft("alice", "one"), None);
    assert!(
        !rig.step(Event::Drain).contains(&Effect::Drained),
        "the disk may still confirm it"
    );
    let position = rig.spool.position();
    let effects = rig.step(Event::Synced { position });
    assert!(answer(&effects, token).is_some() && effects.contains(&Effect::Drained));
}

#[test]
fn a_drain_waits_for_what_a_bridge_is_writing() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    let effects = rig.step(Event::Drain);
    assert!(settlements(&effects).is_empty() && !effects.contains(&Effect::Drained));
    let effects = rig.step(Event::Injected {
        reader: ReaderId(1),
        key: key("alice", 5),
    });
    let receipt = published(&effects)[0].id;
    let effects = rig.stored(receipt, 1);
    assert_eq!(settlements(&effects), [("ack.5.1".into(), Settlement::Ack)]);
    assert!(rig.settled("ack.5.1", Settlement::Ack).contains(&Effect::Drained));
}

#[test]
fn a_drain_waits_for_a_fetch_whose_message_must_go_back() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    assert!(!rig.step(Event::Drain).contains(&Effect::Drained));
    let effects = rig.got(message("alice", "bob", LOW, 5));
    assert!(handed(&effects).is_empty());
    assert_eq!(settlements(&effects), [("ack.5.1".into(), NAK)]);
    assert!(rig.settled("ack.5.1", NAK).contains(&Effect::Drained));
}

#[test]
fn an_idle_sidecar_wakes_at_most_twice_a_second() {
    for up in [true, false] {
        let mut rig = if up { Rig::up("bob", 1) } else { Rig::new("bob", 1) };
        rig.open(1, true, 1);
        let (start, mut wakes) = (rig.now_ms, 0_u64);
        while rig.now_ms < start + 600_000 {
            let at = rig.sidecar.next_wake(rig.now_ms);
            rig.now_ms = at;
            let effects = rig.step(Event::Tick);
            rig.answer_empty(effects);
            wakes += 1;
        }
        assert!(wakes <= 600, "{wakes} wake-ups in ten minutes, bus up: {up}");
    }
}

#[test]
fn hold_and_epoch_are_told_at_once_but_not_for_each_message() {
    let mut rig = Rig::up("bob", 1);
    let beats = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|effect| **effect == Effect::Heartbeat)
            .count()
    };
    rig.pass(3_100);
    let mut told = 0;
    for n in 1..=20 {
        let item = rig.take_one(message("alice", "bob", LOW, n));
        told += beats(&rig.effects);
        rig.ack(id(n), &item.lease);
        told += beats(&rig.effects);
    }
    assert!(told <= 1, "{told} heartbeats in no time");
    rig.take_one(message("alice", "bob", LOW, 30));
    assert_eq!(beats(&rig.pass(250)), 1);
}

/// Nobody asks for messages: only the agent itself can change that, and its senders should know.
#[test]
fn an_agent_that_asks_for_nothing_cannot_be_woken() {
    let mut rig = Rig::up("bob", 1);
    let hold = |rig: &Rig| rig.sidecar.view(now(rig.now_ms)).hold.map(|hold| hold.reason);
    rig.pass(4_000);
    assert_eq!(hold(&rig), None, "it may be between two questions");
    rig.pass(4_500);
    assert_eq!(hold(&rig), Some(HoldReason::CannotWake));
    let since = rig.sidecar.view(now(rig.now_ms)).hold.unwrap().since;
    rig.pass(60_000);
    assert_eq!(
        rig.sidecar.view(now(rig.now_ms)).hold.unwrap().since,
        since,
        "one hold"
    );
    let item = rig.take_one(message("alice", "bob", LOW, 1));
    assert_eq!(hold(&rig), Some(HoldReason::Busy));
    rig.ack(id(1), &item.lease);
    assert_eq!(hold(&rig), None);
    rig.open(1, false, 1);
    rig.pass(60_000);
    assert_eq!(hold(&rig), None, "a reader waits");
}

#[test]
fn who_waits_for_a_level_when_the_agent_is_lost_is_told_how_far_it_came() {
    let mut rig = Rig::new("bob", 1);
    rig.step(Event::BusUp);
    let (token, effects) = rig.send(draft("alice", "one"), Some(Level::Done));
    rig.stored(published(&effects)[0].id, 1);
    let effects = rig.step(Event::Lease(LeaseOutcome::Read(Some((of_another(), 3)))));
    let Some(Answer::Error(error)) = answer(&effects, token) else {
        panic!("{effects:?}")
    };
    assert_eq!(
        error.code,
        ErrorCode::LevelNotReached,
        "it is accepted: not to be sent again"
    );
    assert_eq!(error.details.unwrap()["level"], "stored");
}
