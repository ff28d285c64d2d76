//! A conversation: the messages that share a `conversation_id`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Recipient;
use crate::id::Id;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

/// Time without a message after which a conversation is archived, in milliseconds: 7 days.
pub const ARCHIVED_AFTER_MS: i64 = 7 * 24 * 3_600_000;

vocabulary! {
    /// Where a conversation stands.
    ConversationStatus, "status of a conversation" {
        /// It goes on.
        Active = "active",
        /// Nobody has written for 7 days; the next message makes it active again.
        Archived = "archived",
        /// Somebody ended it.
        Closed = "closed",
    }
}

/// A conversation, derived from its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Conversation")]
pub struct Conversation {
    /// The `conversation_id` of its messages.
    pub id: Id,
    /// Who wrote or was written to, rooms included, in alphabetical order.
    pub participants: Vec<Recipient>,
    /// Time of its first message.
    pub created_at: Timestamp,
    /// Time of its last message.
    pub last_activity: Timestamp,
    /// Where it stands.
    pub status: ConversationStatus,
}
