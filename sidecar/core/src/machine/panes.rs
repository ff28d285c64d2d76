//! The agent's terminal pane: what it can be given decides what is fetched, and what holds it is told.

use wagglebus_schemas::Priority;
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::receipt::ReceiptReason;

use super::Sidecar;
use super::verbs::told;
use crate::context::Context;
use crate::effect::Effect;
use crate::event::{PaneNews, ReaderId};
use crate::inbox::pane::Mail;
use crate::inbox::{Appetite, Hand, Holder, Taker};
use crate::lanes::LaneSet;
use crate::receipt::Report;
use crate::record::Key;
use crate::wake::LaneWatch;

impl Sidecar {
    pub(super) fn pane_told(&mut self, cx: &mut Context<'_>, reader: ReaderId, news: PaneNews) {
        let now_ms = cx.now.mono_ms;
        let Some(pane) = self.inbox.pane_mut().filter(|pane| pane.reader() == reader) else {
            return;
        };
        match news {
            PaneNews::Seen(standing) => pane.seen(now_ms, standing),
            PaneNews::Nudged { number } => pane.nudged(now_ms, number),
            PaneNews::Holds { key, reason } => self.pane_holds(cx, &key, reason),
            PaneNews::Returns { key, untouched } => {
                pane.look_first();
                if self.is_in_pane(reader, &key) {
                    self.give_back_as(cx, &key, 0, "the pane could not be given it", untouched);
                }
            }
        }
    }

    fn is_in_pane(&self, reader: ReaderId, key: &Key) -> bool {
        let of_reader = |hand: &Hand| hand.holder == Holder::Reader(reader) && !hand.injected;
        self.inbox.hand(key).is_some_and(of_reader)
    }

    /// A message in the pane's hands cannot be put into it: its sender is told, once per hold.
    fn pane_holds(&mut self, cx: &mut Context<'_>, key: &Key, reason: Option<HoldReason>) {
        let Some(hand) = self.inbox.hand_mut(key).filter(|hand| !hand.injected) else {
            return;
        };
        if std::mem::replace(&mut hand.held, reason) == reason {
            return;
        }
        let (Some(reason), Some(hand)) = (reason, self.inbox.hand(key)) else {
            return;
        };
        let report = Report {
            reason: Some(ReceiptReason::Held(reason)),
            ..told(hand, &[ReceiptLevel::Held], Proof::None)
        };
        let (out, body) = self.receipt_of(cx, &report);
        self.owe(cx, out, body);
    }

    /// A wake announced a message, which may be worth a nudge.
    pub(super) fn announce_to_pane(&mut self, lane: Priority) {
        let Some(pane) = self.inbox.pane_mut() else {
            return;
        };
        if pane.has_news(lane) {
            // A nudge says how many wait, which only the consumer knows.
            self.lane_mut(lane).recheck();
        }
    }

    /// What waits is counted anew where nothing is fetched that would tell: for a pane that is nudged, and while the
    /// operator has stopped the agent.
    pub(super) fn recount(&mut self) {
        let nudged = self.inbox.pane().is_some_and(crate::inbox::pane::Pane::is_nudged);
        if nudged || self.is_stopped() {
            self.lanes.iter_mut().for_each(LaneWatch::recheck);
        }
    }

    /// Lanes that can be fetched from now for whoever is next, and who that is.
    pub(super) fn fetchable(&self) -> (Appetite, LaneSet) {
        let (appetite, taker) = self.inbox.appetite();
        let mut lanes = self.waiting(appetite);
        if taker.is_some_and(|taker| self.is_pane(taker)) {
            self.leave_out(&mut lanes);
        }
        (appetite, lanes)
    }

    pub(super) fn is_pane(&self, taker: Taker) -> bool {
        let pane = self.inbox.pane();
        pane.is_some_and(|pane| taker == Taker::Reader(pane.reader()))
    }

    /// Lanes whose first message is too long for the pane are the agent's to take from.
    fn leave_out(&self, lanes: &mut LaneSet) {
        for lane in Priority::ALL.iter().copied() {
            if self.inbox.pane().is_some_and(|pane| pane.leaves(lane)) {
                lanes.set(lane, false);
            }
        }
    }

    /// Has the pane looked at while mail waits that it was not said to take, and nudged about what it gets no other way.
    pub(super) fn serve_pane(&mut self, cx: &mut Context<'_>) {
        if self.inbox.pane().is_none() || !self.may_hand_over(cx.now) {
            return;
        }
        let mut wanted = self.waiting(self.inbox.pane_room());
        self.leave_out(&mut wanted);
        let (_, fetchable) = self.fetchable();
        let idle = !self.is_fetching() && fetchable.is_empty();
        let mail = self.mail_for_pane();
        let now_ms = cx.now.mono_ms;
        let Some(pane) = self.inbox.pane_mut() else {
            return;
        };
        let reader = pane.reader();
        let waits = !pane.is_nudged() && idle && !wanted.is_empty();
        if pane.begin_look(now_ms, waits) {
            cx.ask(Effect::Look { reader });
        }
        if let Some(nudge) = mail.and_then(|mail| pane.begin_nudge(now_ms, mail)) {
            cx.ask(Effect::Nudge { reader, nudge });
        }
    }

    /// The mail that the pane is to be nudged about; `None` while that is being counted.
    fn mail_for_pane(&self) -> Option<Mail> {
        let pane = self.inbox.pane()?;
        let mut mail = Mail::default();
        for lane in Priority::ALL.iter().copied() {
            let watch = self.lane(lane);
            if watch.is_unsettled() {
                return None;
            }
            let counted = pane.is_nudged() || pane.leaves(lane);
            let one_at_least = u64::from(pane.leaves(lane) || watch.is_expected());
            let waiting = if counted {
                watch.pending().max(one_at_least)
            } else {
                0
            };
            mail.waiting = mail.waiting.saturating_add(waiting);
            if lane == Priority::Urgent {
                mail.urgent = waiting;
            }
        }
        Some(mail)
    }
}

/// What proves that a bridge handed a message over.
pub(super) const fn proof_of(bridge: Bridge) -> Proof {
    match bridge {
        Bridge::TmuxBody | Bridge::TmuxNudge => Proof::Pane,
        Bridge::Stdio
        | Bridge::Http
        | Bridge::Sse
        | Bridge::Ws
        | Bridge::Callback
        | Bridge::Mcp
        | Bridge::Hook => Proof::Write,
    }
}
