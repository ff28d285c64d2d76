//! A terminal pane: what its screen allows decides what is fetched, and what holds it is told.

use wagglebus_schemas::Priority;
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::receipt::{HandOverRemark, Receipt, ReceiptReason};
use wagglebus_schemas::state::SessionState;

use super::effects::fetching;
use super::rig::{Rig, agent, key, message, message_with, now};
use crate::effect::{Body, Effect, Settlement};
use crate::event::{Event, FetchOutcome, Inject, PaneKind, PaneNews, ReaderId, ReaderKind, Standing};
use crate::inbox::Appetite;
use crate::inbox::pane::Mail;
use crate::record::{Key, OutKind};
use crate::terminal::frame::Form;

const PANE: ReaderId = ReaderId(1);

const IDLE: Standing = Standing {
    appetite: Appetite::Any,
    state: SessionState::Idle,
    hold: None,
};
const BUSY: Standing = Standing {
    appetite: Appetite::UrgentOnly,
    state: SessionState::Busy,
    hold: Some(HoldReason::Busy),
};
const DIALOG: Standing = Standing {
    appetite: Appetite::None,
    state: SessionState::BlockedOnHuman,
    hold: Some(HoldReason::DialogOpen),
};

fn attached(inject: Inject) -> Rig {
    let mut rig = Rig::up("bob", 1);
    open(&mut rig, inject);
    rig
}

fn open(rig: &mut Rig, inject: Inject) {
    let kind = ReaderKind {
        bridge: Bridge::TmuxBody,
        slots: 1,
        auto: true,
        lease_ms: None,
        pane: Some(PaneKind {
            inject,
            form: Form::Block,
        }),
    };
    rig.step(Event::ReaderOpened { reader: PANE, kind });
}

fn told(rig: &mut Rig, news: PaneNews) -> Vec<Effect> {
    rig.step(Event::Pane { reader: PANE, news })
}

fn seen(rig: &mut Rig, standing: Standing) -> Vec<Effect> {
    told(rig, PaneNews::Seen(standing))
}

fn looks(effects: &[Effect]) -> bool {
    effects.contains(&Effect::Look { reader: PANE })
}

fn nudge(effects: &[Effect]) -> Option<Mail> {
    effects.iter().find_map(|effect| match effect {
        Effect::Nudge { nudge, .. } => Some(nudge.mail),
        _ => None,
    })
}

fn handed(effects: &[Effect]) -> Option<Key> {
    effects.iter().find_map(|effect| match effect {
        Effect::HandOver {
            reader: PANE, key, ..
        } => Some(key.clone()),
        _ => None,
    })
}

fn receipts(effects: &[Effect]) -> Vec<Receipt> {
    let publishes = effects.iter().filter_map(|effect| match effect {
        Effect::Publish {
            out,
            body: Body::Bytes(body),
        } if out.kind == OutKind::Receipt => Some(serde_json::from_slice(body).unwrap()),
        _ => None,
    });
    publishes.collect()
}

/// Announces message `n`, which the pane may take, and fetches it.
fn fetched(rig: &mut Rig, lane: Priority, n: u64) -> Key {
    let effects = rig.step(Event::Woken {
        lane,
        stream_seq: Some(n),
    });
    assert!(looks(&effects), "{effects:?}");
    let effects = seen(rig, IDLE);
    assert_eq!(fetching(&effects), Some(lane), "{effects:?}");
    let effects = rig.got(message("alice", "bob", lane, n));
    let key = key("alice", n);
    assert_eq!(handed(&effects), Some(key.clone()), "{effects:?}");
    key
}

#[test]
fn nothing_is_fetched_before_a_look_and_the_end_is_proven_by_the_pane() {
    let mut rig = attached(Inject::Body);
    let key = fetched(&mut rig, Priority::Normal, 1);
    let effects = rig.step(Event::Injected { reader: PANE, key });
    let [receipt] = receipts(&effects).try_into().unwrap();
    assert_eq!(
        (receipt.level, receipt.bridge, receipt.proof),
        (ReceiptLevel::Injected, Some(Bridge::TmuxBody), Proof::Pane)
    );
    let effects = rig.stored(receipt.id, 9);
    assert!(effects.contains(&Effect::Settle {
        ack: "ack.1.1".into(),
        settlement: Settlement::Ack
    }));
}

#[test]
fn a_busy_pane_takes_urgent_only_and_a_dialog_nothing() {
    let mut rig = attached(Inject::Body);
    rig.pass(1_000);
    assert!(looks(&rig.announce(Priority::Normal)));
    let effects = seen(&mut rig, BUSY);
    assert_eq!(
        fetching(&effects),
        None,
        "busy: it is not fetched, and so not given back"
    );
    assert!(effects.contains(&Effect::Heartbeat), "the hold is told at once");
    let view = rig.sidecar.view(now(rig.now_ms));
    assert_eq!(
        (view.state, view.hold.unwrap().reason),
        (SessionState::Busy, HoldReason::Busy)
    );
    let effects = rig.announce(Priority::Urgent);
    assert_eq!(fetching(&effects), Some(Priority::Urgent));
    let effects = rig.step(Event::LaneFetched {
        lane: Priority::Urgent,
        outcome: FetchOutcome::Empty,
    });
    assert_eq!(fetching(&effects), None);
    seen(&mut rig, DIALOG);
    let effects = rig.announce(Priority::Urgent);
    assert_eq!(fetching(&effects), None);
    assert_eq!(
        rig.sidecar.view(now(rig.now_ms)).hold.unwrap().reason,
        HoldReason::DialogOpen
    );
    let effects = seen(&mut rig, IDLE);
    assert_eq!(fetching(&effects), Some(Priority::Urgent));
    assert_eq!(rig.sidecar.view(now(rig.now_ms)).hold, None);
}

#[test]
fn a_look_counts_for_a_moment_and_is_asked_for_again_while_mail_waits() {
    let mut rig = attached(Inject::Body);
    seen(&mut rig, IDLE);
    rig.pass(5_000);
    let effects = rig.announce(Priority::Low);
    assert!(looks(&effects) && fetching(&effects).is_none());
    assert!(!looks(&rig.pass(5_000)), "the bridge goes on looking by itself");
    assert!(looks(&rig.pass(6_000)));
    seen(&mut rig, DIALOG);
    assert!(looks(&rig.pass(11_000)));
}

#[test]
fn what_is_held_is_told_once_per_hold_and_never_given_back() {
    let mut rig = attached(Inject::Body);
    let key = fetched(&mut rig, Priority::Normal, 1);
    let holds = |reason| PaneNews::Holds {
        key: key.clone(),
        reason,
    };
    let effects = told(&mut rig, holds(Some(HoldReason::DialogOpen)));
    let [receipt] = receipts(&effects).try_into().unwrap();
    assert_eq!(receipt.level, ReceiptLevel::Held);
    assert_eq!(receipt.reason, Some(ReceiptReason::Held(HoldReason::DialogOpen)));
    assert!(receipt.since.is_some());
    assert!(receipts(&told(&mut rig, holds(Some(HoldReason::DialogOpen)))).is_empty());
    assert_eq!(
        rig.sidecar.view(now(rig.now_ms)).hold.unwrap().reason,
        HoldReason::DialogOpen
    );
    assert_eq!(
        receipts(&told(&mut rig, holds(Some(HoldReason::HumanTyping)))).len(),
        1
    );
    assert!(receipts(&told(&mut rig, holds(None))).is_empty());
    assert_eq!(
        receipts(&told(&mut rig, holds(Some(HoldReason::HumanTyping)))).len(),
        1,
        "a new hold"
    );
    let effects = rig.pass(60_000);
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settle { settlement, .. } => Some(*settlement),
        _ => None,
    });
    assert!(
        settled
            .into_iter()
            .all(|settlement| settlement == Settlement::Progress)
    );
}

#[test]
fn an_urgent_passes_one_that_is_held() {
    let mut rig = attached(Inject::Body);
    fetched(&mut rig, Priority::Normal, 1);
    rig.announce(Priority::Urgent);
    let effects = seen(&mut rig, BUSY);
    assert_eq!(fetching(&effects), Some(Priority::Urgent));
    let effects = rig.got(message("alice", "bob", Priority::Urgent, 2));
    assert_eq!(handed(&effects), Some(key("alice", 2)));
}

#[test]
fn what_was_not_touched_comes_again_without_end() {
    let mut rig = attached(Inject::Body);
    let mut fetched_message = message("alice", "bob", Priority::Normal, 1);
    rig.announce(Priority::Normal);
    for round in 1..20 {
        let effects = seen(&mut rig, IDLE);
        assert_eq!(fetching(&effects), Some(Priority::Normal), "round {round}");
        let effects = rig.got(fetched_message.clone());
        let key = handed(&effects).unwrap();
        let ack = fetched_message.ack.clone();
        told(&mut rig, PaneNews::Returns { key, untouched: true });
        rig.settled(&ack, Settlement::Nak { delay_ms: 0 });
        fetched_message = super::rig::again(&fetched_message);
    }
    for round in 1..=5 {
        let effects = seen(&mut rig, IDLE);
        assert_eq!(fetching(&effects), Some(Priority::Normal), "round {round}");
        let effects = rig.got(fetched_message.clone());
        let key = handed(&effects).unwrap();
        let ack = fetched_message.ack.clone();
        let effects = told(
            &mut rig,
            PaneNews::Returns {
                key,
                untouched: false,
            },
        );
        let dead = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Publish { out, .. } if out.kind == OutKind::DeadLetter));
        assert_eq!(dead, round == 5, "round {round}");
        rig.settled(&ack, Settlement::Nak { delay_ms: 0 });
        fetched_message = super::rig::again(&fetched_message);
    }
}

#[test]
fn a_nudged_pane_is_told_of_mail_and_nothing_is_fetched() {
    let mut rig = attached(Inject::Nudge);
    let effects = rig.announce(Priority::Urgent);
    assert!(!looks(&effects) && fetching(&effects).is_none());
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::CheckLane {
            lane: Priority::Urgent,
            ..
        }
    )));
    let mut state = super::rig::lane_state();
    state.pending = 3;
    let effects = rig.step(Event::LaneChecked {
        lane: Priority::Urgent,
        state: Some(state),
    });
    let mail = Mail {
        waiting: 3,
        urgent: 3,
    };
    assert_eq!(nudge(&effects), Some(mail));
    assert_eq!(
        nudge(&told(&mut rig, PaneNews::Nudged { number: 1 })),
        None,
        "once"
    );
    let effects = rig.pass(10_000);
    assert!(nudge(&effects).is_none() && fetching(&effects).is_none());
    assert_eq!(rig.sidecar.view(now(rig.now_ms)).nudged, Some(true));
}

#[test]
fn mail_that_comes_while_a_nudge_is_brought_is_told_by_another() {
    let mut rig = attached(Inject::Nudge);
    let mail = |waiting| Mail { waiting, urgent: 0 };
    let counted = |rig: &mut Rig, pending| {
        let mut state = super::rig::lane_state();
        state.pending = pending;
        rig.step(Event::LaneChecked {
            lane: Priority::Low,
            state: Some(state),
        })
    };
    rig.announce(Priority::Low);
    assert_eq!(nudge(&counted(&mut rig, 1)), Some(mail(1)));
    // The agent takes it before the bridge has said that it brought the nudge, and another message comes.
    let taken = rig.take_one(message("alice", "bob", Priority::Low, 1));
    rig.ack(super::rig::id(1), &taken.lease);
    rig.announce(Priority::Low);
    counted(&mut rig, 1);
    let effects = told(&mut rig, PaneNews::Nudged { number: 1 });
    assert_eq!(nudge(&effects), Some(mail(1)), "{effects:?}");
    let effects = told(&mut rig, PaneNews::Nudged { number: 3 });
    assert_eq!(nudge(&effects), None, "once");
}

#[test]
fn an_agent_that_takes_by_itself_is_nudged_from_then_on() {
    let mut rig = attached(Inject::Auto);
    let key = fetched(&mut rig, Priority::Normal, 1);
    rig.step(Event::Injected { reader: PANE, key });
    let handed = rig.take_one(message("alice", "bob", Priority::Normal, 2));
    rig.ack(super::rig::id(2), &handed.lease);
    let effects = rig.announce(Priority::Normal);
    assert!(!looks(&effects) && fetching(&effects).is_none());
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckLane { .. }))
    );
}

#[test]
fn a_message_that_is_too_long_waits_for_the_agent_and_others_do_not() {
    let mut rig = attached(Inject::Auto);
    rig.announce(Priority::Normal);
    seen(&mut rig, IDLE);
    let long = message_with("alice", "bob", Priority::Normal, 1, |message| {
        message.content = "x".repeat(5_000);
    });
    let effects = rig.got(long.clone());
    assert_eq!(handed(&effects), None);
    assert_eq!(rig.deliveries(&key("alice", 1)), 0, "it was not handed over");
    assert_eq!(
        nudge(&effects),
        Some(Mail {
            waiting: 1,
            urgent: 0
        })
    );
    rig.settled(&long.ack, Settlement::Nak { delay_ms: 0 });
    told(&mut rig, PaneNews::Nudged { number: 1 });
    assert!(fetching(&seen(&mut rig, IDLE)).is_none(), "its lane waits");
    let effects = rig.announce(Priority::High);
    assert_eq!(fetching(&effects), Some(Priority::High));
    assert_eq!(nudge(&effects), None, "the other lane's is no news of this one");
    rig.step(Event::LaneFetched {
        lane: Priority::High,
        outcome: FetchOutcome::Empty,
    });
    let handed = rig.take_one(super::rig::again(&long));
    rig.ack(super::rig::id(1), &handed.lease);
}

#[test]
fn a_better_reader_goes_first_and_the_pane_falls_back() {
    let mut rig = attached(Inject::Body);
    rig.open(2, false, 1);
    let effects = rig.announce(Priority::Normal);
    assert!(!looks(&effects));
    assert_eq!(fetching(&effects), Some(Priority::Normal));
    rig.step(Event::LaneFetched {
        lane: Priority::Normal,
        outcome: FetchOutcome::Empty,
    });
    rig.step(Event::ReaderClosed { reader: ReaderId(2) });
    let key = fetched(&mut rig, Priority::Normal, 1);
    let effects = rig.step(Event::Injected { reader: PANE, key });
    let [receipt] = receipts(&effects).try_into().unwrap();
    assert_eq!(
        receipt.reason,
        Some(ReceiptReason::HandOver(HandOverRemark::Fallback))
    );
    assert_eq!(receipt.agent, agent("bob"));
}
