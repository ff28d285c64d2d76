//! What the agent does with a message in its hands: ack, nak, progress; and what time does to it.

use bytes::Bytes;
use wagglebus_schemas::api::{AckAnswer, NakAnswer, ProgressAnswer};
use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::{DELAYED_NAKS_PER_LANE_MAX, HAND_OVERS_MAX};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{HandOverRemark, ReceiptReason};
use wagglebus_schemas::{Id, Level};

use super::burial::Corpse;
use super::panes::proof_of;
use super::sending::spool_full;
use super::{Sidecar, later};
use crate::context::Context;
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{ReaderId, Token, Verb};
use crate::inbox::{Hand, Holder};
use crate::journal::JournalError;
use crate::receipt::Report;
use crate::record::{Key, Outcome, Record, ThenAck};
use crate::settle::Follow;

impl Sidecar {
    pub(super) fn verb(
        &mut self,
        cx: &mut Context<'_>,
        token: Token,
        id: Id,
        lease: Option<&str>,
        verb: Verb,
    ) {
        if let Verb::ReadElsewhere { from } = verb {
            let answer = self.read_elsewhere(cx, Key { from, id });
            let answer = answer.unwrap_or_else(Answer::Error);
            return cx.ask(Effect::Answer { token, answer });
        }
        let answer = match self.inbox.find(id, lease).map(|hand| hand.key.clone()) {
            Some(key) => self.verb_on(cx, &key, verb),
            None => self.repeated(id, lease, &verb),
        };
        cx.ask(Effect::Answer {
            token,
            answer: answer.unwrap_or_else(Answer::Error),
        });
    }

    fn verb_on(&mut self, cx: &mut Context<'_>, key: &Key, verb: Verb) -> Result<Answer, ErrorDetail> {
        match verb {
            Verb::Ack { done: true } => self
                .end(cx, key, Outcome::Done, Proof::Ack)
                .map(|()| acked(key.id, Level::Done))
                .map_err(spool_full),
            Verb::Ack { done: false } => self.see(cx, key),
            Verb::Nak { delay_ms, reason } => self.nak(cx, key, delay_ms, reason.as_deref()),
            Verb::Progress { extend_ms } => self.extend(cx, key, extend_ms),
            Verb::ReadElsewhere { .. } => self.read_elsewhere(cx, key.clone()),
        }
    }

    /// A verb on a message that is not in hand: an equal repeat of an ack gets the same answer.
    fn repeated(&self, id: Id, lease: Option<&str>, verb: &Verb) -> Result<Answer, ErrorDetail> {
        let mut known = false;
        for (_, entry) in self.ledger.received_under(id) {
            known = true;
            let last = entry
                .head
                .as_ref()
                .map(|head| format!("{}.{}", head.stream_seq, head.delivery));
            let same = lease.is_none_or(|lease| last.as_deref() == Some(lease));
            let done = matches!(entry.ended, Some((Outcome::Done, _)));
            if same && done && matches!(verb, Verb::Ack { .. }) {
                return Ok(acked(id, Level::Done));
            }
        }
        if known || self.inbox.find(id, None).is_some() {
            return Err(ErrorDetail::new(
                ErrorCode::LeaseLost,
                format!("the lease of message {id} is not current"),
            )
            .hint("take the message again; another hand-over may have followed"));
        }
        Err(ErrorDetail::new(
            ErrorCode::NotFound,
            format!("no message {id} is or was in this agent's hands"),
        )
        .hint("look with `wagglebus inbox`"))
    }

    /// Ends a message: from here on it is never handed over again. One record tells that and the sender, so that neither
    /// happens without the other; the message is acked once it is stored.
    ///
    /// # Errors
    /// When the spool has no room: nothing happened, and the message stays in hand.
    pub(super) fn end(
        &mut self,
        cx: &mut Context<'_>,
        key: &Key,
        outcome: Outcome,
        proof: Proof,
    ) -> Result<(), JournalError> {
        let Some(hand) = self.inbox.hand(key) else {
            return Ok(());
        };
        let levels: &[ReceiptLevel] = match (outcome, hand.injected, hand.seen) {
            (Outcome::Injected | Outcome::Dead, _, _) => &[ReceiptLevel::Fetched, ReceiptLevel::Injected],
            (Outcome::Done, true, true) => &[ReceiptLevel::Done],
            (Outcome::Done, true, false) => &[ReceiptLevel::Seen, ReceiptLevel::Done],
            (Outcome::Done, false, _) => &[
                ReceiptLevel::Fetched,
                ReceiptLevel::Injected,
                ReceiptLevel::Seen,
                ReceiptLevel::Done,
            ],
        };
        let then_ack = ThenAck {
            ack: hand.ack.clone(),
            key: Some(key.clone()),
            outcome: Some(outcome),
        };
        let (mut out, body) = self.receipt_of(cx, &told(hand, levels, proof));
        out.then_ack = Some(then_ack);
        self.accept(cx, out, body)?;
        self.inbox.release(key);
        Ok(())
    }

    fn see(&mut self, cx: &mut Context<'_>, key: &Key) -> Result<Answer, ErrorDetail> {
        let Some(hand) = self.inbox.hand(key) else {
            return Err(not_in_hand(key));
        };
        if !hand.seen {
            let all = [ReceiptLevel::Fetched, ReceiptLevel::Injected, ReceiptLevel::Seen];
            let levels = if hand.injected {
                all.get(2..).unwrap_or(&all)
            } else {
                &all
            };
            let (out, body) = self.receipt_of(cx, &told(hand, levels, Proof::Ack));
            let seen = Record::Seen { key: key.clone() };
            self.record(cx, seen, &Bytes::new()).map_err(spool_full)?;
            self.owe(cx, out, body);
            if let Some(hand) = self.inbox.hand_mut(key) {
                hand.seen = true;
                hand.injected = true;
            }
        }
        Ok(acked(key.id, Level::Seen))
    }

    fn nak(
        &mut self,
        cx: &mut Context<'_>,
        key: &Key,
        delay_ms: u64,
        reason: Option<&str>,
    ) -> Result<Answer, ErrorDetail> {
        let Some(hand) = self.inbox.hand(key) else {
            return Err(not_in_hand(key));
        };
        let lane = hand.priority;
        let delayed = self.delayed.values().filter(|(of, _)| *of == lane).count();
        if delay_ms > 0 && delayed >= DELAYED_NAKS_PER_LANE_MAX {
            let soonest = self
                .delayed
                .values()
                .filter(|(of, _)| *of == lane)
                .map(|(_, until)| *until)
                .min();
            let wait_ms = soonest.unwrap_or(0).saturating_sub(cx.now.mono_ms);
            let message =
                format!("{delayed} messages of lane {lane} are put off already, which is the bound");
            return Err(ErrorDetail::new(ErrorCode::RateLimited, message)
                .retry_after_ms(wait_ms)
                .hint("work on this one, or nak it with delay_ms 0"));
        }
        self.give_back(cx, key, delay_ms, reason.unwrap_or("the agent gave it back"));
        Ok(Answer::Naked(NakAnswer { id: key.id }))
    }

    fn extend(&mut self, cx: &mut Context<'_>, key: &Key, extend_ms: u64) -> Result<Answer, ErrorDetail> {
        let now = cx.now;
        let Some(hand) = self.inbox.hand_mut(key) else {
            return Err(not_in_hand(key));
        };
        if hand.lease_until_ms.is_some() {
            hand.lease_until_ms = Some(now.mono_ms.saturating_add(extend_ms));
            hand.lease_expires_at = later(now.wall, extend_ms);
        }
        Ok(Answer::Extended(ProgressAnswer {
            lease_expires_at: hand.lease_expires_at,
        }))
    }

    /// A stream reader was given a message and the bridge verified it.
    pub(super) fn injected(&mut self, cx: &mut Context<'_>, reader: ReaderId, key: &Key) {
        let Some(kind) = self.inbox.reader(reader) else {
            return;
        };
        let held = |hand: &&mut Hand| hand.holder == Holder::Reader(reader) && !hand.injected;
        let Some(hand) = self.inbox.hand_mut(key).filter(held) else {
            return;
        };
        hand.injected = true;
        if kind.auto {
            hand.unwritten_end = true;
            let proof = proof_of(hand.bridge);
            if let Err(error) = self.end(cx, key, Outcome::Injected, proof) {
                self.spool_blocked(cx, Some(key.id), &error);
            }
            return;
        }
        let levels = &[ReceiptLevel::Fetched, ReceiptLevel::Injected];
        if let Some(hand) = self.inbox.hand(key) {
            let (out, body) = self.receipt_of(cx, &told(hand, levels, Proof::Write));
            self.owe(cx, out, body);
        }
        if self.is_draining() {
            self.give_back(cx, key, 0, "the sidecar is shutting down");
        }
    }

    /// Takes a message out of the agent's hands and lets it come again; after the last hand-over it is dead instead.
    pub(super) fn give_back(&mut self, cx: &mut Context<'_>, key: &Key, delay_ms: u64, why: &str) {
        self.give_back_as(cx, key, delay_ms, why, false);
    }

    /// The same; what came no further than the bridge is `untouched` and does not count as a hand-over.
    pub(super) fn give_back_as(
        &mut self,
        cx: &mut Context<'_>,
        key: &Key,
        delay_ms: u64,
        why: &str,
        untouched: bool,
    ) {
        if self.inbox.hand(key).is_some_and(|hand| hand.unwritten_end) {
            return;
        }
        let Some(hand) = self.inbox.release(key) else {
            return;
        };
        let entry = self.ledger.received(key);
        let attempts = entry.map_or(0, crate::ledger::InEntry::attempts);
        let last = attempts >= HAND_OVERS_MAX && !untouched;
        let returned = Record::Returned {
            key: key.clone(),
            delivery: hand.delivery,
            until: (delay_ms > 0 && !last).then(|| later(cx.now.wall, delay_ms)),
            untouched,
            at: Some(cx.now.wall),
            why: Some(why.to_owned()),
        };
        self.note(cx, returned, Some(key.id));
        let mut delay_ms = delay_ms;
        if last {
            let why = format!("handed over {HAND_OVERS_MAX} times without success, at last: {why}");
            match self.bury(cx, &Corpse::in_hand(&hand), DeadReason::MaxDeliver, &why) {
                Ok(()) => return,
                // It comes again and waits for room in the spool.
                Err(error) => {
                    self.spool_blocked(cx, Some(key.id), &error);
                    delay_ms = 0;
                }
            }
        }
        if delay_ms == 0 {
            self.lane_mut(hand.priority).expect();
        } else {
            let until_ms = cx.now.mono_ms.saturating_add(delay_ms);
            self.delayed.insert(hand.stream_seq, (hand.priority, until_ms));
            self.lane_mut(hand.priority).expect_at(until_ms);
        }
        let follow = Follow::Comes {
            lane: Some(hand.priority),
            stream_seq: Some(hand.stream_seq),
        };
        self.settle(cx, &hand.ack, Settlement::Nak { delay_ms }, follow);
    }

    /// Gives several back at once, in the order of the stream: so they come again (DESIGN 3.3, Order).
    pub(super) fn return_all(&mut self, cx: &mut Context<'_>, mut keys: Vec<Key>, why: &str) {
        keys.sort_by_key(|key| self.inbox.hand(key).map(|hand| hand.stream_seq));
        for key in &keys {
            self.give_back(cx, key, 0, why);
        }
    }
}

/// What a receipt says of a message in hand.
pub(super) fn told<'a>(hand: &'a Hand, levels: &'a [ReceiptLevel], proof: Proof) -> Report<'a> {
    Report {
        key: &hand.key,
        levels,
        bridge: Some(hand.bridge),
        proof,
        delivery: hand.delivery,
        reason: hand
            .fallback
            .then_some(ReceiptReason::HandOver(HandOverRemark::Fallback)),
    }
}

pub(super) const fn acked(id: Id, level: Level) -> Answer {
    Answer::Acked(AckAnswer { id, level })
}

fn not_in_hand(key: &Key) -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::LeaseLost,
        format!("message {} is not in hand any more", key.id),
    )
    .hint("it comes again with a new lease: GET /v1/inbox")
}
