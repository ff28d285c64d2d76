//! The sentences, one line for each situation.

use wagglebus_schemas::Id;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::receipt::LevelAt;

use super::*;
use crate::ledger::GivenBack;
use crate::record::{HandOver, Key};

const SENT_MS: i64 = 1_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(SENT_MS + ms).unwrap()
}

fn receipt(levels: &[(ReceiptLevel, i64)], reason: Option<ReceiptReason>) -> Receipt {
    let (level, last) = *levels.last().unwrap();
    Receipt {
        id: Id::from_bytes([2; 16]),
        message_id: Id::from_bytes([1; 16]),
        sender: "alice".parse().unwrap(),
        agent: "bob".parse().unwrap(),
        level,
        levels: levels
            .iter()
            .map(|(level, ms)| LevelAt {
                level: *level,
                at: at(*ms),
            })
            .collect(),
        bridge: Some(Bridge::Http),
        proof: Proof::Ack,
        delivery: Some(5),
        epoch: Some(7),
        at: at(last),
        reason,
        since: None,
        next_attempt: None,
        result: None,
        error: None,
    }
}

fn say(to: &str, level: Level, receipts: &[Receipt], now_ms: i64) -> String {
    let message = Sent {
        to: &to.parse().unwrap(),
        at: at(0),
        level,
        closed: None,
        bus_up: true,
        receipts,
        only_told_of: false,
    };
    sent(&message, at(now_ms))
}

#[test]
fn each_level_says_what_is_missing() {
    use ReceiptLevel::{Dead, Done, Fetched, Held, Injected, Seen};
    let held = |reason, ms| receipt(&[(Held, ms)], Some(ReceiptReason::Held(reason)));
    let dead = |reason| receipt(&[(Dead, 9)], Some(ReceiptReason::Dead(reason)));
    let injected = receipt(&[(Fetched, 3), (Injected, 5)], None);
    let seen = receipt(&[(Seen, 2_000)], None);
    let cases: &[(&str, Level, &[Receipt], i64, &str)] = &[
        (
            "bob",
            Level::Accepted,
            &[],
            90_000,
            "not stored: accepted 1 min ago, and the server has not acknowledged it yet",
        ),
        (
            "bob",
            Level::Stored,
            &[],
            10,
            "not seen: queued at bob: stored, and its sidecar has not fetched it yet",
        ),
        (
            "room:dev",
            Level::Stored,
            &[],
            10,
            "not seen: queued for room dev: stored, and no member has fetched it yet",
        ),
        (
            "bob",
            Level::Stored,
            &[held(HoldReason::DialogOpen, 1_000)],
            241_000,
            "not seen: dialog_open at bob for 4 min",
        ),
        (
            "bob",
            Level::Fetched,
            &[receipt(&[(Fetched, 3)], None)],
            1_503,
            "not seen: bob's sidecar fetched it 1.5 s ago and has not handed it over",
        ),
        (
            "bob",
            Level::Injected,
            std::slice::from_ref(&injected),
            3_005,
            "not seen: handed to bob through http 3.0 s ago, and no sign of its own since",
        ),
        (
            "bob",
            Level::Seen,
            &[injected.clone(), seen.clone()],
            2_040,
            "not done: bob took note of it 40 ms ago and has not finished",
        ),
        (
            "bob",
            Level::Done,
            &[injected.clone(), seen, receipt(&[(Done, 1_240)], None)],
            9_000_000,
            "done by bob 1.2 s after it was sent",
        ),
        (
            "bob",
            Level::Done,
            &[receipt(
                &[(Fetched, -9), (Injected, -8), (Seen, -7), (Done, -6)],
                None,
            )],
            0,
            "done by bob",
        ),
        (
            "bob",
            Level::Injected,
            &[injected.clone(), dead(DeadReason::MaxDeliver)],
            0,
            "dead: max_deliver at bob (no success in 5 hand-overs)",
        ),
        (
            "bob",
            Level::Stored,
            &[dead(DeadReason::Expired)],
            0,
            "dead: expired at bob (its time was over before it could be delivered)",
        ),
    ];
    for (to, level, receipts, now_ms, expected) in cases {
        assert_eq!(say(to, *level, receipts, *now_ms), *expected);
    }
}

#[test]
fn a_hold_is_over_once_a_later_receipt_says_more() {
    let held = receipt(
        &[(ReceiptLevel::Held, 1)],
        Some(ReceiptReason::Held(HoldReason::Busy)),
    );
    let injected = receipt(&[(ReceiptLevel::Fetched, 2), (ReceiptLevel::Injected, 2)], None);
    let text = say("bob", Level::Injected, &[held, injected], 3);
    assert!(text.starts_with("not seen: handed to bob"), "{text}");
}

#[test]
fn a_message_is_held_since_it_is_there_at_most() {
    let held = |since_ms| Receipt {
        since: Some(at(since_ms)),
        ..receipt(
            &[(ReceiptLevel::Held, 1_000)],
            Some(ReceiptReason::Held(HoldReason::Busy)),
        )
    };
    // The agent was busy for an hour before it came.
    let said = |since_ms| say("bob", Level::Stored, &[held(since_ms)], 5_000);
    assert_eq!(said(-3_600_000), "not seen: busy at bob for 5.0 s");
    assert_eq!(said(2_000), "not seen: busy at bob for 3.0 s");
}

#[test]
fn what_an_agent_was_only_told_of_is_its_to_take() {
    let to = "bob".parse().unwrap();
    let message = Sent {
        to: &to,
        at: at(0),
        level: Level::Stored,
        closed: None,
        bus_up: true,
        receipts: &[],
        only_told_of: true,
    };
    assert_eq!(
        sent(&message, at(10)),
        "not seen: queued at bob: it was told in its pane that mail waits, and has not taken this yet"
    );
}

#[test]
fn steps_tell_what_no_receipt_does() {
    let stored = OutEntry {
        stored_at: Some(at(3)),
        ..OutEntry::default()
    };
    assert_eq!(sent_steps(&stored), [step(TraceStepKind::Stored, at(3))]);
    assert_eq!(sent_steps(&OutEntry::default()), []);
    let mut entry = InEntry {
        head: Some(HandOver {
            key: Key {
                from: "alice".parse().unwrap(),
                id: Id::from_bytes([1; 16]),
            },
            priority: Default::default(),
            stream_seq: 4,
            ack: "ack".to_owned(),
            delivery: 2,
            at: at(20),
            bodiless: false,
        }),
        ended: Some((Outcome::Done, at(20))),
        ..InEntry::default()
    };
    let back = GivenBack {
        at: at(9),
        why: Some("not now".into()),
    };
    entry.given_back.insert(1, back);
    let told: Vec<_> = received_steps(&entry)
        .into_iter()
        .map(|step| (step.step.as_str(), step.delivery, step.reason))
        .collect();
    let expected = [
        ("given_back", Some(1), Some("not now".to_owned())),
        ("handed_over", Some(2), None),
        ("done", None, None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_unstored_message_says_whose_fault_it_is() {
    let to = "bob".parse().unwrap();
    let message = Sent {
        to: &to,
        at: at(0),
        level: Level::Accepted,
        closed: None,
        bus_up: false,
        receipts: &[],
        only_told_of: false,
    };
    assert_eq!(
        sent(&message, at(12_000)),
        "not stored: NATS is not reachable; accepted 12.0 s ago and kept until it is"
    );
    let refused = Sent {
        closed: Some(Closed::Refused),
        ..message
    };
    assert_eq!(
        sent(&refused, at(12_000)),
        "not stored: the server refuses it for good"
    );
}

#[test]
fn the_recipients_side_is_told_from_its_own_ledger() {
    let me: AgentId = "bob".parse().unwrap();
    let key = Key {
        from: "alice".parse().unwrap(),
        id: Id::from_bytes([1; 16]),
    };
    let head = HandOver {
        key,
        priority: Default::default(),
        stream_seq: 4,
        ack: "ack".to_owned(),
        delivery: 2,
        at: at(0),
        bodiless: false,
    };
    let held = InEntry {
        head: Some(head),
        ..InEntry::default()
    };
    let say = |entry: InEntry| received(&me, &entry, at(2_000));
    assert_eq!(
        say(held.clone()),
        (
            Level::Injected,
            "not seen: handed to bob 2.0 s ago, and no ack since".into()
        )
    );
    let seen = InEntry {
        seen: true,
        ..held.clone()
    };
    assert_eq!(say(seen).0, Level::Seen);
    let returned = InEntry {
        returned: 2,
        ..held.clone()
    };
    assert_eq!(
        say(returned),
        (
            Level::Stored,
            "not seen: given back after 2 hand-overs, and comes to bob again".into()
        )
    );
    let done = InEntry {
        ended: Some((Outcome::Done, at(500))),
        ..held.clone()
    };
    assert_eq!(say(done), (Level::Done, "done by bob 1.5 s ago".into()));
    let dead = InEntry {
        ended: Some((Outcome::Dead, at(500))),
        ..held
    };
    assert_eq!(
        say(dead),
        (
            Level::Injected,
            "dead: filed as a dead letter 1.5 s ago, after 2 hand-overs".into()
        )
    );
}

#[test]
fn a_line_on_standard_input_is_all_that_some_programs_ever_prove() {
    let written = Receipt {
        bridge: Some(Bridge::Stdio),
        proof: Proof::Write,
        delivery: Some(1),
        ..receipt(&[(ReceiptLevel::Injected, 5)], None)
    };
    let sentence = say("bob", Level::Injected, std::slice::from_ref(&written), 1_005);
    assert_eq!(
        sentence,
        "delivered: handed to bob through stdio 1.0 s ago; more follows only if its sidecar runs with --ack explicit, \
         when the program acknowledges it"
    );
    let again = Receipt {
        delivery: Some(3),
        ..written
    };
    assert_eq!(
        say("bob", Level::Injected, &[again], 1_005),
        "not acknowledged: handed to bob through stdio 3 times, the last time 1.0 s ago"
    );
}
