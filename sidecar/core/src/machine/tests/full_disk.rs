//! A spool without room, at each kind of record: nothing is handed over uncounted, nothing is lost, a retry works.

use wagglebus_schemas::Priority;
use wagglebus_schemas::error::ErrorCode;

use super::effects::{fetching, handed, published, published_as, refused, settlements};
use super::rig::{Rig, id, key, message};
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{Event, ReaderId, Verb};
use crate::inbox::PROGRESS_MS;
use crate::record::OutKind;

const LOW: Priority = Priority::Low;

fn warnings(effects: &[Effect]) -> usize {
    let warns = |effect: &&Effect| matches!(effect, Effect::Warn { .. });
    effects.iter().filter(warns).count()
}

#[test]
fn a_message_that_cannot_be_counted_is_neither_handed_over_nor_given_back() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.spool.full = true;
    let effects = rig.got(message("alice", "bob", LOW, 5));
    assert!(handed(&effects).is_empty() && settlements(&effects).is_empty());
    assert_eq!(
        fetching(&rig.announce(Priority::Urgent)),
        None,
        "nothing more is fetched"
    );
    let effects = rig.pass(PROGRESS_MS + 1_000);
    assert!(settlements(&effects).contains(&("ack.5.1".into(), Settlement::Progress)));
    assert_eq!(warnings(&effects), 0, "told once, not every two seconds");
    rig.spool.full = false;
    let effects = rig.pass(2_000);
    assert_eq!(handed(&effects).len(), 1);
    assert_eq!(rig.deliveries(&key("alice", 5)), 1);
}

#[test]
fn an_ack_that_cannot_be_written_leaves_the_message_in_hand() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.spool.full = true;
    for done in [true, false] {
        let answer = rig.verb(id(5), Some(&item.lease), Verb::Ack { done });
        assert_eq!(refused(Some(answer)), ErrorCode::SpoolFull);
        assert!(published(&rig.effects).is_empty() && settlements(&rig.effects).is_empty());
    }
    rig.spool.full = false;
    assert!(matches!(rig.ack(id(5), &item.lease), Answer::Acked(_)));
    assert_eq!(published_as(&rig.effects, OutKind::Receipt).len(), 1);
}

#[test]
fn a_written_line_whose_end_cannot_be_recorded_is_never_written_again() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, true, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    rig.spool.full = true;
    rig.step(Event::Injected {
        reader: ReaderId(1),
        key: key("alice", 5),
    });
    let effects = rig.step(Event::ReaderClosed { reader: ReaderId(1) });
    assert!(settlements(&effects).is_empty(), "it does not go back");
    rig.spool.full = false;
    let effects = rig.pass(3_000);
    let receipt = published_as(&effects, OutKind::Receipt)[0].id;
    assert_eq!(
        settlements(&rig.stored(receipt, 1)),
        [("ack.5.1".into(), Settlement::Ack)]
    );
}

#[test]
fn receipts_of_ours_wait_for_room_and_keep_their_order() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.got(message("alice", "bob", LOW, 5));
    rig.spool.full = true;
    rig.step(Event::Injected {
        reader: ReaderId(1),
        key: key("alice", 5),
    });
    assert!(published(&rig.effects).is_empty());
    rig.spool.full = false;
    rig.verb(id(5), None, Verb::Ack { done: false });
    assert!(published(&rig.effects).is_empty(), "seen is told after injected");
    let subjects: Vec<_> = published(&rig.pass(3_000))
        .iter()
        .map(|out| out.subject.clone())
        .collect();
    assert_eq!(
        subjects,
        ["wb.receipt.alice.injected.bob", "wb.receipt.alice.seen.bob"]
    );
}

#[test]
fn a_message_given_back_while_the_disk_is_full_still_comes_again() {
    let mut rig = Rig::up("bob", 1);
    let item = rig.take_one(message("alice", "bob", LOW, 5));
    rig.spool.full = true;
    assert!(matches!(rig.nak(id(5), &item.lease, 0), Answer::Naked(_)));
    let nak = Settlement::Nak { delay_ms: 0 };
    assert!(settlements(&rig.effects).contains(&("ack.5.1".into(), nak)));
}

#[test]
fn a_dead_letter_without_room_waits_with_its_message() {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig.announce(LOW);
    rig.spool.full = true;
    let mut bad = message("alice", "bob", LOW, 5);
    bad.payload = bytes::Bytes::from_static(b"{");
    let effects = rig.got(bad);
    assert!(settlements(&effects).is_empty() && published(&effects).is_empty());
    rig.spool.full = false;
    let kinds: Vec<_> = published(&rig.pass(3_000)).iter().map(|out| out.kind).collect();
    assert_eq!(kinds, [OutKind::DeadLetter, OutKind::Receipt, OutKind::Message]);
}
