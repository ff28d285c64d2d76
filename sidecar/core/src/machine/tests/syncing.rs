//! When the disk is told to keep what was written.

use wagglebus_schemas::Level;
use wagglebus_schemas::error::ErrorCode;

use super::effects::{answer, published, refused, sent_level};
use super::rig::{Rig, draft, id};
use crate::effect::Effect;
use crate::event::Event;

fn syncs(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| **effect == Effect::Sync).count()
}

#[test]
fn an_ack_that_comes_soon_spares_the_hurry() {
    let mut rig = Rig::up("alice", 1);
    rig.pass(100);
    let (_, effects) = rig.send(draft("bob", "one"), None);
    assert_eq!(syncs(&effects), 0);
    let out = published(&effects)[0].clone();
    assert_eq!(syncs(&rig.stored(out.id, 1)), 0);
    assert_eq!(syncs(&rig.pass(49)), 0);
    assert_eq!(syncs(&rig.pass(1)), 1, "nothing stays unsynced for longer");
    assert_eq!(syncs(&rig.pass(1_000)), 0, "once is enough");
}

#[test]
fn the_disk_is_hurried_for_who_waits_longer_than_an_ack_takes() {
    let mut rig = Rig::up("alice", 1);
    rig.pass(100);
    rig.send(draft("bob", "one"), None);
    assert_eq!(syncs(&rig.pass(4)), 0);
    assert_eq!(syncs(&rig.pass(1)), 1);
    // It would not answer this one.
    rig.send(draft("bob", "two"), Some(Level::Stored));
    assert_eq!(syncs(&rig.pass(49)), 0);
    assert_eq!(syncs(&rig.pass(1)), 1);
}

#[test]
fn each_sender_has_its_own_patience() {
    let mut rig = Rig::up("alice", 1);
    rig.pass(100);
    let (_, effects) = rig.send(draft("bob", "one"), None);
    let first = published(&effects)[0].id;
    rig.pass(4);
    rig.stored(first, 1);
    rig.send(draft("bob", "two"), None);
    assert_eq!(syncs(&rig.pass(4)), 0, "the first one was answered");
    assert_eq!(syncs(&rig.pass(1)), 1);
}

#[test]
fn without_a_bus_the_disk_is_the_first_to_prove_anything() {
    let mut rig = Rig::up("alice", 1);
    rig.send(draft("bob", "one"), None);
    assert_eq!(syncs(&rig.step(Event::BusDown)), 1);
    let (_, effects) = rig.send(draft("bob", "two"), None);
    assert_eq!(syncs(&effects), 1);
    rig.pass(100);
    let (_, effects) = rig.send(draft("bob", "three"), Some(Level::Stored));
    assert_eq!(syncs(&effects), 0, "the disk is no answer to this");
}

#[test]
fn a_sync_after_a_failed_one_proves_nothing() {
    let mut rig = Rig::up("alice", 1);
    let (token, _) = rig.send(draft("bob", "one"), None);
    rig.step(Event::SpoolFailed {
        why: "worn out".into(),
    });
    let position = rig.spool.position();
    assert_eq!(answer(&rig.step(Event::Synced { position }), token), None);
    let effects = rig.pass(5_000);
    assert_eq!(syncs(&effects), 0);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::LevelNotReached);
}

#[test]
fn what_a_former_process_wrote_counts_once_it_is_synced() {
    let mut rig = Rig::up("alice", 1);
    rig.step(Event::BusDown);
    let mut once = draft("bob", "one");
    once.id = Some(id(1));
    rig.send(once.clone(), None);
    rig.restart();
    let (token, effects) = rig.send(once, None);
    assert_eq!((answer(&effects, token), syncs(&effects)), (None, 1));
    let effects = rig.step(Event::Synced { position: 0 });
    assert_eq!(sent_level(answer(&effects, token)), Level::Accepted);
}
