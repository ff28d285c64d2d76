//! The dead letter: what could not be delivered, why, and its original bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoded;
use crate::id::{AgentId, Id};
use crate::reason::DeadReason;
use crate::time::Timestamp;

/// A record of `WB_DLQ`. Readers drop doubles by (`stream`, `stream_seq`, `agent`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "DeadLetter")]
pub struct DeadLetter {
    /// The dead letter's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// Id of the message, when one could be read.
    pub message_id: Option<Id>,
    /// The stream in which the original lies.
    pub stream: String,
    /// Its sequence there.
    pub stream_seq: u64,
    /// The subject under which it was published.
    pub subject: String,
    /// For whom it is dead.
    pub agent: AgentId,
    /// Why.
    pub reason: DeadReason,
    /// How often it was handed over.
    pub delivery: u32,
    /// What exactly was wrong, for people.
    pub detail: String,
    /// The original bytes in base64 with padding; null when they are over 320 KiB.
    #[serde(default, deserialize_with = "encoded::base64")]
    #[schemars(regex(pattern = encoded::BASE64_PATTERN), length(max = encoded::BASE64_BYTES_MAX))]
    pub body_base64: Option<String>,
    /// When it was written.
    pub at: Timestamp,
}

impl DeadLetter {
    /// Whether `writer`, the last token of its subject, may say this: everybody speaks for itself, and the coordinator
    /// also for those who let mail expire.
    pub fn may_be_of(&self, writer: &AgentId) -> bool {
        *writer == self.agent || (*writer == AgentId::coordinator() && self.reason == DeadReason::Expired)
    }
}
