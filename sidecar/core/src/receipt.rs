//! Receipts made by this sidecar, and receipts taken about its messages.

use bytes::Bytes;
use serde_json::Value;
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::{LevelAt, Receipt, ReceiptReason};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp};

use crate::record::Key;

/// What a receipt of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// The message.
    pub key: &'a Key,
    /// The levels reached together, lowest first; not empty.
    pub levels: &'a [ReceiptLevel],
    /// The channel.
    pub bridge: Option<Bridge>,
    /// What they were concluded from.
    pub proof: Proof,
    /// Which hand-over; 0 when nothing was handed over.
    pub delivery: u32,
    /// Why.
    pub reason: Option<ReceiptReason>,
}

impl Report<'_> {
    /// The receipt, reported by `agent` under `epoch`.
    pub fn receipt(&self, id: Id, agent: &AgentId, epoch: u64, at: Timestamp) -> Receipt {
        Receipt {
            id,
            message_id: self.key.id,
            sender: self.key.from.clone(),
            agent: agent.clone(),
            level: self.levels.last().copied().unwrap_or(ReceiptLevel::Fetched),
            levels: self
                .levels
                .iter()
                .map(|level| LevelAt { level: *level, at })
                .collect(),
            bridge: self.bridge,
            proof: self.proof,
            delivery: Some(self.delivery),
            epoch: Some(epoch),
            at,
            reason: self.reason,
            since: self.levels.contains(&ReceiptLevel::Held).then_some(at),
            next_attempt: None,
            result: None::<Value>,
            error: None,
        }
    }
}

/// Where a receipt is published.
pub fn subject(receipt: &Receipt) -> Subject {
    Subject::Receipt {
        to: receipt.sender.clone(),
        level: receipt.level,
        from: receipt.agent.clone(),
    }
}

/// Why a fetched receipt does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRefusal {
    /// Its bytes are not a receipt.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Its subject is not that of a receipt, or says something else than its body.
    #[error("{0}")]
    Disagrees(&'static str),
}

/// Reads a fetched receipt and holds it against its subject.
///
/// # Errors
/// See [`ReceiptRefusal`].
pub fn read(hive: &Hive, fetched_subject: &str, payload: &Bytes) -> Result<Receipt, ReceiptRefusal> {
    let Ok(Subject::Receipt { to, level, from }) = Subject::parse(hive, fetched_subject) else {
        return Err(ReceiptRefusal::Disagrees("its subject is not that of a receipt"));
    };
    let receipt: Receipt = decode::record("receipt", payload, MESSAGE_BYTES_MAX)?;
    if receipt.sender != to {
        return Err(ReceiptRefusal::Disagrees(
            "its sender is not the one of its subject",
        ));
    }
    if receipt.level != level {
        return Err(ReceiptRefusal::Disagrees(
            "its level is not the one of its subject",
        ));
    }
    if from != receipt.agent && from != AgentId::coordinator() {
        return Err(ReceiptRefusal::Disagrees(
            "it was reported by neither its agent nor the coordinator",
        ));
    }
    Ok(receipt)
}

/// Whether a receipt about a message counts: only an addressee (or the coordinator about one) can tell. On a command only
/// the coordinator decides.
pub fn counts(receipt: &Receipt, message: &Subject) -> bool {
    match message {
        Subject::Message { to, .. } => *to == receipt.agent || receipt.agent == AgentId::coordinator(),
        Subject::Room { .. } => true,
        Subject::Task { .. } => receipt.agent == AgentId::coordinator(),
        Subject::Receipt { .. }
        | Subject::Control { .. }
        | Subject::Event { .. }
        | Subject::Report { .. }
        | Subject::Dlq { .. }
        | Subject::Heartbeat { .. }
        | Subject::Api { .. }
        | Subject::WakeMessage { .. }
        | Subject::WakeReceipt { .. }
        | Subject::WakeControl { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        let key = Key {
            from: "alice".parse().unwrap(),
            id: Id::from_bytes([1; 16]),
        };
        let report = Report {
            key: &key,
            levels: &[ReceiptLevel::Fetched, ReceiptLevel::Injected],
            bridge: Some(Bridge::Http),
            proof: Proof::Read,
            delivery: 1,
            reason: None,
        };
        let at = Timestamp::from_unix_ms(0).unwrap();
        report.receipt(Id::from_bytes([2; 16]), &"bob".parse().unwrap(), 7, at)
    }

    fn bytes(receipt: &Receipt) -> Bytes {
        serde_json::to_vec(receipt).unwrap().into()
    }

    #[test]
    fn the_level_is_the_highest_and_the_subjects_token() {
        let receipt = receipt();
        assert_eq!(receipt.level, ReceiptLevel::Injected);
        assert_eq!(
            subject(&receipt).build(&Hive::default()),
            "wb.receipt.alice.injected.bob"
        );
    }

    #[test]
    fn only_an_addressee_or_the_coordinator_reports() {
        let (hive, receipt) = (Hive::default(), receipt());
        let bytes = bytes(&receipt);
        assert_eq!(
            read(&hive, "wb.receipt.alice.injected.bob", &bytes),
            Ok(receipt.clone())
        );
        assert!(read(&hive, "wb.receipt.alice.injected.coordinator", &bytes).is_ok());
        for forged in [
            "wb.receipt.alice.injected.mallory",
            "wb.receipt.bob.injected.bob",
            "wb.receipt.alice.done.bob",
        ] {
            assert!(
                matches!(read(&hive, forged, &bytes), Err(ReceiptRefusal::Disagrees(_))),
                "{forged}"
            );
        }
        let message = |to: &str| Subject::parse(&hive, &format!("wb.msg.{to}.low.alice")).unwrap();
        assert!(counts(&receipt, &message("bob")));
        assert!(!counts(&receipt, &message("carol")));
    }
}
