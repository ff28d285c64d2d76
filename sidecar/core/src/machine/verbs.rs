//! What the agent does with a message in its hands: ack, nak, progress; and what time does to it.

use wagglebus_schemas::api::{AckAnswer, NakAnswer, ProgressAnswer};
use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::{DELAYED_NAKS_PER_LANE_MAX, HAND_OVERS_MAX};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Id, Level};

use super::incoming::{Corpse, is_notice};
use super::sending::spool_full;
use super::{Sidecar, later};
use crate::context::Context;
use crate::effect::{Answer, Effect, Settlement};
use crate::event::{ReaderId, Token, Verb};
use crate::inbox::Holder;
use crate::receipt::Report;
use crate::record::{Key, Outcome, Record, ThenAck};

impl Sidecar {
    pub(super) fn verb(
        &mut self,
        cx: &mut Context<'_>,
        token: Token,
        id: Id,
        lease: Option<&str>,
        verb: Verb,
    ) {
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
            Verb::Ack { done: true } => self.finish(cx, key, Outcome::Done, Proof::Ack),
            Verb::Ack { done: false } => self.see(cx, key),
            Verb::Nak { delay_ms, reason } => self.nak(cx, key, delay_ms, reason.as_deref()),
            Verb::Progress { extend_ms } => self.extend(cx, key, extend_ms),
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
                return Ok(Answer::Acked(AckAnswer {
                    id,
                    level: Level::Done,
                }));
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

    /// Ends a message: from here on it is never handed over again.
    fn finish(
        &mut self,
        cx: &mut Context<'_>,
        key: &Key,
        outcome: Outcome,
        proof: Proof,
    ) -> Result<Answer, ErrorDetail> {
        let Some(hand) = self.inbox.hand(key) else {
            return Err(not_in_hand(key));
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
        let then = ThenAck {
            ack: hand.ack.clone(),
            key: Some(key.clone()),
        };
        let (bridge, delivery) = (Some(hand.bridge), hand.delivery);
        let ended = Record::Ended {
            key: key.clone(),
            outcome,
            at: cx.now.wall,
        };
        cx.record(&mut self.ledger, ended, &bytes::Bytes::new())
            .map_err(spool_full)?;
        self.wrote(false);
        let report = Report {
            key,
            levels,
            bridge,
            proof,
            delivery,
            reason: None,
        };
        self.report(cx, &report, Some(then));
        self.inbox.release(key);
        Ok(Answer::Acked(AckAnswer {
            id: key.id,
            level: Level::Done,
        }))
    }

    fn see(&mut self, cx: &mut Context<'_>, key: &Key) -> Result<Answer, ErrorDetail> {
        let Some(hand) = self.inbox.hand(key) else {
            return Err(not_in_hand(key));
        };
        if !hand.seen {
            let (injected, bridge, delivery) = (hand.injected, Some(hand.bridge), hand.delivery);
            cx.record(
                &mut self.ledger,
                Record::Seen { key: key.clone() },
                &bytes::Bytes::new(),
            )
            .map_err(spool_full)?;
            self.wrote(false);
            let all = [ReceiptLevel::Fetched, ReceiptLevel::Injected, ReceiptLevel::Seen];
            let levels = if injected {
                all.get(2..).unwrap_or(&all)
            } else {
                &all
            };
            self.report(
                cx,
                &Report {
                    key,
                    levels,
                    bridge,
                    proof: Proof::Ack,
                    delivery,
                    reason: None,
                },
                None,
            );
            if let Some(hand) = self.inbox.hand_mut(key) {
                hand.seen = true;
                hand.injected = true;
            }
        }
        Ok(Answer::Acked(AckAnswer {
            id: key.id,
            level: Level::Seen,
        }))
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
        let Some(hand) = self
            .inbox
            .hand_mut(key)
            .filter(|hand| hand.holder == Holder::Reader(reader))
        else {
            return;
        };
        if kind.auto {
            if let Err(error) = self.finish(cx, key, Outcome::Injected, Proof::Write) {
                // Kept in hand: never handed over again by this process, and counted when it restarts.
                cx.warn(Some(key.id), error.message);
            }
            return;
        }
        hand.injected = true;
        let (bridge, delivery) = (Some(hand.bridge), hand.delivery);
        let levels = &[ReceiptLevel::Fetched, ReceiptLevel::Injected];
        self.report(
            cx,
            &Report {
                key,
                levels,
                bridge,
                proof: Proof::Write,
                delivery,
                reason: None,
            },
            None,
        );
    }

    /// Takes a message out of the agent's hands and lets it come again; after the last hand-over it is dead instead.
    pub(super) fn give_back(&mut self, cx: &mut Context<'_>, key: &Key, delay_ms: u64, why: &str) {
        let Some(hand) = self.inbox.release(key) else {
            return;
        };
        let returned = Record::Returned {
            key: key.clone(),
            delivery: hand.delivery,
        };
        self.note(cx, returned, Some(key.id));
        if hand.delivery >= HAND_OVERS_MAX {
            let corpse = Corpse {
                stream: Stream::Messages,
                subject: &hand.subject,
                stream_seq: hand.stream_seq,
                ack: &hand.ack,
                raw: &hand.raw,
                key: Some(key.clone()),
                delivery: hand.delivery,
                silent: is_notice(&hand.message),
            };
            let why = format!("handed over {HAND_OVERS_MAX} times without success, at last: {why}");
            return self.bury(cx, &corpse, DeadReason::MaxDeliver, &why);
        }
        if delay_ms == 0 {
            return self.bring_back(cx, hand.priority, &hand.ack);
        }
        let until_ms = cx.now.mono_ms.saturating_add(delay_ms);
        self.delayed.insert(hand.stream_seq, (hand.priority, until_ms));
        self.lane_mut(hand.priority).expect_at(until_ms);
        self.settle(cx, &hand.ack, Settlement::Nak { delay_ms }, None);
    }

    /// Gives several back at once, in the order of the stream: so they come again (DESIGN 3.3, Order).
    pub(super) fn return_all(&mut self, cx: &mut Context<'_>, mut keys: Vec<Key>, why: &str) {
        keys.sort_by_key(|key| self.inbox.hand(key).map(|hand| hand.stream_seq));
        for key in &keys {
            self.give_back(cx, key, 0, why);
        }
    }
}

fn not_in_hand(key: &Key) -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::LeaseLost,
        format!("message {} is not in hand any more", key.id),
    )
}
