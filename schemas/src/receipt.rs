//! The receipt: proof of how far a message came, or the reason why it did not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bridge::{Bridge, Proof};
use crate::error::ErrorDetail;
use crate::id::{AgentId, Id};
use crate::level::ReceiptLevel;
use crate::reason::{DeadReason, HoldReason};
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// A remark on a hand-over that succeeded.
    HandOverRemark, "remark on a hand-over" {
        /// Delivered through the terminal pane because the better reader was gone.
        Fallback = "fallback",
    }
}

/// Why a receipt says what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum ReceiptReason {
    /// Of a `held` receipt.
    Held(HoldReason),
    /// Of a `dead` receipt.
    Dead(DeadReason),
    /// Of a hand-over.
    HandOver(HandOverRemark),
}

impl std::fmt::Display for ReceiptReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(reason) => reason.fmt(f),
            Self::Dead(reason) => reason.fmt(f),
            Self::HandOver(remark) => remark.fmt(f),
        }
    }
}

/// A level and when it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LevelAt {
    /// The level.
    pub level: ReceiptLevel,
    /// When it was reached, by the reporter's clock.
    pub at: Timestamp,
}

/// A report on one message, from its recipient or from `coordinator`.
///
/// Levels reached together travel in one receipt; `level` is the highest of them and the token of the subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Receipt")]
pub struct Receipt {
    /// The receipt's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// The message that it is about.
    pub message_id: Id,
    /// Who sent that message; the `<to>` token of the receipt's subject.
    pub sender: AgentId,
    /// The recipient that it is about.
    pub agent: AgentId,
    /// The highest of `levels`.
    pub level: ReceiptLevel,
    /// All levels reached together, in order.
    pub levels: Vec<LevelAt>,
    /// The channel used; null from `coordinator` and when nothing was handed over.
    pub bridge: Option<Bridge>,
    /// What the level was concluded from.
    pub proof: Proof,
    /// Which hand-over this was, from 1; null from `coordinator`, 0 when nothing was handed over.
    pub delivery: Option<u32>,
    /// The reporter's lease epoch; null from `coordinator`.
    pub epoch: Option<u64>,
    /// When it was written.
    pub at: Timestamp,
    /// Why held or dead, or a remark on the hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReceiptReason>,
    /// Since when held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Timestamp>,
    /// Result of a command (a verdict).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why a command was refused (a verdict).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
}

impl Receipt {
    /// Whether `from` may have published it: everybody reports for itself, and the coordinator for whoever is away
    /// (DESIGN 3.4).
    pub fn may_be_of(&self, from: &AgentId) -> bool {
        self.agent == *from || *from == AgentId::coordinator()
    }

    /// What the coordinator reports about a message that lies in the inbox of `agent`: it hands nothing over, so it has
    /// no bridge, no epoch, and proves nothing.
    pub fn by_coordinator(
        id: Id,
        (sender, message_id): (AgentId, Id),
        agent: AgentId,
        reason: ReceiptReason,
        at: Timestamp,
    ) -> Self {
        let level = match reason {
            ReceiptReason::Held(_) => ReceiptLevel::Held,
            ReceiptReason::Dead(_) => ReceiptLevel::Dead,
            ReceiptReason::HandOver(_) => ReceiptLevel::Injected,
        };
        Self {
            reason: Some(reason),
            ..Self::of_coordinator(id, (sender, message_id), agent, level, at)
        }
    }

    /// What became of a command or message to the coordinator: done, or dead with an error.
    pub fn verdict(
        id: Id,
        sent: (AgentId, Id),
        outcome: Result<Option<Value>, ErrorDetail>,
        at: Timestamp,
    ) -> Self {
        let (level, result, error) = match outcome {
            Ok(result) => (ReceiptLevel::Done, result, None),
            Err(error) => (ReceiptLevel::Dead, None, Some(error)),
        };
        Self {
            result,
            error,
            ..Self::of_coordinator(id, sent, AgentId::coordinator(), level, at)
        }
    }

    fn of_coordinator(
        id: Id,
        (sender, message_id): (AgentId, Id),
        agent: AgentId,
        level: ReceiptLevel,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            message_id,
            sender,
            agent,
            level,
            levels: vec![LevelAt { level, at }],
            bridge: None,
            proof: Proof::None,
            delivery: None,
            epoch: None,
            at,
            reason: None,
            since: None,
            next_attempt: None,
            result: None,
            error: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::HoldReason;

    #[test]
    fn it_counts_from_who_reports_and_from_the_coordinator() {
        let (coordinator, bob): (AgentId, AgentId) = (AgentId::coordinator(), "bob".parse().unwrap());
        let id = Id::from_bytes([7; 16]);
        let at = Timestamp::from_unix_ms(0).unwrap();
        let reason = ReceiptReason::Held(HoldReason::NoSidecar);
        let held = Receipt::by_coordinator(id, (coordinator.clone(), id), bob.clone(), reason, at);
        assert!(held.may_be_of(&bob) && held.may_be_of(&coordinator));
        assert!(!held.may_be_of(&"mallory".parse().unwrap()));
    }
}
