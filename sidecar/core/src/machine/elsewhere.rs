//! Messages that the agent has read by another way than a hand-over, such as in the stream by somebody who may look there.
//!
//! A lane hands out its head and nothing else. Such a message ends where it lies: its sender is told, and when the lane
//! brings it, it is acked away like every other one that has ended.

use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::{Level, Priority};

use super::Sidecar;
use super::leasing::fenced;
use super::sending::spool_full;
use super::verbs::acked;
use crate::context::Context;
use crate::effect::Answer;
use crate::event::Fetched;
use crate::journal::JournalError;
use crate::ledger::InEntry;
use crate::receipt::Report;
use crate::record::{HandOver, Key, Outcome, Record, ThenAck};

/// Most messages that have ended and that no lane has brought yet. Each is remembered until then.
const ENDED_ELSEWHERE_MAX: usize = 10_000;

impl Sidecar {
    /// Ends a message that the agent has read elsewhere: it is not handed over (again). A message in hand is settled by
    /// its lease instead, because somebody works on it.
    pub(super) fn read_elsewhere(&mut self, cx: &mut Context<'_>, key: Key) -> Result<Answer, ErrorDetail> {
        if !self.fence.holds(cx.now) {
            return Err(if self.fence.is_fenced() {
                fenced()
            } else {
                ErrorDetail::new(
                    ErrorCode::BusUnreachable,
                    "the agent's lease is not held at present",
                )
                .hint("try again in some seconds: the sidecar takes it as soon as the bus is reachable")
            });
        }
        if self.inbox.hand(&key).is_some() {
            let why = format!("message {} is in the agent's hands", key.id);
            return Err(ErrorDetail::new(ErrorCode::LeaseLost, why).hint("settle it with its lease"));
        }
        let entry = self.ledger.received(&key);
        match entry.and_then(|entry| entry.ended) {
            Some((Outcome::Done, _)) => return Ok(acked(key.id, Level::Done)),
            Some((Outcome::Injected, _)) => return Ok(acked(key.id, Level::Injected)),
            Some((Outcome::Dead, _)) => {
                let why = format!("message {} is a dead letter", key.id);
                return Err(ErrorDetail::new(ErrorCode::LeaseLost, why).hint("see it: wagglebus dlq ls"));
            }
            None => {}
        }
        let delivery = entry.map_or(0, InEntry::deliveries);
        if delivery == 0 && self.ended_elsewhere().count() >= ENDED_ELSEWHERE_MAX {
            let why = format!("{ENDED_ELSEWHERE_MAX} messages have ended before their lane brought them");
            return Err(ErrorDetail::new(ErrorCode::RateLimited, why)
                .retry_after_ms(60_000)
                .hint("take what waits: wagglebus inbox --take 1"));
        }
        let report = Report {
            key: &key,
            levels: &[ReceiptLevel::Seen, ReceiptLevel::Done],
            bridge: None,
            proof: Proof::Ack,
            delivery,
            reason: None,
        };
        let (mut out, body) = self.receipt_of(cx, &report);
        out.then_ack = Some(ThenAck {
            ack: String::new(),
            key: Some(key.clone()),
            outcome: Some(Outcome::Done),
        });
        self.accept(cx, out, body).map_err(spool_full)?;
        Ok(acked(key.id, Level::Done))
    }

    /// Keeps what a lane brings after the agent read it elsewhere: the history shall have it like every other one.
    ///
    /// # Errors
    /// When the spool has no room: nothing happened, and the message must come again.
    pub(super) fn keep_brought(
        &mut self,
        cx: &mut Context<'_>,
        lane: Priority,
        fetched: &Fetched,
        key: &Key,
    ) -> Result<(), JournalError> {
        let done = |entry: &InEntry| matches!(entry.ended, Some((Outcome::Done, _)));
        let bodiless = |entry: &&InEntry| entry.head.is_none() && done(entry);
        if self.ledger.received(key).filter(bodiless).is_none() {
            return Ok(());
        }
        let record = Record::HandOver(HandOver {
            key: key.clone(),
            priority: lane,
            stream_seq: fetched.stream_seq,
            ack: fetched.ack.clone(),
            delivery: 0,
            at: cx.now.wall,
            bodiless: false,
        });
        self.record(cx, record, &fetched.payload).map(|_| ())
    }

    /// Messages that have ended and that their lane still has: never handed over, though they count as waiting.
    pub fn ended_elsewhere(&self) -> impl Iterator<Item = &Key> {
        let unfinished = self.ledger.unfinished();
        unfinished
            .filter(|(_, entry)| entry.has_ended() && entry.head.is_none())
            .map(|(key, _)| key)
    }
}
