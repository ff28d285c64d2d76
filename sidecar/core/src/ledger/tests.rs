//! The ledger's properties: order and repetition of records do not matter, and a compaction loses nothing that counts.

use bytes::Bytes;
use proptest::prelude::*;
use wagglebus_schemas::{Id, Priority, Timestamp};

use super::*;
use crate::record::{Closed, HandOver, Out, OutKind, Outcome, ThenAck};

fn id(n: u8) -> Id {
    Id::from_bytes([n; 16])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_323_045_000 + ms).unwrap()
}

fn key(n: u8) -> Key {
    Key {
        from: "alice".parse().unwrap(),
        id: id(n),
    }
}

fn out(n: u8) -> Record {
    Record::Out(bare_out(n).into())
}

fn bare_out(n: u8) -> Out {
    Out {
        id: id(n),
        kind: if n.is_multiple_of(2) {
            OutKind::Message
        } else {
            OutKind::Receipt
        },
        subject: "wb.msg.bob.normal.alice".into(),
        priority: Priority::Normal,
        conversation: None,
        event_type: String::new(),
        digest: [n; 16],
        order: u64::from(n),
        at: at(i64::from(n)),
        then_ack: None,
        idempotency_key: None,
        forgotten: false,
    }
}

fn hand_over(n: u8, delivery: u32) -> Record {
    Record::HandOver(HandOver {
        key: key(n),
        priority: Priority::Low,
        stream_seq: u64::from(n),
        ack: format!("ack.{n}.{delivery}"),
        delivery,
        at: at(i64::from(n) + i64::from(delivery)),
        bodiless: delivery > 1,
    })
}

fn stored(id: Id, seq: u64) -> Record {
    Record::OutStored { id, seq, at: None }
}

/// The receipt that tells the end of incoming message `n`.
fn end(n: u8) -> Record {
    let told = Out {
        then_ack: Some(ThenAck {
            ack: String::new(),
            key: Some(key(n)),
            outcome: Some(Outcome::Done),
        }),
        ..bare_out(2 * n + 21)
    };
    Record::Out(told.into())
}

fn any_record() -> impl Strategy<Value = Record> {
    (0u8..6, 0u8..12, 1u32..4).prop_map(|(n, kind, delivery)| match kind {
        0 | 1 => out(n),
        2 => Record::OutStored {
            id: id(n),
            seq: u64::from(n) + 7,
            at: (n % 2 == 0).then(|| at(i64::from(delivery))),
        },
        3 => Record::OutClosed {
            id: id(n),
            why: Closed::Receipted,
        },
        4 => hand_over(n, delivery),
        5 => Record::Seen { key: key(n) },
        6 => end(n),
        7 => Record::Acked { key: key(n) },
        8 => Record::Returned {
            untouched: false,
            key: key(n),
            delivery,
            until: (n % 2 == 0).then(|| at(i64::from(delivery))),
            at: (n % 3 == 0).then(|| at(i64::from(n))),
            why: (n % 2 == 0).then(|| "not today".into()),
        },
        9 | 10 => Record::Task(TaskFact {
            task_id: id(n % 2),
            assigned: u64::from(delivery),
            over: u64::from(n),
            released: u64::from(n + kind),
            priority: (n < 3).then_some(Priority::High),
            at: at(i64::from(n) * i64::from(delivery)),
        }),
        _ => Record::ReceiptIn {
            id: id(n + 100),
            message_id: id(n),
            level: ReceiptLevel::Done,
            at: at(60),
        },
    })
}

/// Messages of both directions, of which some share their place.
fn any_message() -> impl Strategy<Value = Record> {
    (0u8..20, 0u8..4).prop_map(|(n, kind)| match kind {
        0 => out(2 * n),
        1 => stored(id(2 * n), u64::from(n)),
        _ => hand_over(n, u32::from(kind) - 1),
    })
}

/// Gives each record a place of its own, as a spool would.
fn placed(records: Vec<Record>) -> Vec<(Record, Location)> {
    let place = |n: usize| Location {
        segment: n as u64 / 4,
        offset: n as u64,
        len: 10,
    };
    records
        .into_iter()
        .enumerate()
        .map(|(n, record)| (record, place(n)))
        .collect()
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        records in prop::collection::vec(any_record(), 0..40),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let records = placed(records);
        let straight = Ledger::fold(records.clone());
        let mut shuffled = records.clone();
        shuffled.extend(records);
        for (n, index) in shuffle.iter().enumerate() {
            if !shuffled.is_empty() {
                let (a, b) = (n % shuffled.len(), index.index(shuffled.len()));
                shuffled.swap(a, b);
            }
        }
        prop_assert_eq!(Ledger::fold(shuffled), straight);
    }

    /// Copies what must be kept of the oldest segment behind all others and deletes it, for every segment in turn.
    #[test]
    fn a_compaction_changes_only_places(records in prop::collection::vec(any_record(), 0..40)) {
        let mut spool = placed(records);
        let before = Ledger::fold(spool.clone());
        let segments = spool.last().map_or(0, |(_, location)| location.segment + 1);
        for segment in 0..segments {
            let ledger = Ledger::fold(spool.clone());
            let (oldest, mut rest): (Vec<_>, Vec<_>) =
                spool.into_iter().partition(|(_, location)| location.segment == segment);
            for (n, (record, location)) in oldest.into_iter().enumerate() {
                let copy = Location { segment: 1_000 + segment, offset: n as u64, len: location.len };
                match ledger.keep(&record, location) {
                    Some(Keep::Whole) => rest.push((record, copy)),
                    Some(Keep::Head(record)) => rest.push((*record, copy)),
                    None => {}
                }
            }
            spool = rest;
        }
        let after = Ledger::fold(spool);
        let facts = |ledger: &Ledger| {
            let sent: Vec<_> = ledger.out.iter().map(|(id, e)| (*id, e.seq, e.closed, e.body.is_some())).collect();
            let received: Vec<_> = ledger
                .inn
                .iter()
                .map(|(k, e)| (k.clone(), (e.deliveries(), e.returned), e.seen, e.ended, e.acked, e.body.is_some()))
                .collect();
            let receipts: Vec<_> = ledger.receipts.iter().map(|(id, r)| (*id, r.len())).collect();
            let unstored: Vec<_> = ledger.unstored().collect();
            (sent, received, receipts, unstored, ledger.unreceipted().collect::<Vec<_>>(), ledger.tasks.clone())
        };
        prop_assert_eq!(facts(&after), facts(&before));
    }

    /// Stretch by stretch, by cursor, in both directions: the whole list, also after bodies were given up.
    #[test]
    fn stretches_are_the_whole_list(
        records in prop::collection::vec(any_message(), 0..60), looks in 1_usize..5, given_up in prop::collection::vec(0u8..40, 0..4),
    ) {
        let mut ledger = Ledger::fold(placed(records));
        for n in given_up {
            let name = if n < 20 { Name::Out(id(2 * n)) } else { Name::In(key(n - 20)) };
            ledger.forget_body(&name);
        }
        let sent = ledger.out.iter().filter_map(|(id, entry)| Some((entry.place()?, Name::Out(*id))));
        let received = ledger.inn.iter().filter_map(|(key, entry)| Some((entry.place()?, Name::In(key.clone()))));
        let names: BTreeSet<_> = sent.chain(received).collect();
        prop_assert_eq!(&ledger.places, &names);
        let mut whole: Vec<Place> = names.iter().map(|(place, _)| *place).collect();
        whole.dedup();
        for direction in [Direction::Forwards, Direction::Backwards] {
            let (mut shown, mut behind) = (Vec::new(), None);
            loop {
                let Stretch { told, next } = ledger.stretch(behind, direction, looks, |_| true);
                prop_assert!(told.len() <= looks);
                shown.extend(told.into_iter().map(|told| told.place));
                if next.is_none() { break }
                behind = next;
            }
            if direction == Direction::Backwards { shown.reverse(); }
            prop_assert_eq!(&shown, &whole);
            // Also where nothing is wanted; a place of two is not cut.
            let looked = std::cell::Cell::new(0);
            ledger.stretch(None, direction, looks, |_| { looked.set(looked.get() + 1); false });
            prop_assert!(looked.get() <= looks + 1);
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written(record in any_record(), body in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut payload = record.head();
        payload.extend_from_slice(&Bytes::from(body.clone()));
        let (read, head_len) = Record::parse(&payload).unwrap();
        prop_assert_eq!(read, record);
        prop_assert_eq!(&payload[head_len..], &body[..]);
    }

    #[test]
    fn foreign_bytes_are_an_error_not_a_panic(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(Record::parse(&payload).is_err());
    }
}

#[test]
fn an_outgoing_record_moves_from_unstored_to_unreceipted_to_history() {
    let place = |n| Location {
        segment: 0,
        offset: n,
        len: 10,
    };
    let mut ledger = Ledger::default();
    ledger.apply(out(2), place(0));
    assert_eq!(ledger.unstored_depth(), (1, 10));
    ledger.apply(stored(id(2), 5), place(1));
    assert_eq!(ledger.unstored_depth(), (0, 0));
    assert_eq!(ledger.unreceipted().collect::<Vec<_>>(), [id(2)]);
    ledger.apply(
        Record::OutClosed {
            id: id(2),
            why: Closed::Receipted,
        },
        place(2),
    );
    assert_eq!(ledger.unreceipted().count(), 0);
    assert_eq!(ledger.history_bytes, 10);
}

#[test]
fn finished_work_is_forgotten_after_48_hours_and_unfinished_never() {
    let place = |n| Location {
        segment: 0,
        offset: n,
        len: 10,
    };
    let mut ledger = Ledger::default();
    ledger.apply(out(1), place(0));
    ledger.apply(stored(id(1), 5), place(1));
    ledger.apply(out(3), place(2));
    ledger.prune(at(KEPT_MS));
    assert!(ledger.sent(&id(1)).is_some());
    ledger.prune(at(KEPT_MS + 10));
    assert!(ledger.sent(&id(1)).is_none(), "a stored receipt is finished");
    assert!(ledger.sent(&id(3)).is_some(), "an unstored record is not");
    assert_eq!(ledger.history_bytes, 0);
}

#[test]
fn what_ended_is_remembered_until_its_ack_however_long_that_takes() {
    let stored = Record::OutStored {
        id: bare_out(23).id,
        seq: 5,
        at: None,
    };
    let mut ledger = Ledger::fold(placed(vec![hand_over(1, 1), end(1), stored]));
    let late = at(10 * KEPT_MS);
    ledger.prune(late);
    assert!(ledger.received(&key(1)).is_some_and(InEntry::has_ended));
    let (acked, at_9) = placed(vec![Record::Acked { key: key(1) }]).remove(0);
    ledger.apply(acked, at_9);
    ledger.prune(at(20 * KEPT_MS));
    assert!(ledger.received(&key(1)).is_none());
}

#[test]
fn unreceipted_messages_are_given_up_after_24_hours() {
    let place = |n| Location {
        segment: 0,
        offset: n,
        len: 10,
    };
    let mut ledger = Ledger::default();
    ledger.apply(out(2), place(0));
    ledger.apply(stored(id(2), 5), place(1));
    assert_eq!(ledger.unreceipted_over_bound(at(UNRECEIPTED_MS_MAX)), None);
    assert_eq!(
        ledger.unreceipted_over_bound(at(UNRECEIPTED_MS_MAX + 2)),
        Some(id(2))
    );
}

#[test]
fn the_record_of_an_end_waits_to_be_stored_and_survives_until_the_ack() {
    let place = |n| Location {
        segment: 0,
        offset: n,
        len: 10,
    };
    let mut ledger = Ledger::default();
    ledger.apply(hand_over(1, 1), place(0));
    assert!(ledger.received(&key(1)).unwrap().is_held());
    ledger.apply(end(1), place(1));
    assert!(ledger.received(&key(1)).unwrap().has_ended() && ledger.is_telling(&key(1)));
    let Record::Out(head) = end(1) else { unreachable!() };
    ledger.apply(stored(head.id, 5), place(2));
    assert!(!ledger.is_telling(&key(1)));
    assert_eq!(ledger.unfinished().count(), 1, "not acked yet");
    ledger.apply(Record::Acked { key: key(1) }, place(3));
    assert_eq!(ledger.unfinished().count(), 0);
}

#[test]
fn messages_are_found_by_id_whoever_sent_them() {
    let mut ledger = Ledger::default();
    let place = Location {
        segment: 0,
        offset: 0,
        len: 10,
    };
    for (from, n) in [("alice", 1), ("alice", 2), ("bob", 2), ("carol", 3), ("dora", 2)] {
        let Record::HandOver(mut head) = hand_over(n, 1) else {
            unreachable!()
        };
        head.key.from = from.parse().unwrap();
        ledger.apply(Record::HandOver(head), place);
    }
    let senders = |n| -> Vec<_> {
        let found = ledger.received_under(id(n));
        found.map(|(key, _)| key.from.as_str()).collect()
    };
    assert_eq!(senders(2), ["alice", "bob", "dora"]);
    assert_eq!(senders(3), ["carol"]);
    assert!(senders(9).is_empty());
}

#[test]
fn what_an_agent_wrote_to_itself_is_told_once_and_as_done_as_it_is() {
    let note = stored(id(2), 1);
    let mut ledger = Ledger::fold(placed(vec![out(2), note, hand_over(1, 1), out(4)]));
    let all = |ledger: &Ledger| ledger.stretch(None, Direction::Forwards, 9, |_| true).told;
    let places = [Place::stored(1), Place::unstored(4)];
    assert_eq!(
        all(&ledger).iter().map(|told| told.place).collect::<Vec<_>>(),
        places
    );
    assert!(all(&ledger).iter().all(|told| !told.done));
    let (ended, at_9) = placed(vec![end(1)]).remove(0);
    ledger.apply(ended, at_9);
    assert_eq!(
        all(&ledger).iter().map(|told| told.done).collect::<Vec<_>>(),
        [true, false]
    );
    let only = |side: Side<'_>| matches!(side, Side::Received(..));
    let received = ledger.stretch(None, Direction::Backwards, 9, only).told;
    assert_eq!(received.len(), 1);
}
