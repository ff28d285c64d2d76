//! Pause and halt: how the machine learns what the operator wants, and what follows from it.
//!
//! While the agent is paused or the hive halted nothing is fetched from any lane and nothing handed over, not even an
//! urgent message. What is in the agent's hands stays there, and everything that it says still goes out.

use bytes::Bytes;
use wagglebus_schemas::Timestamp;

use super::Sidecar;
use crate::context::Context;
use crate::control;
use crate::effect::Effect;
use crate::event::{ControlAnswer, Fetched};
use crate::journal::JournalError;
use crate::receipt::ReceiptRefusal;
use crate::record::Record;
use crate::wake::{LaneWatch, SAFETY_POLL_MS};

/// How long after a (re)connect nothing is fetched while it is not known whether the agent was stopped meanwhile, in
/// milliseconds: long enough for an answer, and short enough for a coordinator that gives none.
const UNSURE_MS: u64 = 1_000;
/// First pause before the coordinator is asked again, in milliseconds. It doubles up to the safety poll.
const ASK_AGAIN_MS: u64 = 1_000;

const WHY: &str = "the operator stopped the agent before it was handed over";

/// What is known of how the agent stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Inquiry {
    /// When the coordinator is to be asked; `None`: it has answered, or is being asked.
    ask_at_ms: Option<u64>,
    pause_ms: u64,
    /// Until when nothing is fetched for want of an answer.
    unsure_until_ms: Option<u64>,
    /// Nobody answered: what the stream of receipts holds is all that there is to know.
    silent: bool,
}

impl Inquiry {
    pub(super) const fn connected(&mut self, now_ms: u64) {
        self.ask_at_ms = Some(now_ms);
        self.pause_ms = ASK_AGAIN_MS;
        self.unsure_until_ms = Some(now_ms.saturating_add(UNSURE_MS));
        self.silent = false;
    }

    /// Lets the time and what was read take effect.
    fn advance(&mut self, now_ms: u64, receipts_are_read: bool) {
        let over = |until_ms: u64| until_ms <= now_ms || (self.silent && receipts_are_read);
        self.unsure_until_ms = self.unsure_until_ms.filter(|until_ms| !over(*until_ms));
    }

    const fn is_unsure(&self) -> bool {
        self.unsure_until_ms.is_some()
    }

    /// When [`Inquiry::advance`] changes something, or the coordinator is asked again.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.ask_at_ms.into_iter().chain(self.unsure_until_ms).min()
    }
}

impl Sidecar {
    /// Asks the coordinator how the agent stands, where that is due, and waits for its answer no longer than it should.
    pub(super) fn inquire(&mut self, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        self.inquiry.advance(now_ms, self.receipts.is_empty());
        if self.inquiry.ask_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.inquiry.ask_at_ms = None;
            cx.ask(Effect::AskControl);
        }
    }

    pub(super) fn control_asked(&mut self, cx: &mut Context<'_>, answer: ControlAnswer) {
        match answer {
            ControlAnswer::Silent if !self.bus_up => {}
            ControlAnswer::Silent => {
                let inquiry = &mut self.inquiry;
                inquiry.silent = true;
                inquiry.ask_at_ms = Some(cx.now.mono_ms.saturating_add(inquiry.pause_ms));
                inquiry.pause_ms = inquiry.pause_ms.saturating_mul(2).min(SAFETY_POLL_MS);
            }
            ControlAnswer::Unsaid => self.inquiry = Inquiry::default(),
            ControlAnswer::Stands(state) => {
                self.inquiry = Inquiry::default();
                let was = self.is_stopped();
                for fact in self.ledger.controls().told(state, cx.now.wall) {
                    if self.ledger.controls().is_news(&fact) {
                        self.note(cx, Record::Control(fact), None);
                    }
                }
                self.obey(cx, was);
            }
        }
    }

    /// Takes a control that was fetched among the receipts.
    ///
    /// # Errors
    /// When the spool has no room: nothing happened, and it must come again.
    pub(super) fn take_control(
        &mut self,
        cx: &mut Context<'_>,
        fetched: &Fetched,
    ) -> Result<Result<(), ReceiptRefusal>, JournalError> {
        let fact = match control::read(&fetched.payload) {
            Ok(control) => control.into(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if self.ledger.controls().is_news(&fact) {
            let was = self.is_stopped();
            self.record(cx, Record::Control(fact), &Bytes::new())?;
            self.obey(cx, was);
        }
        Ok(Ok(()))
    }

    /// Whether the operator paused the agent or halted the hive.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped_since().is_some()
    }

    pub(super) fn stopped_since(&self) -> Option<Timestamp> {
        self.ledger
            .controls()
            .stopped_since(&self.settings.identity.agent)
    }

    /// Whether messages may be fetched as far as the operator is concerned, and it is known what he wants.
    pub(super) fn is_let(&self) -> bool {
        !self.is_stopped() && !self.inquiry.is_unsure()
    }

    /// Whether messages may be fetched in a moment, although they may not yet.
    pub(super) fn is_about_to_be_let(&self) -> bool {
        !self.is_stopped() && self.inquiry.is_unsure()
    }

    fn obey(&mut self, cx: &mut Context<'_>, was_stopped: bool) {
        match (was_stopped, self.is_stopped()) {
            (false, true) => self.stop(cx),
            (true, false) => self.go_on(cx),
            (true, true) | (false, false) => {}
        }
    }

    /// What is not in the agent's own hands yet goes back, and does not count as a hand-over.
    fn stop(&mut self, cx: &mut Context<'_>) {
        cx.warn(
            None,
            "stopped by the operator: nothing is handed over until it is resumed",
        );
        let mut collected: Vec<_> = self.inbox.collected().cloned().collect();
        // They come again in the order in which they go back.
        collected.sort_by_key(|key| self.inbox.hand(key).map(|hand| hand.stream_seq));
        for key in collected {
            self.give_back_as(cx, &key, 0, WHY, true);
        }
        let Some(pane) = self.inbox.pane_mut() else {
            return;
        };
        let reader = pane.reader();
        if let Some(nudge) = pane.withdraw_nudge() {
            cx.ask(Effect::Nudge { reader, nudge });
        }
        cx.ask(Effect::Withdraw { reader });
    }

    /// Nothing that came meanwhile is waited for: each lane is looked into at once.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        cx.warn(None, "resumed by the operator");
        self.lanes.iter_mut().for_each(LaneWatch::poll);
        if let Some(pane) = self.inbox.pane_mut() {
            pane.look_first();
        }
    }
}
