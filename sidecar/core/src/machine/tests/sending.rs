//! Sending: spool, outbox, waiters, idempotency.

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{Level, Priority};

use super::effects::{answer, published, published_as, refused, sent_level};
use super::rig::{Rig, draft, id};
use crate::effect::{Answer, Body, Effect};
use crate::event::{Event, PublishOutcome};
use crate::record::{OutKind, Record};

#[test]
fn the_first_of_stored_and_synced_answers() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), None);
    let first = published(&effects)[0].id;
    assert_eq!(sent_level(answer(&rig.stored(first, 1), token)), Level::Stored);

    let (token, effects) = rig.send(draft("bob", "two"), None);
    let second = published(&effects)[0].id;
    let position = rig.spool.position();
    let effects = rig.step(Event::Synced {
        position: position - 1,
    });
    assert_eq!(answer(&effects, token), None, "it is not on the disk yet");
    let effects = rig.step(Event::Synced { position });
    assert_eq!(sent_level(answer(&effects, token)), Level::Accepted);
    assert_eq!(answer(&rig.stored(second, 2), token), None, "answered once");
    assert_eq!(rig.sidecar.ledger().level(&second), Some(Level::Stored));
}

#[test]
fn who_waits_for_a_level_is_not_content_with_less() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), Some(Level::Stored));
    let position = rig.spool.position();
    assert_eq!(answer(&rig.step(Event::Synced { position }), token), None);
    let out = &published(&effects)[0];
    assert_eq!(sent_level(answer(&rig.stored(out.id, 1), token)), Level::Stored);
}

#[test]
fn a_wait_ends_in_time_and_says_how_far_it_came() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), Some(Level::Done));
    rig.stored(published(&effects)[0].id, 1);
    let effects = rig.pass(5_000);
    let Some(Answer::Error(error)) = answer(&effects, token) else {
        panic!("{effects:?}")
    };
    assert_eq!(error.code, ErrorCode::LevelNotReached);
    assert_eq!(error.details.unwrap()["level"], "stored");
}

#[test]
fn a_full_spool_refuses_and_a_retry_works() {
    let mut rig = Rig::up("alice", 1);
    rig.spool.full = true;
    let mut once = draft("bob", "one");
    once.id = Some(id(1));
    let (token, effects) = rig.send(once.clone(), None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::SpoolFull);
    assert!(published(&effects).is_empty());
    rig.spool.full = false;
    let (token, effects) = rig.send(once, None);
    assert_eq!(answer(&effects, token), None);
    assert_eq!(published(&effects).len(), 1);
    assert_eq!(sent_level(answer(&rig.stored(id(1), 1), token)), Level::Stored);
}

#[test]
fn a_failed_disk_accepts_nothing_more() {
    let mut rig = Rig::up("alice", 1);
    rig.step(Event::SpoolFailed {
        why: "worn out".into(),
    });
    let (token, effects) = rig.send(draft("bob", "one"), None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::SpoolFull);
}

#[test]
fn the_same_id_and_draft_is_the_same_message() {
    let mut rig = Rig::up("alice", 1);
    let mut once = draft("bob", "one");
    once.id = Some(id(1));
    let (first, _) = rig.send(once.clone(), None);
    let (second, effects) = rig.send(once.clone(), None);
    assert_eq!(answer(&effects, second), None, "not on the disk yet");
    assert!(published(&effects).is_empty());
    let position = rig.spool.position();
    let effects = rig.step(Event::Synced { position });
    let Some(Answer::Sent(sent)) = answer(&effects, second) else {
        panic!("{effects:?}")
    };
    assert!(sent.duplicate && sent.stream_seq.is_none() && sent.level == Level::Accepted);
    assert!(answer(&effects, first).is_some());
    rig.stored(id(1), 9);
    let (third, effects) = rig.send(once, None);
    let Some(Answer::Sent(sent)) = answer(&effects, third) else {
        panic!("{effects:?}")
    };
    assert!(sent.duplicate && sent.stream_seq == Some(9));
}

#[test]
fn the_same_id_with_another_draft_is_a_conflict_after_a_restart_too() {
    let mut rig = Rig::up("alice", 1);
    let mut once = draft("bob", "one");
    once.id = Some(id(1));
    rig.send(once.clone(), None);
    for _ in 0..2 {
        let mut other = once.clone();
        other.content = "two".into();
        let (token, effects) = rig.send(other, None);
        assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
        rig.restart();
    }
}

#[test]
fn an_idempotency_key_names_one_message_after_a_restart_too() {
    let mut rig = Rig::up("alice", 1);
    let (_, effects) = rig.send_as(draft("bob", "one"), None, Some("key"));
    let first = published(&effects)[0].id;
    rig.stored(first, 1);
    for _ in 0..2 {
        let (token, effects) = rig.send_as(draft("bob", "one"), None, Some("key"));
        let Some(Answer::Sent(sent)) = answer(&effects, token) else {
            panic!("{effects:?}")
        };
        assert_eq!((sent.id, sent.duplicate), (first, true));
        let (token, effects) = rig.send_as(draft("bob", "two"), None, Some("key"));
        assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
        let mut named = draft("bob", "one");
        named.id = Some(id(77));
        let (token, effects) = rig.send_as(named, None, Some("key"));
        assert_eq!(refused(answer(&effects, token)), ErrorCode::IdempotencyConflict);
        rig.restart();
    }
}

#[test]
fn a_foreign_sender_is_refused() {
    let mut rig = Rig::up("alice", 1);
    let mut forged = draft("bob", "one");
    forged.from_agent = Some(super::rig::agent("mallory"));
    let (token, effects) = rig.send(forged, None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::SenderMismatch);
    assert!(rig.spool.records.is_empty());
}

#[test]
fn what_is_too_large_as_json_never_reaches_the_spool() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", &"\u{1}".repeat(256 * 1024)), None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::TooLarge);
    assert!(rig.spool.records.is_empty());
}

#[test]
fn a_publish_without_an_answer_leaves_again_under_its_own_id() {
    let mut rig = Rig::up("alice", 1);
    let (_, effects) = rig.send(draft("bob", "one"), None);
    let first = published(&effects)[0].clone();
    let outcome = PublishOutcome::Retry;
    let effects = rig.step(Event::Published {
        id: first.id,
        outcome,
    });
    assert!(published(&effects).is_empty(), "not at once");
    assert_eq!(published(&rig.pass(200)), std::slice::from_ref(&first));
    rig.step(Event::BusDown);
    assert_eq!(published(&rig.connect()), [first]);
}

#[test]
fn after_a_restart_the_unstored_leave_in_their_order_with_their_bytes() {
    let mut rig = Rig::new("alice", 1);
    for n in 0..5 {
        rig.send(draft("bob", &format!("{n}")), None);
    }
    rig.restart();
    let effects = rig.connect();
    let contents: Vec<String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Publish {
                body: Body::At(at), ..
            } => {
                let message: serde_json::Value = serde_json::from_slice(&rig.spool.body(*at)).unwrap();
                Some(message["content"].as_str().unwrap().to_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(contents, ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_refusal_for_good_is_told_and_never_tried_again() {
    let mut rig = Rig::up("alice", 1);
    let mut once = draft("bob", "one");
    once.id = Some(id(1));
    let (token, _) = rig.send(once.clone(), Some(Level::Stored));
    let why = "permission denied".to_owned();
    let outcome = PublishOutcome::Refused { why };
    let effects = rig.step(Event::Published {
        id: id(1),
        outcome: outcome.clone(),
    });
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Forbidden);
    let [report] = &published_as(&effects, OutKind::Report)[..] else {
        panic!("{effects:?}")
    };
    let effects = rig.step(Event::Published {
        id: report.id,
        outcome,
    });
    assert!(published(&effects).is_empty(), "a refused report is not reported");
    let (token, effects) = rig.send(once, None);
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Forbidden);
    rig.restart();
    assert!(published(&rig.connect()).is_empty());
}

#[test]
fn a_stored_ack_that_the_disk_cannot_take_still_counts() {
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.send(draft("bob", "one"), Some(Level::Stored));
    let first = published(&effects)[0].id;
    rig.spool.full = true;
    assert_eq!(sent_level(answer(&rig.stored(first, 1), token)), Level::Stored);
    assert_eq!(rig.sidecar.ledger().unstored_depth().0, 0);
    rig.spool.full = false;
    rig.restart();
    assert_eq!(
        published(&rig.connect())[0].id,
        first,
        "published once more, as the disk does not know"
    );
}

#[test]
fn an_ack_not_above_the_highest_means_that_the_stream_lost_its_tail() {
    let mut rig = Rig::up("alice", 1);
    let mut ids = Vec::new();
    for n in 1..=3 {
        let (_, effects) = rig.send(draft("bob", &format!("{n}")), None);
        ids.push(published(&effects)[0].id);
        rig.stored(ids[n - 1], n as u64);
    }
    let (_, effects) = rig.send(draft("bob", "after the loss"), None);
    let fourth = published(&effects)[0].id;
    let again: Vec<_> = published(&rig.stored(fourth, 2))
        .iter()
        .map(|out| out.id)
        .collect();
    assert_eq!(again, [ids[0], ids[1], ids[2], fourth]);
}

#[test]
fn after_each_reconnect_the_newest_unreceipted_message_probes_the_stream() {
    let mut rig = Rig::up("alice", 1);
    let mut ids = Vec::new();
    for n in 1..=2 {
        let (_, effects) = rig.send(draft("bob", &format!("{n}")), None);
        ids.push(published(&effects)[0].id);
        rig.stored(ids[n - 1], n as u64);
    }
    rig.step(Event::BusDown);
    let probes = published(&rig.connect());
    assert_eq!(probes.len(), 1);
    assert_eq!(probes[0].id, ids[1]);
    let known = PublishOutcome::Stored {
        seq: 2,
        duplicate: true,
    };
    let effects = rig.step(Event::Published {
        id: ids[1],
        outcome: known,
    });
    assert!(published(&effects).is_empty(), "the stream knows it");

    rig.step(Event::BusDown);
    assert_eq!(published(&rig.connect()).len(), 1);
    let again = published(&rig.stored(ids[1], 3));
    assert_eq!(again.len(), 2, "the stream did not know it: {again:?}");
}

#[test]
fn a_stream_made_anew_while_nobody_looked_is_found_by_its_low_sequence() {
    let mut rig = Rig::up("alice", 1);
    let (_, effects) = rig.send(draft("bob", "one"), None);
    let first = published(&effects)[0].id;
    rig.stored(first, 500);
    rig.step(Event::BusDown);
    rig.restart();
    rig.pass(3_600_000);
    assert_eq!(published(&rig.connect()).len(), 1);
    let again = published(&rig.stored(first, 1));
    assert_eq!(
        again.len(),
        1,
        "an hour is far beyond the duplicate window, but 1 is below 500"
    );
}

#[test]
fn an_urgent_message_leaves_before_a_backlog() {
    let mut rig = Rig::new("alice", 1);
    for _ in 0..3 {
        let mut low = draft("bob", "low");
        low.priority = Priority::Low;
        rig.send(low, None);
    }
    let mut urgent = draft("bob", "urgent");
    urgent.priority = Priority::Urgent;
    rig.send(urgent, None);
    let lanes: Vec<_> = published(&rig.connect()).iter().map(|out| out.priority).collect();
    assert_eq!(
        lanes,
        [Priority::Urgent, Priority::Low, Priority::Low, Priority::Low]
    );
}

#[test]
fn a_sync_that_nobody_waits_for_changes_nothing() {
    let mut rig = Rig::up("alice", 1);
    assert!(rig.step(Event::Synced { position: 10 }).is_empty());
    assert!(rig.step(Event::Synced { position: 3 }).is_empty());
    rig.spool.records.extend(std::iter::repeat_n(
        (
            Record::Seen {
                key: super::rig::key("x", 1),
            },
            bytes::Bytes::new(),
        ),
        20,
    ));
    let (token, _) = rig.send(draft("bob", "one"), None);
    assert_eq!(answer(&rig.step(Event::Synced { position: 12 }), token), None);
    assert!(answer(&rig.step(Event::Synced { position: 21 }), token).is_some());
}

#[test]
fn an_id_that_the_stream_knew_before_the_first_attempt_is_an_alarm() {
    let alarms = |effects: &[Effect]| {
        let warned =
            |effect: &&Effect| matches!(effect, Effect::Warn { what, .. } if what.contains("first attempt"));
        effects.iter().filter(warned).count()
    };
    let known = |seq| PublishOutcome::Stored { seq, duplicate: true };
    let mut rig = Rig::up("alice", 1);
    let (_, effects) = rig.send(draft("bob", "one"), None);
    let id = published(&effects)[0].id;
    let effects = rig.step(Event::Published {
        id,
        outcome: known(9),
    });
    assert_eq!(alarms(&effects), 1);
    let (_, effects) = rig.send(draft("bob", "two"), None);
    let id = published(&effects)[0].id;
    rig.step(Event::Published {
        id,
        outcome: PublishOutcome::Retry,
    });
    rig.pass(10_000);
    let effects = rig.step(Event::Published {
        id,
        outcome: known(10),
    });
    assert_eq!(alarms(&effects), 0, "its first attempt may have been stored");
}
