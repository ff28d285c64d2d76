//! Receipts out and in.

use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;

use super::incoming::Corpse;
use super::{Sidecar, receipt_level_is_proof};
use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::event::{FetchOutcome, Fetched};
use crate::receipt::{self, ReceiptRefusal, Report};
use crate::record::{Closed, OutKind, Record, ThenAck};

impl Sidecar {
    /// Writes a receipt into the spool and puts it on its way; `then_ack` is acked once it is stored.
    pub(super) fn report(&mut self, cx: &mut Context<'_>, report: &Report<'_>, then_ack: Option<ThenAck>) {
        let id = cx.ids.fresh();
        let receipt = report.receipt(id, &self.settings.identity.agent, self.fence.epoch(), cx.now.wall);
        let subject = receipt::subject(&receipt);
        let mut out = self.bus_record(cx, id, OutKind::Receipt, &subject, "receipt");
        out.then_ack.clone_from(&then_ack);
        let body = serde_json::to_vec(&receipt).unwrap_or_default();
        if let Err(error) = self.accept(cx, out, body.into()) {
            cx.warn(Some(report.key.id), format!("cannot write a receipt: {error}"));
            // The end of the message is in the spool: it may be acked although its sender is not told.
            if let Some(then) = then_ack {
                self.settle(cx, &then.ack, Settlement::Ack, then.key);
            }
        }
    }

    pub(super) fn receipt_fetched(&mut self, cx: &mut Context<'_>, outcome: FetchOutcome) {
        match outcome {
            FetchOutcome::Got(fetched) => {
                self.receipts.got(fetched.stream_seq, fetched.pending);
                self.take_receipt(cx, &fetched);
            }
            FetchOutcome::Empty => self.receipts.empty(),
            FetchOutcome::Failed => self.receipts.failed(cx.now.mono_ms),
        }
    }

    pub(super) fn take_receipt(&mut self, cx: &mut Context<'_>, fetched: &Fetched) {
        match receipt::read(&self.settings.hive, &fetched.subject, &fetched.payload) {
            Ok(receipt) => {
                if self.count_receipt(cx, &receipt, fetched) {
                    self.settle(cx, &fetched.ack, Settlement::Ack, None);
                }
            }
            Err(refusal) => {
                let reason = match &refusal {
                    ReceiptRefusal::Undecodable(_) => DeadReason::Undecodable,
                    ReceiptRefusal::Disagrees(_) => DeadReason::Refused,
                };
                let corpse = Corpse {
                    stream: Stream::Receipts,
                    subject: &fetched.subject,
                    stream_seq: fetched.stream_seq,
                    ack: &fetched.ack,
                    raw: &fetched.payload,
                    key: None,
                    delivery: 0,
                    silent: true,
                };
                self.bury(cx, &corpse, reason, &refusal.to_string());
            }
        }
    }

    /// Returns whether the receipt may be acked.
    fn count_receipt(&mut self, cx: &mut Context<'_>, receipt: &Receipt, fetched: &Fetched) -> bool {
        let message_id = receipt.message_id;
        let Some(head) = self
            .ledger
            .sent(&message_id)
            .and_then(|entry| entry.head.as_ref())
        else {
            // Of a message that is no longer remembered, or was never ours.
            return true;
        };
        let subject = Subject::parse(&self.settings.hive, &head.subject);
        if !subject.is_ok_and(|subject| receipt::counts(receipt, &subject)) {
            cx.warn(
                Some(message_id),
                format!("ignored a receipt from {}, who is no addressee", receipt.agent),
            );
            return true;
        }
        if self.ledger.has_receipt(&message_id, &receipt.id) {
            return true;
        }
        let level = receipt.level;
        let record = Record::ReceiptIn {
            id: receipt.id,
            message_id,
            level,
            at: cx.now.wall,
        };
        if let Err(error) = cx.record(&mut self.ledger, record, &fetched.payload) {
            cx.warn(
                Some(message_id),
                format!("cannot write a receipt that arrived: {error}"),
            );
            return false;
        }
        self.wrote(false);
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
            let reason = receipt
                .reason
                .map_or_else(|| "dead".to_owned(), |reason| reason.to_string());
            let error = ErrorDetail::new(ErrorCode::LevelNotReached, format!("message {message_id} is dead: {reason}"))
                .hint(format!("look with `wagglebus trace {message_id}`"))
                .details(serde_json::json!({ "level": self.ledger.level(&message_id), "id": message_id, "dead": reason }));
            self.waiters.fail(cx, message_id, &error);
        }
        let told = self
            .inbox
            .readers()
            .any(|(_, kind)| matches!(kind.bridge, Bridge::Sse | Bridge::Ws));
        if told {
            cx.ask(Effect::Notify {
                receipt: Box::new(receipt.clone()),
            });
        }
        true
    }
}
