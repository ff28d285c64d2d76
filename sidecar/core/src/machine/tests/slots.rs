//! Who gets a message when: slots, long polls, stream readers.

use wagglebus_schemas::Priority;
use wagglebus_schemas::error::ErrorCode;

use super::effects::{answer, fetching, handed, refused, settlements};
use super::rig::{Rig, id, message};
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{Event, FetchOutcome, ReaderId, Verb};

const NAK: Settlement = Settlement::Nak { delay_ms: 0 };
const LOW: Priority = Priority::Low;
const URGENT: Priority = Priority::Urgent;

fn empty(rig: &mut Rig, lane: Priority) -> Vec<Effect> {
    let outcome = FetchOutcome::Empty;
    rig.step(Event::LaneFetched { lane, outcome })
}

#[test]
fn nothing_is_fetched_without_somebody_who_asks() {
    let mut rig = Rig::up("bob", 1);
    assert_eq!(fetching(&rig.announce(LOW)), None);
    let (_, effects) = rig.take(1, 1_000);
    assert_eq!(fetching(&effects), Some(LOW));
}

#[test]
fn a_reader_whose_connection_is_gone_takes_nothing_new() {
    let mut rig = Rig::up("bob", 1);
    let reader = ReaderId(1);
    rig.open(1, false, 2);
    rig.step(Event::ReaderPaused { reader, paused: true });
    assert_eq!(fetching(&rig.announce(URGENT)), None);
    let (_, effects) = rig.take(1, 1_000);
    assert_eq!(fetching(&effects), Some(URGENT), "for whoever is there");
    rig.got(message("alice", "bob", URGENT, 5));
    assert_eq!(fetching(&rig.announce(LOW)), None);
    let effects = rig.step(Event::ReaderPaused {
        reader,
        paused: false,
    });
    assert!(fetching(&effects).is_some(), "it is there again");
}

#[test]
fn one_fetch_at_a_time_highest_lane_first() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    rig.announce(URGENT);
    let (_, effects) = rig.take(1, 1_000);
    assert_eq!(fetching(&effects), Some(URGENT));
    assert_eq!(fetching(&rig.announce(Priority::High)), None);
    assert_eq!(fetching(&empty(&mut rig, URGENT)), Some(Priority::High));
}

#[test]
fn a_message_in_hand_keeps_its_slot_and_one_urgent_may_join_it() {
    let mut rig = Rig::up("bob", 1);
    let low = rig.take_one(message("alice", "bob", LOW, 5));
    rig.announce(LOW);
    let (token, effects) = rig.take(5, 1_000);
    assert_eq!(fetching(&effects), None, "the slot is taken");
    assert_eq!(fetching(&rig.announce(URGENT)), Some(URGENT));
    let effects = rig.got(message("alice", "bob", URGENT, 6));
    assert_eq!(handed(&effects).len(), 1);
    assert!(answer(&effects, token).is_some(), "one urgent and no more");
    rig.announce(URGENT);
    let (_, effects) = rig.take(5, 1_000);
    assert_eq!(fetching(&effects), None, "both slots are taken");
    rig.verb(id(5), Some(&low.lease), Verb::Ack { done: false });
    assert_eq!(fetching(&rig.effects), None, "seen, but not done");
    rig.ack(id(5), &low.lease);
    assert_eq!(fetching(&rig.effects), Some(URGENT));
}

#[test]
fn a_request_may_take_more_than_the_slots_and_later_ones_then_get_one_urgent() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    let (token, _) = rig.take(3, 10_000);
    for n in 5..7 {
        let mut fetched = message("alice", "bob", LOW, n);
        fetched.pending = 7 - n;
        let effects = rig.got(fetched);
        assert_eq!(answer(&effects, token), None, "more waits");
        assert_eq!(fetching(&effects), Some(LOW));
    }
    let effects = rig.got(message("alice", "bob", LOW, 7));
    assert_eq!(handed(&effects).len(), 3);
    let (_, effects) = rig.take(3, 10_000);
    assert_eq!(fetching(&effects), None);
    assert_eq!(fetching(&rig.announce(LOW)), None);
    assert_eq!(fetching(&rig.announce(URGENT)), Some(URGENT));
    assert_eq!(handed(&rig.got(message("alice", "bob", URGENT, 8))).len(), 1);
}

#[test]
fn a_request_is_answered_with_all_that_waits_and_no_later_than_that() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    let (token, _) = rig.take(32, 60_000);
    let effects = rig.got(message("alice", "bob", LOW, 5));
    // The lane was woken without a sequence: it is looked at until it is empty.
    assert_eq!((answer(&effects, token), fetching(&effects)), (None, Some(LOW)));
    let effects = empty(&mut rig, LOW);
    assert_eq!(handed(&effects).len(), 1);
    assert!(answer(&effects, token).is_some());
}

#[test]
fn a_bus_that_hangs_does_not_keep_a_collected_message_from_its_reader() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    let (token, _) = rig.take(32, 60_000);
    rig.got(message("alice", "bob", LOW, 5));
    let started = rig.now_ms;
    loop {
        let wake = rig.sidecar.next_wake(rig.now_ms);
        let effects = rig.until(wake);
        if answer(&effects, token).is_some() {
            assert_eq!(handed(&effects).len(), 1);
            break;
        }
    }
    assert!(rig.now_ms - started <= 3_000);
}

#[test]
fn who_does_not_wait_is_answered_once_every_lane_was_looked_at() {
    let mut rig = Rig::up("bob", 1);
    let (token, mut effects) = rig.take(1, 0);
    for lane in Priority::ALL {
        assert_eq!(fetching(&effects), Some(*lane));
        assert_eq!(answer(&effects, token), None);
        effects = empty(&mut rig, *lane);
    }
    assert_eq!(answer(&effects, token), Some(Answer::Messages(Vec::new())));
}

#[test]
fn a_request_ends_in_time() {
    let mut rig = Rig::up("bob", 1);
    let (token, _) = rig.take(1, 2_000);
    assert_eq!(answer(&rig.pass(1_999), token), None);
    assert!(answer(&rig.pass(1), token).is_some());
    rig.step(Event::BusDown);
    let (token, effects) = rig.take(1, 0);
    assert!(answer(&effects, token).is_some());
}

#[test]
fn the_message_of_a_client_that_is_gone_goes_back_to_the_head_of_its_lane() {
    let mut rig = Rig::up("bob", 1);
    rig.announce(LOW);
    let (token, _) = rig.take(5, 60_000);
    rig.got(message("alice", "bob", LOW, 5));
    let effects = rig.step(Event::Gone { token });
    assert_eq!(settlements(&effects), [("ack.5.1".into(), NAK)]);
    assert_eq!(answer(&effects, token), None);
}

#[test]
fn a_long_poll_does_not_starve_a_reader_that_has_room() {
    let mut rig = Rig::up("bob", 1);
    rig.take_one(message("alice", "bob", LOW, 5));
    rig.take(1, 60_000);
    rig.open(1, true, 1);
    assert_eq!(fetching(&rig.announce(LOW)), Some(LOW));
    let effects = rig.got(message("alice", "bob", LOW, 6));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::HandOver { .. }))
    );
}

#[test]
fn too_many_long_polls_at_once_are_refused() {
    let mut rig = Rig::up("bob", 1);
    for _ in 0..crate::inbox::REQUESTS_MAX {
        rig.take(1, 60_000);
    }
    let (token, effects) = rig.take(1, 60_000);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::RateLimited);
}

/// A fetch may wait a while for a message that does not come: an urgent one does not wait with it.
#[test]
fn an_urgent_is_fetched_beside_another_lane_and_both_find_room_in_either_order() {
    let (low, urgent) = (
        message("alice", "bob", Priority::Low, 5),
        message("alice", "bob", Priority::Urgent, 6),
    );
    for urgent_first in [false, true] {
        let mut rig = Rig::up("bob", 1);
        rig.open(1, false, 1);
        assert_eq!(fetching(&rig.announce(Priority::Low)), Some(Priority::Low));
        assert_eq!(fetching(&rig.announce(Priority::Urgent)), Some(Priority::Urgent));
        assert_eq!(fetching(&rig.announce(Priority::High)), None, "nothing else");
        let order = if urgent_first {
            [&urgent, &low]
        } else {
            [&low, &urgent]
        };
        for fetched in order {
            let effects = rig.got(fetched.clone());
            assert_eq!(handed(&effects).len(), 1, "urgent first: {urgent_first}");
            assert!(settlements(&effects).is_empty());
        }
        assert_eq!(
            fetching(&rig.announce(Priority::Urgent)),
            None,
            "all slots are taken"
        );
    }
}

/// A request may have room for one message only, and what goes back unseen would come again marked as redelivered.
#[test]
fn for_a_request_an_urgent_waits_for_the_end_of_the_other_fetch() {
    let mut rig = Rig::up("bob", 1);
    rig.take(1, 60_000);
    assert_eq!(fetching(&rig.announce(Priority::Low)), Some(Priority::Low));
    assert_eq!(fetching(&rig.announce(Priority::Urgent)), None);
    let effects = rig.step(Event::LaneFetched {
        lane: Priority::Low,
        outcome: FetchOutcome::Empty,
    });
    assert_eq!(fetching(&effects), Some(Priority::Urgent));
}
