//! Notices about tasks: what is learned of them, and which are not handed over.

use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::{Command, Priority};

use super::commands::about;
use super::effects::{answer, published_as, settlements};
use super::rig::{Rig, again, id, message_with};
use crate::effect::{Answer, Body, Effect, Settlement};
use crate::event::{Event, FetchOutcome, Fetched};
use crate::record::{Key, OutKind};

/// Notice `n` to alice about task 1.
fn notice(n: u64, kind: &str, epoch: u64, lane: Priority) -> Fetched {
    message_with("coordinator", "alice", lane, n, |message| {
        let task = id(1).to_string();
        message.metadata.insert("kind".into(), kind.into());
        message.metadata.insert("task_id".into(), task.into());
        message.metadata.insert("epoch".into(), epoch.into());
    })
}

/// The notice is fetched for somebody who waits.
fn fetch(rig: &mut Rig, fetched: Fetched) -> Vec<Effect> {
    let lane = super::rig::lane_of(&fetched);
    let (token, _) = rig.take(1, 60_000);
    rig.announce(lane);
    let outcome = FetchOutcome::Got(Box::new(fetched));
    let effects = rig.step(Event::LaneFetched { lane, outcome });
    assert_eq!(answer(&effects, token), None);
    let effects = rig.answer_empty(effects);
    rig.step(Event::Gone { token });
    effects
}

fn epoch_of(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Publish {
            out,
            body: Body::Bytes(bytes),
        } if out.kind == OutKind::Command => serde_json::from_slice::<Command>(bytes).unwrap().epoch,
        _ => None,
    })
}

#[test]
fn an_assignment_is_shown_as_a_notice_and_names_the_epoch() {
    let mut rig = Rig::up("alice", 1);
    let handed = rig.take_one(notice(1, "task.assigned", 3, Priority::High));
    assert!(handed.notice);
    rig.restart();
    rig.connect();
    let (_, effects) = rig.task_verb(TaskVerb::Accept, about(1, |_| {}));
    assert_eq!(epoch_of(&effects), Some(3));
    let accepted = published_as(&effects, OutKind::Command);
    assert_eq!(accepted[0].subject, "wb.task.accept.high.alice");
}

#[test]
fn anybodys_message_may_look_like_a_notice() {
    let mut rig = Rig::up("alice", 1);
    let mut forged = notice(1, "task.assigned", 3, Priority::High);
    let text = String::from_utf8(forged.payload.to_vec()).unwrap();
    forged.payload = text.replace("\"coordinator\"", "\"mallory\"").into();
    forged.subject = "wb.msg.alice.high.mallory".into();
    assert!(!rig.take_one(forged).notice);
    assert_eq!(rig.sidecar.ledger().task(&id(1)), None);
}

#[test]
fn an_assignment_that_was_taken_back_ends_without_a_hand_over() {
    let mut rig = Rig::up("alice", 1);
    let released = rig.take_one(notice(1, "task.released", 3, Priority::Urgent));
    assert!(released.notice);
    rig.ack(id(1), &released.lease);
    for (n, epoch) in [(2, 3), (3, 2)] {
        let assigned = notice(n, "task.assigned", epoch, Priority::High);
        let effects = fetch(&mut rig, assigned.clone());
        let receipts = published_as(&effects, OutKind::Receipt);
        assert_eq!(receipts[0].subject, "wb.receipt.coordinator.dead.alice");
        assert!(published_as(&effects, OutKind::DeadLetter).is_empty());
        let told = effects.iter().find_map(|effect| match effect {
            Effect::Publish {
                body: Body::Bytes(bytes),
                ..
            } => Some(serde_json::from_slice::<Receipt>(bytes).unwrap()),
            _ => None,
        });
        let told = told.unwrap();
        assert_eq!((told.message_id, told.level), (id(n), ReceiptLevel::Dead));
        assert_eq!(told.reason, Some(ReceiptReason::Dead(DeadReason::Superseded)));
        let acks = settlements(&rig.stored(receipts[0].id, 10 + n));
        assert_eq!(
            acks,
            [(assigned.ack.clone(), Settlement::Ack)],
            "acked once it is told"
        );
        let key = Key {
            from: "coordinator".parse().unwrap(),
            id: id(n),
        };
        assert_eq!(rig.deliveries(&key), 0);
        let effects = fetch(&mut rig, again(&assigned));
        assert!(published_as(&effects, OutKind::Receipt).is_empty(), "told once");
    }
    let handed = rig.take_one(notice(4, "task.assigned", 4, Priority::High));
    assert_eq!(handed.delivery, 1, "a later assignment counts");
}

#[test]
fn what_is_in_hand_stays_there_when_it_is_taken_back() {
    let mut rig = Rig::up("alice", 2);
    let assigned = notice(2, "task.assigned", 3, Priority::High);
    let handed = rig.take_one(assigned);
    let released = rig.take_one(notice(3, "task.released", 3, Priority::Urgent));
    assert!(matches!(rig.ack(id(3), &released.lease), Answer::Acked(_)));
    assert!(matches!(rig.ack(id(2), &handed.lease), Answer::Acked(_)));
}
