//! Slots, readers and requests of the inbox, without a machine around it.

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::{Draft, Timestamp};

use super::*;

fn key(n: u8) -> Key {
    Key {
        from: "alice".parse().unwrap(),
        id: Id::from_bytes([n; 16]),
    }
}

fn hand(n: u8, holder: Holder, priority: Priority) -> Hand {
    let at = Timestamp::from_unix_ms(0).unwrap();
    let draft = Draft::text("bob".parse().unwrap(), String::new());
    Hand {
        key: key(n),
        message: draft.into_message(key(n).id, key(n).from, at),
        raw: Bytes::new(),
        subject: String::new(),
        priority,
        stream_seq: u64::from(n),
        ack: String::new(),
        delivery: 1,
        redelivered: false,
        holder,
        bridge: Bridge::Http,
        lease: format!("{n}.1"),
        lease_until_ms: Some(1_000),
        lease_expires_at: at,
        injected: false,
        seen: false,
        in_urgent_slot: false,
        unwritten_end: false,
        fallback: false,
        held: None,
        progress_at_ms: PROGRESS_MS,
        taken_at_ms: 0,
    }
}

fn take(token: u64, max: usize) -> TakeRequest {
    TakeRequest {
        token: Token(token),
        max,
        timeout_ms: 5_000,
        lease_ms: 1_000,
    }
}

/// Puts message `n` where the appetite says. Returns whether there was any.
fn give(inbox: &mut Inbox, n: u8, priority: Priority) -> bool {
    let (appetite, taker) = inbox.appetite();
    let allowed =
        appetite == Appetite::Any || (appetite == Appetite::UrgentOnly && priority == Priority::Urgent);
    let Some(taker) = taker.filter(|_| allowed) else {
        return false;
    };
    let holder = match taker {
        Taker::Request(_) => Holder::Lease,
        Taker::Reader(reader) => Holder::Reader(reader),
    };
    inbox.hold(0, taker, hand(n, holder, priority), appetite);
    true
}

#[test]
fn a_slot_that_is_freed_is_free_although_an_urgent_is_still_in_hand() {
    let mut inbox = Inbox::new(1);
    for (n, priority) in [(1, Priority::Low), (2, Priority::Urgent)] {
        inbox.ask(0, take(u64::from(n), 1)).unwrap();
        assert!(give(&mut inbox, n, priority));
        inbox.answerable(0, true).unwrap();
    }
    inbox.ask(0, take(3, 1)).unwrap();
    assert_eq!(inbox.appetite().0, Appetite::None);
    inbox.release(&key(1));
    assert_eq!(inbox.appetite().0, Appetite::Any);
    inbox.release(&key(2));
    assert!(give(&mut inbox, 3, Priority::Low));
}

#[test]
fn a_request_that_began_with_a_free_slot_takes_up_to_its_max_and_is_then_full() {
    let mut inbox = Inbox::new(1);
    inbox.ask(0, take(1, 3)).unwrap();
    assert_eq!((1..=5).filter(|n| give(&mut inbox, *n, Priority::Low)).count(), 3);
    let (token, keys) = inbox.answerable(0, false).unwrap();
    assert_eq!((token, keys.len()), (Token(1), 3));
}

#[test]
fn a_message_that_left_the_hands_is_no_longer_collected() {
    let mut inbox = Inbox::new(1);
    inbox.ask(0, take(1, 3)).unwrap();
    give(&mut inbox, 1, Priority::Low);
    give(&mut inbox, 2, Priority::Low);
    inbox.release(&key(1));
    assert_eq!(inbox.forget(Token(1)), [key(2)]);
    assert!(inbox.forget(Token(1)).is_empty());
}

#[test]
fn timers_lie_ahead_until_they_are_acted_on() {
    let mut inbox = Inbox::new(1);
    assert_eq!(inbox.next_timer(0), None);
    inbox.ask(0, take(1, 2)).unwrap();
    assert_eq!(inbox.next_timer(0), Some(5_000));
    assert!(
        inbox.next_timer(5_000).unwrap() > 5_000,
        "a moment for the fetch that is under way"
    );
    give(&mut inbox, 1, Priority::Low);
    assert_eq!(inbox.next_timer(0), Some(1_000), "its lease");
    assert_eq!(inbox.expired(999), []);
    assert_eq!(inbox.expired(1_000), [key(1)]);
    assert_eq!(inbox.next_progress(), Some(PROGRESS_MS));
    inbox.progress_due(PROGRESS_MS);
    assert_eq!(inbox.next_progress(), Some(2 * PROGRESS_MS));
}
