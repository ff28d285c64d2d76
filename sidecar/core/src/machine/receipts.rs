//! Receipts out and in.

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;

use super::burial::Corpse;
use super::{Sidecar, waiting};
use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::event::{FetchOutcome, Fetched};
use crate::journal::JournalError;
use crate::receipt::{self, ReceiptRefusal, Report};
use crate::record::{Closed, Out, OutKind, Record};
use crate::settle::Follow;

/// Most receipts that are kept about one message: three for each member of a large room.
const RECEIPTS_MAX: usize = 4_096;

impl Sidecar {
    /// Tells the sender of a message how far it came.
    pub(super) fn report(&mut self, cx: &mut Context<'_>, report: &Report<'_>) {
        let (out, body) = self.receipt_of(cx, report);
        self.owe(cx, out, body);
    }

    /// A receipt as it is written to the spool.
    pub(super) fn receipt_of(&self, cx: &mut Context<'_>, report: &Report<'_>) -> (Out, Bytes) {
        let id = cx.ids.fresh();
        let receipt = report.receipt(id, &self.settings.identity.agent, self.fence.epoch(), cx.now.wall);
        let out = self.bus_record(cx, id, OutKind::Receipt, &receipt::subject(&receipt), "receipt");
        (out, serde_json::to_vec(&receipt).unwrap_or_default().into())
    }

    pub(super) fn receipt_fetched(&mut self, cx: &mut Context<'_>, outcome: FetchOutcome) {
        match outcome {
            FetchOutcome::Got(fetched) => {
                self.receipts.got(fetched.stream_seq, fetched.pending);
                self.take_receipt(cx, *fetched);
            }
            FetchOutcome::Empty => self.receipts.empty(),
            FetchOutcome::Failed => self.receipts.failed(cx.now.mono_ms),
        }
    }

    pub(super) fn take_receipt(&mut self, cx: &mut Context<'_>, fetched: Fetched) {
        self.settlements.came(None, fetched.stream_seq);
        if let Err(error) = self.judge(cx, &fetched) {
            self.park(cx, None, fetched, &error);
        }
    }

    fn judge(&mut self, cx: &mut Context<'_>, fetched: &Fetched) -> Result<(), JournalError> {
        let subject = Subject::parse(&self.settings.hive, &fetched.subject);
        let judged = if matches!(subject, Ok(Subject::Control { .. })) {
            self.take_control(cx, fetched)?
        } else {
            match receipt::read(&self.settings.hive, &fetched.subject, &fetched.payload) {
                Ok(receipt) => Ok(self.count_receipt(cx, &receipt, fetched)?),
                Err(refusal) => Err(refusal),
            }
        };
        match judged {
            Ok(()) => {
                self.settle(cx, &fetched.ack, Settlement::Ack, Follow::Nothing);
                Ok(())
            }
            Err(_) if self.is_buried(Stream::Receipts, fetched.stream_seq) => Ok(()),
            Err(refusal) => {
                let reason = match &refusal {
                    ReceiptRefusal::Undecodable(_) => DeadReason::Undecodable,
                    ReceiptRefusal::Disagrees(_) => DeadReason::Refused,
                };
                let corpse = Corpse::fetched(Stream::Receipts, fetched);
                self.bury(cx, &corpse, reason, &refusal.to_string())
            }
        }
    }

    /// Takes note of a receipt; what says nothing new, or comes from somebody who cannot know, is passed over.
    fn count_receipt(
        &mut self,
        cx: &mut Context<'_>,
        receipt: &Receipt,
        fetched: &Fetched,
    ) -> Result<(), JournalError> {
        let message_id = receipt.message_id;
        let Some(head) = self
            .ledger
            .sent(&message_id)
            .and_then(|entry| entry.head.as_ref())
        else {
            // Of a message that is no longer remembered, or was never ours.
            return Ok(());
        };
        let subject = Subject::parse(&self.settings.hive, &head.subject);
        if !subject.is_ok_and(|subject| receipt::counts(receipt, &subject)) {
            cx.warn(
                Some(message_id),
                format!("ignored a receipt from {}, who is no addressee", receipt.agent),
            );
            return Ok(());
        }
        let command = head.kind == OutKind::Command;
        let full = self.ledger.receipts(&message_id).count() >= RECEIPTS_MAX;
        if full || self.ledger.has_receipt(&message_id, &receipt.id) {
            return Ok(());
        }
        let level = receipt.level;
        let record = Record::ReceiptIn {
            id: receipt.id,
            message_id,
            level,
            at: cx.now.wall,
        };
        self.record(cx, record, &fetched.payload)?;
        if command {
            self.take_verdict(cx, receipt);
            return Ok(());
        }
        if receipt_level_is_proof(level) {
            self.note(
                cx,
                Record::OutClosed {
                    id: message_id,
                    why: Closed::Receipted,
                },
                Some(message_id),
            );
        }
        self.waiters.reached(cx, &self.ledger, message_id);
        if level == ReceiptLevel::Dead {
            self.note(
                cx,
                Record::OutClosed {
                    id: message_id,
                    why: Closed::Dead,
                },
                Some(message_id),
            );
            let error = waiting::dead(&self.ledger, message_id, receipt.reason);
            self.waiters.fail(cx, message_id, &error);
        }
        self.tell_readers(cx, receipt);
        Ok(())
    }

    /// Tells stream readers of a receipt.
    pub(super) fn tell_readers(&self, cx: &mut Context<'_>, receipt: &Receipt) {
        let told = self
            .inbox
            .readers()
            .any(|(_, kind)| matches!(kind.bridge, Bridge::Sse | Bridge::Ws));
        if told {
            cx.ask(Effect::Notify {
                receipt: Box::new(receipt.clone()),
            });
        }
    }
}

/// A level as a receipt says it, when receipts say it at all.
const fn receipt_level_is_proof(level: ReceiptLevel) -> bool {
    matches!(
        level,
        ReceiptLevel::Injected | ReceiptLevel::Seen | ReceiptLevel::Done
    )
}
