//! Dead letters: when, once, told to whom, and acked only when stored.

use wagglebus_schemas::Priority;
use wagglebus_schemas::limits::HAND_OVERS_MAX;

use super::effects::{handed, published, published_as, settlements};
use super::rig::{Rig, again, id, key, message, message_with};
use crate::effect::{Body, Effect, Settlement};
use crate::event::{Event, FetchOutcome, Fetched, PublishOutcome};
use crate::record::{OutKind, Outcome};

const LOW: Priority = Priority::Low;

/// The reason and the bytes of each dead letter that was published.
fn letters(effects: &[Effect]) -> Vec<(String, serde_json::Value)> {
    let letters = effects.iter().filter_map(|effect| match effect {
        Effect::Publish {
            out,
            body: Body::Bytes(body),
        } if out.kind == OutKind::DeadLetter => {
            let reason = out.subject.split('.').nth(2).unwrap().to_owned();
            Some((reason, serde_json::from_slice(body).unwrap()))
        }
        _ => None,
    });
    letters.collect()
}

fn fetch(rig: &mut Rig, fetched: Fetched) -> Vec<Effect> {
    rig.announce(super::rig::lane_of(&fetched));
    rig.got(fetched)
}

fn ready() -> Rig {
    let mut rig = Rig::up("bob", 1);
    rig.open(1, false, 1);
    rig
}

#[test]
fn after_five_hand_overs_a_message_is_dead_and_acked_only_when_its_letter_is_stored() {
    let mut rig = Rig::up("bob", 1);
    let mut fetched = message("alice", "bob", LOW, 5);
    for n in 1..=HAND_OVERS_MAX {
        let item = rig.take_one(fetched.clone());
        assert_eq!(item.delivery, n);
        rig.nak(id(5), &item.lease, 0);
        if n < HAND_OVERS_MAX {
            rig.settled(&fetched.ack, Settlement::Nak { delay_ms: 0 });
            fetched = again(&fetched);
        }
    }
    let effects = rig.effects.clone();
    let letters = letters(&effects);
    assert_eq!(letters[0].0, "max_deliver");
    assert_eq!(letters[0].1["delivery"], 5);
    let subjects: Vec<_> = published(&effects)
        .iter()
        .map(|out| out.subject.clone())
        .collect();
    assert_eq!(
        subjects,
        [
            "wb.dlq.max_deliver.bob",
            "wb.receipt.alice.dead.bob",
            "wb.msg.alice.normal.bob"
        ]
    );
    assert!(settlements(&effects).is_empty());
    let letter = published_as(&effects, OutKind::DeadLetter)[0].id;
    assert_eq!(
        settlements(&rig.stored(letter, 1)),
        [(fetched.ack, Settlement::Ack)]
    );
}

#[test]
fn crashes_count_as_hand_overs() {
    let mut rig = ready();
    let mut fetched = message("alice", "bob", LOW, 5);
    for n in 1..=HAND_OVERS_MAX {
        assert_eq!(handed(&fetch(&mut rig, fetched.clone()))[0].delivery, n);
        rig.restart();
        rig.open(u64::from(n) + 1, false, 1);
        let effects = rig.connect();
        assert!(settlements(&effects).contains(&(fetched.ack.clone(), Settlement::Nak { delay_ms: 0 })));
        rig.settled(&fetched.ack, Settlement::Nak { delay_ms: 0 });
        rig.step(Event::LaneFetched {
            lane: LOW,
            outcome: FetchOutcome::Empty,
        });
        fetched = again(&fetched);
    }
    let effects = fetch(&mut rig, fetched);
    assert!(handed(&effects).is_empty());
    assert_eq!(letters(&effects)[0].0, "max_deliver");
}

#[test]
fn what_cannot_be_read_or_contradicts_its_envelope_is_dead_and_its_sender_is_told() {
    let change = |change: fn(&mut Fetched)| {
        let mut fetched = message("alice", "bob", LOW, 5);
        change(&mut fetched);
        fetched
    };
    let cases = [
        (
            change(|f| f.payload = bytes::Bytes::from_static(b"{")),
            "undecodable",
            3,
        ),
        (change(|f| f.msg_id = None), "refused", 1),
        (change(|f| f.msg_id = Some("no uuid".into())), "refused", 1),
        (
            change(|f| f.subject = "wb.msg.bob.low.mallory".into()),
            "refused",
            3,
        ),
        (
            change(|f| f.subject = "wb.msg.bob.high.alice".into()),
            "refused",
            3,
        ),
    ];
    for (fetched, reason, records) in cases {
        let mut rig = ready();
        rig.announce(LOW);
        let effects = rig.step(Event::LaneFetched {
            lane: LOW,
            outcome: FetchOutcome::Got(Box::new(fetched.clone())),
        });
        let filed = letters(&effects);
        assert_eq!(filed[0].0, reason, "{fetched:?}");
        assert!(
            filed[0].1["body_base64"].is_string(),
            "the original bytes are kept"
        );
        assert_eq!(published(&effects).len(), records, "{fetched:?}");
        assert!(settlements(&effects).is_empty() && handed(&effects).is_empty());
    }
}

#[test]
fn a_dead_message_that_comes_again_is_not_buried_twice() {
    for named in [true, false] {
        let mut rig = ready();
        let mut fetched = message("alice", "bob", LOW, 5);
        fetched.payload = bytes::Bytes::from_static(b"{");
        if !named {
            fetched.msg_id = None;
        }
        let letter = published_as(&fetch(&mut rig, fetched.clone()), OutKind::DeadLetter)[0].id;
        let effects = fetch(&mut rig, again(&fetched));
        assert!(letters(&effects).is_empty() && settlements(&effects).is_empty());
        rig.stored(letter, 1);
        let effects = fetch(&mut rig, again(&again(&fetched)));
        if named {
            assert_eq!(settlements(&effects), [("ack.5.3".into(), Settlement::Ack)]);
        } else {
            assert_eq!(letters(&effects).len(), 1, "nothing tells it from another");
        }
    }
}

#[test]
fn a_message_is_not_handed_over_after_its_time() {
    let mut rig = ready();
    let at = super::rig::now(rig.now_ms).wall.to_string();
    let expires = move |message: &mut wagglebus_schemas::Message| {
        message.metadata.insert("expires_at".into(), at.clone().into());
    };
    let effects = fetch(&mut rig, message_with("alice", "bob", LOW, 5, expires));
    assert!(handed(&effects).is_empty());
    assert_eq!(letters(&effects)[0].0, "expired");
    assert_eq!(rig.deliveries(&key("alice", 5)), 0);
    let ended = rig.sidecar.ledger().received(&key("alice", 5)).unwrap().ended;
    assert_eq!(ended.unwrap().0, Outcome::Dead);
}

#[test]
fn the_death_of_a_notice_is_not_announced() {
    let mut rig = ready();
    let notice = |message: &mut wagglebus_schemas::Message| {
        message.metadata.insert("kind".into(), "undeliverable".into());
        message
            .metadata
            .insert("expires_at".into(), "2020-01-01T00:00:00.000Z".into());
    };
    let effects = fetch(&mut rig, message_with("alice", "bob", LOW, 5, notice));
    let kinds: Vec<_> = published(&effects).iter().map(|out| out.kind).collect();
    assert_eq!(kinds, [OutKind::DeadLetter]);
}

#[test]
fn a_dead_letter_that_the_server_refuses_for_good_is_logged_and_its_message_let_go() {
    let mut rig = ready();
    let mut fetched = message("alice", "bob", LOW, 5);
    fetched.payload = bytes::Bytes::from_static(b"{");
    let letter = published_as(&fetch(&mut rig, fetched), OutKind::DeadLetter)[0].id;
    let outcome = PublishOutcome::Refused {
        why: "no rights".into(),
    };
    let effects = rig.step(Event::Published { id: letter, outcome });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Warn { .. })));
    assert_eq!(settlements(&effects), [("ack.5.1".into(), Settlement::Ack)]);
}

#[test]
fn a_message_expires_by_the_clock_of_the_server() {
    for (ahead_ms, lives) in [(-60_000, true), (0, false), (60_000, false)] {
        let mut rig = ready();
        let wall = super::rig::now(rig.now_ms).wall;
        let mut state = super::rig::lane_state();
        state.server_time = wagglebus_schemas::Timestamp::from_unix_ms(wall.unix_ms() + ahead_ms).ok();
        rig.step(Event::LaneChecked {
            lane: LOW,
            state: Some(state),
        });
        let expires = move |message: &mut wagglebus_schemas::Message| {
            message
                .metadata
                .insert("expires_at".into(), wall.to_string().into());
        };
        let effects = fetch(&mut rig, message_with("alice", "bob", LOW, 5, expires));
        assert_eq!(!handed(&effects).is_empty(), lives, "{ahead_ms}");
    }
}
