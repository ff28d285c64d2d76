//! Pause and halt: what they stop for each kind of reader, what goes on, how they are learnt and remembered.

use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::command::{ControlAction, TaskVerb};
use wagglebus_schemas::control::{AgentControl, Control, ControlScope};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{Command, Priority};

use super::effects::{answer, fetching, handed, published, published_as, refused, settlements};
use super::rig::{Rig, agent, draft, id, key, message, now};
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{
    ControlAnswer, Event, FetchOutcome, Fetched, Inject, PaneKind, PaneNews, ReaderId, ReaderKind, Standing,
    Verb,
};
use crate::inbox::Appetite;
use crate::record::OutKind;
use crate::terminal::frame::Form;

const AGENT: ControlScope = ControlScope::Agent;
const HIVE: ControlScope = ControlScope::Hive;
const NAK: Settlement = Settlement::Nak { delay_ms: 0 };
const READER: ReaderId = ReaderId(1);

/// A control as it is fetched among the receipts.
fn control(action: ControlAction, scope: ControlScope, event_seq: u64) -> Fetched {
    let control = Control {
        id: id(8_000 + event_seq),
        action,
        scope,
        event_seq,
        at: now(event_seq).wall,
    };
    Fetched {
        subject: "wb.receipt.bob.control.coordinator".into(),
        msg_id: Some(control.id.to_string()),
        payload: serde_json::to_vec(&control).unwrap().into(),
        ack: format!("control.{event_seq}"),
        num_delivered: 1,
        stream_seq: event_seq,
        pending: 0,
    }
}

impl Rig {
    fn control(&mut self, action: ControlAction, scope: ControlScope, event_seq: u64) -> Vec<Effect> {
        let fetched = control(action, scope, event_seq);
        let ack = fetched.ack.clone();
        self.step(Event::ReceiptWoken { stream_seq: None });
        let outcome = FetchOutcome::Got(Box::new(fetched));
        let effects = self.step(Event::ReceiptFetched { outcome });
        let acked = (ack, Settlement::Ack);
        assert!(settlements(&effects).contains(&acked), "{effects:?}");
        effects
    }

    fn pause(&mut self, event_seq: u64) -> Vec<Effect> {
        self.control(ControlAction::Pause, AGENT, event_seq)
    }

    fn resume(&mut self, event_seq: u64) -> Vec<Effect> {
        self.control(ControlAction::Resume, AGENT, event_seq)
    }

    fn hold(&self) -> Option<HoldReason> {
        let hold = self.sidecar.view(now(self.now_ms)).hold;
        hold.map(|hold| hold.reason)
    }

    fn reads(&mut self, bridge: Bridge, pane: Option<Inject>) {
        let auto = matches!(bridge, Bridge::Stdio | Bridge::TmuxBody);
        let kind = ReaderKind {
            bridge,
            slots: 1,
            auto,
            lease_ms: (!auto).then_some(60_000),
            pane: pane.map(|inject| PaneKind {
                inject,
                form: Form::Block,
            }),
        };
        self.step(Event::ReaderOpened { reader: READER, kind });
    }

    fn pane(&mut self, news: PaneNews) -> Vec<Effect> {
        self.step(Event::Pane { reader: READER, news })
    }
}

const IDLE: Standing = Standing {
    appetite: Appetite::Any,
    state: SessionState::Idle,
    hold: None,
};

fn gives(effects: &[Effect]) -> Vec<&Effect> {
    let gives = |effect: &&Effect| {
        matches!(
            effect,
            Effect::FetchLane { .. } | Effect::HandOver { .. } | Effect::Nudge { .. } | Effect::Look { .. }
        )
    };
    effects.iter().filter(gives).collect()
}

/// Every lane has mail, a minute passes, and the pane's screen is clear.
fn mail_comes(rig: &mut Rig, pane: bool) -> Vec<Effect> {
    let mut all = Vec::new();
    for (lane, n) in Priority::ALL.iter().zip(40..) {
        let stream_seq = Some(n);
        all.extend(rig.step(Event::Woken {
            lane: *lane,
            stream_seq,
        }));
    }
    all = rig.answer_empty(all);
    if pane {
        all.extend(rig.pane(PaneNews::Seen(IDLE)));
    }
    let passed = rig.pass(60_000);
    all.extend(rig.answer_empty(passed));
    all
}

#[test]
fn nothing_is_fetched_for_any_reader_while_paused_or_halted_and_at_once_afterwards() {
    let readers = [
        None,
        Some((Bridge::Stdio, None)),
        Some((Bridge::Sse, None)),
        Some((Bridge::Ws, None)),
        Some((Bridge::TmuxBody, Some(Inject::Body))),
        Some((Bridge::TmuxBody, Some(Inject::Nudge))),
    ];
    let stops = [
        (ControlAction::Pause, AGENT, ControlAction::Resume),
        (ControlAction::Halt, HIVE, ControlAction::Resume),
    ];
    for (reader, (stop, scope, go_on)) in readers.iter().flat_map(|r| stops.iter().map(move |s| (*r, *s))) {
        let mut rig = Rig::up("bob", 1);
        let pane = reader.is_some_and(|(_, pane)| pane.is_some());
        match reader {
            Some((bridge, pane)) => rig.reads(bridge, pane),
            None => drop(rig.take(1, 3_600_000)),
        }
        rig.answer_empty(rig.effects.clone());
        let mut effects = rig.control(stop, scope, 7);
        effects.extend(rig.pass(250));
        assert!(effects.contains(&Effect::Heartbeat), "{reader:?}: told at once");
        assert_eq!(rig.hold(), Some(HoldReason::Paused), "{reader:?} {stop}");
        let effects = mail_comes(&mut rig, pane);
        assert_eq!(gives(&effects), Vec::<&Effect>::new(), "{reader:?} {stop}");
        let effects = rig.control(go_on, scope, 8);
        assert!(!gives(&effects).is_empty(), "{reader:?} {stop}: {effects:?}");
        assert_ne!(rig.hold(), Some(HoldReason::Paused), "{reader:?}");
    }
}

#[test]
fn what_is_in_hand_stays_and_everything_said_goes_out() {
    let mut rig = Rig::up("bob", 2);
    let item = rig.take_one(message("alice", "bob", Priority::Low, 5));
    let other = rig.take_one(message("alice", "bob", Priority::Low, 6));
    let effects = rig.pause(7);
    assert!(!settlements(&effects).iter().any(|(_, how)| *how == NAK));
    let extended = rig.verb(id(5), Some(&item.lease), Verb::Progress { extend_ms: 60_000 });
    assert!(matches!(extended, Answer::Extended(_)));
    assert!(matches!(rig.ack(id(5), &item.lease), Answer::Acked(_)));
    let done = published_as(&rig.effects, OutKind::Receipt);
    assert_eq!(done[0].subject, "wb.receipt.alice.done.bob");
    assert!(matches!(rig.nak(id(6), &other.lease, 0), Answer::Naked(_)));
    let (_, effects) = rig.send(draft("alice", "still here"), None);
    assert_eq!(published_as(&effects, OutKind::Message).len(), 1);
    let (token, effects) = rig.take(1, 0);
    let answered = answer(&effects, token);
    assert!(matches!(answered, Some(Answer::Messages(none)) if none.is_empty()));
}

#[test]
fn a_message_that_comes_after_the_pause_goes_back_and_is_not_counted() {
    let mut rig = Rig::up("bob", 1);
    let (token, _) = rig.take(1, 600_000);
    rig.answer_empty(rig.effects.clone());
    assert_eq!(fetching(&rig.announce(Priority::Urgent)), Some(Priority::Urgent));
    rig.pause(7);
    let effects = rig.got(message("alice", "bob", Priority::Urgent, 5));
    assert_eq!(settlements(&effects), [("ack.5.1".to_owned(), NAK)]);
    assert!(handed(&effects).is_empty());
    assert_eq!(rig.deliveries(&key("alice", 5)), 0);
    rig.settled("ack.5.1", NAK);
    let effects = rig.resume(8);
    assert_eq!(fetching(&effects), Some(Priority::Urgent));
    let effects = rig.got(message("alice", "bob", Priority::Urgent, 5));
    let answered = answer(&rig.answer_empty(effects), token);
    assert!(matches!(answered, Some(Answer::Messages(one)) if one.len() == 1));
}

#[test]
fn what_a_request_had_collected_goes_back_uncounted_and_the_request_waits_on() {
    let mut rig = Rig::up("bob", 1);
    let (token, _) = rig.take(2, 600_000);
    rig.answer_empty(rig.effects.clone());
    rig.announce(Priority::Low);
    let mut first = message("alice", "bob", Priority::Low, 5);
    first.pending = 1;
    let effects = rig.got(first);
    assert_eq!(answer(&effects, token), None, "it collects");
    let effects = rig.pause(7);
    assert!(settlements(&effects).contains(&("ack.5.1".to_owned(), NAK)));
    assert_eq!(rig.sidecar.in_hand().count(), 0);
    let entry = rig.sidecar.ledger().received(&key("alice", 5)).unwrap();
    assert_eq!(entry.attempts(), 0);
    let effects = rig.pass(60_000);
    assert_eq!(answer(&effects, token), None);
}

#[test]
fn a_pane_gives_back_what_it_has_not_begun_and_its_nudge_is_made_later() {
    let mut rig = Rig::up("bob", 1);
    rig.reads(Bridge::TmuxBody, Some(Inject::Nudge));
    let stream_seq = Some(5);
    let lane = Priority::Low;
    let effects = rig.step(Event::Woken { lane, stream_seq });
    let effects = rig.answer_empty(effects);
    let asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Nudge { nudge, .. } => Some(*nudge),
            _ => None,
        })
    };
    let nudge = asked(&effects).expect("a nudge about the mail");
    let effects = rig.pause(7);
    let withdrawn = asked(&effects).expect("another in its place");
    assert_eq!((withdrawn.number, withdrawn.mail.waiting), (nudge.number, 0));
    assert!(effects.contains(&Effect::Withdraw { reader: READER }));
    let effects = rig.resume(8);
    let effects = rig.answer_empty(effects);
    assert!(
        asked(&effects).is_some_and(|nudge| nudge.mail.waiting > 0),
        "{effects:?}"
    );
}

#[test]
fn the_highest_event_of_each_scope_counts_whatever_comes_first() {
    let mut rig = Rig::up("bob", 1);
    rig.pause(7);
    rig.control(ControlAction::Resume, AGENT, 6);
    assert_eq!(rig.hold(), Some(HoldReason::Paused), "an older word");
    rig.control(ControlAction::Halt, HIVE, 9);
    rig.resume(10);
    assert_eq!(rig.hold(), Some(HoldReason::Paused), "the hive is halted");
    rig.control(ControlAction::Resume, HIVE, 11);
    assert_eq!(rig.hold(), None);
}

#[test]
fn a_restart_remembers_and_tells_since_when() {
    let mut rig = Rig::up("bob", 1);
    rig.pause(7);
    let since = |rig: &Rig| rig.sidecar.view(now(rig.now_ms)).hold.unwrap().since;
    assert_eq!(since(&rig), now(7).wall);
    rig.now_ms += 60_000;
    rig.restart();
    rig.open(1, true, 1);
    let effects = rig.connect();
    assert_eq!(gives(&effects), Vec::<&Effect>::new());
    assert_eq!((rig.hold(), since(&rig)), (Some(HoldReason::Paused), now(7).wall));
    assert!(!gives(&rig.resume(8)).is_empty());
}

#[test]
fn the_coordinator_is_asked_at_each_connect_and_nothing_is_fetched_before_it_answers() {
    let stands = |paused, halted, event_seq| {
        ControlAnswer::Stands(AgentControl {
            paused,
            halted,
            event_seq,
        })
    };
    let mut rig = Rig::new("bob", 1);
    rig.stands = None;
    rig.open(1, true, 1);
    let effects = rig.connect();
    assert!(effects.contains(&Effect::AskControl));
    assert_eq!(gives(&effects), Vec::<&Effect>::new(), "not known yet");
    let answer = stands(true, false, 7);
    let effects = rig.step(Event::ControlAsked { answer });
    assert_eq!(gives(&effects), Vec::<&Effect>::new());
    assert_eq!(rig.hold(), Some(HoldReason::Paused));

    rig.step(Event::BusDown);
    let effects = rig.connect();
    assert!(effects.contains(&Effect::AskControl));
    let answer = ControlAnswer::Unsaid;
    rig.step(Event::ControlAsked { answer });
    assert_eq!(rig.hold(), Some(HoldReason::Paused), "what the spool says");
    let answer = stands(false, true, 6);
    rig.step(Event::ControlAsked { answer });
    assert_eq!(rig.hold(), Some(HoldReason::Paused), "a standby that lags");
    let answer = stands(false, false, 8);
    let effects = rig.step(Event::ControlAsked { answer });
    assert!(!gives(&effects).is_empty(), "{effects:?}");
}

#[test]
fn without_an_answer_it_goes_on_soon_and_asks_again() {
    let mut rig = Rig::new("bob", 1);
    rig.stands = None;
    rig.open(1, true, 1);
    let effects = rig.connect();
    assert_eq!(gives(&effects), Vec::<&Effect>::new());
    let effects = rig.pass(999);
    assert_eq!(gives(&effects), Vec::<&Effect>::new());
    assert!(!gives(&rig.pass(1)).is_empty(), "nobody answers");

    let mut rig = Rig::new("bob", 1);
    rig.stands = None;
    rig.open(1, true, 1);
    rig.connect();
    let answer = ControlAnswer::Silent;
    let effects = rig.step(Event::ControlAsked { answer });
    assert!(!gives(&effects).is_empty(), "the receipts say nothing either");
    rig.answer_empty(effects);
    for pause_ms in [1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
        assert!(
            !rig.pass(pause_ms - 1).contains(&Effect::AskControl),
            "{pause_ms}"
        );
        assert!(rig.pass(1).contains(&Effect::AskControl), "{pause_ms}");
        rig.step(Event::ControlAsked { answer });
    }
}

#[test]
fn what_is_no_control_is_a_dead_letter() {
    let mut rig = Rig::up("bob", 1);
    let real = control(ControlAction::Pause, AGENT, 7);
    let cases = [
        Fetched {
            payload: "{\"action\":\"pause\"}".into(),
            ..real.clone()
        },
        Fetched {
            subject: "wb.receipt.bob.control.mallory".into(),
            ..real
        },
    ];
    for (fetched, n) in cases.into_iter().zip(20..) {
        let fetched = Fetched {
            stream_seq: n,
            ..fetched
        };
        rig.step(Event::ReceiptWoken { stream_seq: None });
        let outcome = FetchOutcome::Got(Box::new(fetched));
        let effects = rig.step(Event::ReceiptFetched { outcome });
        assert_eq!(
            published_as(&effects, OutKind::DeadLetter).len(),
            1,
            "{effects:?}"
        );
        assert_eq!(rig.hold(), None);
    }
}

#[test]
fn only_the_operator_stops_others() {
    let halt = || Command {
        action: Some(ControlAction::Halt),
        ..Command::default()
    };
    let mut rig = Rig::up("alice", 1);
    let (token, effects) = rig.task_verb(TaskVerb::Control, halt());
    assert_eq!(refused(answer(&effects, token)), ErrorCode::Forbidden);
    let mut rig = Rig::up("operator", 1);
    let (_, effects) = rig.task_verb(TaskVerb::Control, halt());
    assert_eq!(published(&effects)[0].subject, "wb.task.control.urgent.operator");
    let bob = Some(agent("bob"));
    for wrong in [
        Command::default(),
        Command {
            action: Some(ControlAction::Pause),
            ..Command::default()
        },
        Command { agent: bob, ..halt() },
    ] {
        let (token, effects) = rig.task_verb(TaskVerb::Control, wrong);
        assert_eq!(refused(answer(&effects, token)), ErrorCode::InvalidMessage);
    }
}
