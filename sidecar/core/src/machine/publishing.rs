//! From the spool to the streams, and what a publish ack says about a stream's health.

use wagglebus_schemas::Id;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::Sidecar;
use crate::context::Context;
use crate::effect::{Body, Effect, Settlement};
use crate::event::PublishOutcome;
use crate::ledger::OutEntry;
use crate::now::Now;
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
            OutKind::Report | OutKind::Command => Self::Tasks,
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
                    let known = duplicate && !finished.again;
                    if known {
                        cx.warn(Some(id), SUPPRESSED);
                    }
                    self.stored(cx, id, seq, duplicate, finished.floor);
                    if known {
                        self.commanded_before(cx, id);
                    }
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
        let probe_missed = self.probes.remove(&id) && !duplicate && is_recognised(&head, cx.now);
        let awaited = matches!(family, Family::Messages | Family::Tasks);
        if awaited && (lost_tail || probe_missed) {
            cx.warn(
                Some(id),
                "the stream lost messages that it had acknowledged; publishing them again",
            );
            self.publish_again(cx.now, family, seq);
        }
    }

    /// Puts every stored message without a receipt, or command without a verdict, back on its way: its stream may have
    /// lost it. A recipient drops a message that comes twice, but a command is decided each time: one that the stream
    /// would not recognise goes again only if its place there was given to another.
    fn publish_again(&mut self, now: Now, family: Family, seq: u64) {
        let again: Vec<Id> = self
            .awaited(family)
            .filter(|(entry, head)| {
                family == Family::Messages || entry.seq >= Some(seq) || is_recognised(head, now)
            })
            .map(|(_, head)| head.id)
            .collect();
        for id in again {
            self.push_again(id);
        }
    }

    /// Stored records of a stream that something is awaited of, in the order of acceptance.
    fn awaited(&self, family: Family) -> impl DoubleEndedIterator<Item = (&OutEntry, &Out)> {
        let entries = self.ledger.unreceipted().filter_map(|id| self.ledger.sent(&id));
        entries
            .filter_map(|entry| Some((entry, entry.head.as_deref()?)))
            .filter(move |(_, head)| Family::from(head.kind) == family)
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

    /// Publishes the newest message without a receipt again under its own id, and the newest command without a verdict: a
    /// stream that was recreated or lost its tail does not know it.
    pub(super) fn probe_streams(&mut self, now: Now) {
        let message = self.awaited(Family::Messages).next_back();
        let command = self.awaited(Family::Tasks).next_back();
        let command = command.filter(|(_, head)| is_recognised(head, now));
        self.probes = message
            .into_iter()
            .chain(command)
            .map(|(_, head)| head.id)
            .collect();
        for id in self.probes.clone() {
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
        if matches!(head.kind, OutKind::Message | OutKind::Room | OutKind::Command) {
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

/// Whether a stream that has the record knows its id.
fn is_recognised(head: &Out, now: Now) -> bool {
    now.wall.unix_ms().saturating_sub(head.at.unix_ms()) < DUPLICATE_WINDOW_MS
}

/// What the sender of a message is told that the server refuses for good.
pub(super) fn refusal(why: &str) -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::Forbidden,
        format!("the bus refused the message: {why}"),
    )
    .hint("check the agent's enrolment with `wagglebus doctor`")
}
