//! From the spool to the streams, and what a publish ack says about a stream's health.

use wagglebus_schemas::Id;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::Sidecar;
use crate::context::Context;
use crate::effect::{Body, Effect, Settlement};
use crate::event::PublishOutcome;
use crate::record::{Closed, Out, OutKind, Record};
use crate::settle::Follow;

/// How long the server recognises an id, in milliseconds: the streams' duplicate window (DESIGN 3.6).
const DUPLICATE_WINDOW_MS: i64 = 15 * 60_000;

/// What an id means that the stream knows although it never left here: ids that can be guessed let others suppress
/// messages (TOPOLOGY 6).
const SUPPRESSED: &str = "the stream knew this id at the first attempt: somebody else used it, or it was sent from \
    another state folder; what lies in the stream may not be this message";

/// The stream that a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Messages,
    Receipts,
    Dlq,
    Tasks,
}

impl From<OutKind> for Family {
    fn from(kind: OutKind) -> Self {
        match kind {
            OutKind::Message | OutKind::Room => Self::Messages,
            OutKind::Receipt => Self::Receipts,
            OutKind::DeadLetter => Self::Dlq,
            OutKind::Report => Self::Tasks,
        }
    }
}

impl Sidecar {
    /// Publishes everything that may leave now.
    pub(super) fn publish(&mut self, cx: &mut Context<'_>) {
        loop {
            let (ledger, acknowledged) = (&self.ledger, &self.acknowledged);
            let floor = |id: Id| {
                let family = ledger
                    .sent(&id)
                    .and_then(|e| e.head.as_ref())
                    .map(|head| Family::from(head.kind));
                family
                    .and_then(|family| acknowledged.get(&family).copied())
                    .unwrap_or(0)
            };
            let Some(next) = self.outbox.next(cx.now.mono_ms, floor) else {
                return;
            };
            let entry = self.ledger.sent(&next.id);
            let head = entry.and_then(|entry| entry.head.clone());
            let body = next.body.map(Body::Bytes).or_else(|| entry?.body.map(Body::At));
            match (head, body) {
                (Some(out), Some(body)) => cx.ask(Effect::Publish { out, body }),
                _ => {
                    // Only a stored message can lose its body, and only while it waits to be published again.
                    self.outbox.finished(&next.id);
                }
            }
        }
    }

    pub(super) fn published(&mut self, cx: &mut Context<'_>, id: Id, outcome: PublishOutcome) {
        match outcome {
            PublishOutcome::Retry => self.outbox.failed(&id, cx.now.mono_ms),
            PublishOutcome::Stored { seq, duplicate } => {
                if let Some(finished) = self.outbox.finished(&id) {
                    if duplicate && !finished.again {
                        cx.warn(Some(id), SUPPRESSED);
                    }
                    self.stored(cx, id, seq, duplicate, finished.floor);
                }
            }
            PublishOutcome::Refused { why } => {
                if self.outbox.finished(&id).is_some() {
                    self.refused(cx, id, &why);
                }
            }
        }
    }

    fn stored(&mut self, cx: &mut Context<'_>, id: Id, seq: u64, duplicate: bool, floor: u64) {
        let Some(entry) = self.ledger.sent(&id) else {
            return;
        };
        let Some(head) = entry.head.clone() else { return };
        let (before, family) = (entry.seq, Family::from(head.kind));
        // An id that the stream stores anew, no higher than before, was lost with its tail too.
        let lost_tail = !duplicate && (seq <= floor || before.is_some_and(|before| seq <= before));
        let highest = self.acknowledged.entry(family).or_default();
        *highest = if lost_tail { seq } else { seq.max(*highest) };
        if before != Some(seq) {
            self.note(
                cx,
                Record::OutStored {
                    id,
                    seq,
                    at: Some(cx.now.wall),
                },
                Some(id),
            );
        }
        self.waiters.reached(cx, &self.ledger, id);
        self.graves.remove(&id);
        if before.is_none() {
            self.then_ack(cx, &head);
        }
        let probe_missed = self.probe.take_if(|probe| *probe == id).is_some()
            && !duplicate
            && cx.now.wall.unix_ms().saturating_sub(head.at.unix_ms()) < DUPLICATE_WINDOW_MS;
        if family == Family::Messages && (lost_tail || probe_missed) {
            cx.warn(
                Some(id),
                "the stream lost messages that it had acknowledged; publishing them again",
            );
            self.publish_again();
        }
    }

    /// Puts every stored message without a receipt back on its way: the stream may have lost it.
    fn publish_again(&mut self) {
        for id in self.ledger.unreceipted().collect::<Vec<_>>() {
            self.push_again(id);
        }
    }

    fn push_again(&mut self, id: Id) {
        let Some(head) = self.ledger.sent(&id).and_then(|entry| entry.head.as_ref()) else {
            return;
        };
        let (lane, order) = (head.priority, head.order);
        if !self.outbox.has(lane, order, &id) {
            self.outbox.push_again(lane, order, id);
        }
    }

    /// Publishes the newest message without a receipt again under its own id: a stream that was recreated or lost its
    /// tail does not know it.
    pub(super) fn probe_stream(&mut self) {
        self.probe = self.ledger.unreceipted().next_back();
        if let Some(id) = self.probe {
            self.push_again(id);
        }
    }

    fn refused(&mut self, cx: &mut Context<'_>, id: Id, why: &str) {
        let Some(head) = self.ledger.sent(&id).and_then(|entry| entry.head.clone()) else {
            return;
        };
        cx.warn(Some(id), format!("the server refused a publish for good: {why}"));
        self.note(
            cx,
            Record::OutClosed {
                id,
                why: Closed::Refused,
            },
            Some(id),
        );
        let error = refusal(why);
        self.waiters.fail(cx, id, &error);
        if matches!(head.kind, OutKind::Message | OutKind::Room) {
            self.report_refused(cx, id, why);
        }
        // The end of the message is in the spool, and the message stays in its stream: it is acked although nobody is
        // told but the log.
        self.graves.remove(&id);
        self.then_ack(cx, &head);
    }

    fn then_ack(&mut self, cx: &mut Context<'_>, head: &Out) {
        // What ended before its lane brought it has nothing to ack yet: it is acked when it comes.
        if let Some(then) = head.then_ack.clone().filter(|then| !then.ack.is_empty()) {
            let follow = match (then.key, then.outcome) {
                (Some(key), Some(_)) => Follow::Acked(key),
                (Some(_), None) | (None, _) => Follow::Nothing,
            };
            self.settle(cx, &then.ack, Settlement::Ack, follow);
        }
    }
}

/// What the sender of a message is told that the server refuses for good.
pub(super) fn refusal(why: &str) -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::Forbidden,
        format!("the bus refused the message: {why}"),
    )
    .hint("check the agent's enrolment with `wagglebus doctor`")
}
