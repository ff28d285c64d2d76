//! The draft: what an agent gives to its sidecar to be sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::Recipient;
use crate::id::{AgentId, Id};
use crate::limits::CONTENT_BYTES_MAX;
use crate::message::{Message, MessageType};
use crate::priority::Priority;
use crate::time::Timestamp;

/// A message before its sidecar made it one: only `to_agent` and `content` are needed.
///
/// `timestamp` and `acknowledged` are ignored when given, like every unknown field, so that a whole message is a valid
/// draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Draft")]
pub struct Draft {
    /// To whom it goes.
    pub to_agent: Recipient,
    /// The text, at most 262,144 bytes of UTF-8.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    pub content: String,
    /// How much it is worth interrupting for. Absent: `normal`.
    #[serde(default)]
    pub priority: Priority,
    /// What it is for. Absent: `status`.
    #[serde(default)]
    pub message_type: MessageType,
    /// The conversation it belongs to. Absent: it begins one under its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<Id>,
    /// Free data of the sender.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The caller's own id: a repeat with the same id and body is the same message. Absent: the sidecar makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Absent, or the agent's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_agent: Option<AgentId>,
}

impl Draft {
    /// A draft of a normal status to `to`.
    pub fn text(to: Recipient, content: String) -> Self {
        Self {
            to_agent: to,
            content,
            priority: Priority::default(),
            message_type: MessageType::default(),
            conversation_id: None,
            metadata: Map::new(),
            id: None,
            from_agent: None,
        }
    }

    /// The message that this draft becomes, sent by `from` under `id` at `timestamp`.
    pub fn into_message(self, id: Id, from: AgentId, timestamp: Timestamp) -> Message {
        Message {
            id,
            from_agent: from,
            to_agent: self.to_agent,
            content: self.content,
            priority: self.priority,
            message_type: self.message_type,
            timestamp,
            acknowledged: false,
            conversation_id: self.conversation_id.unwrap_or(id),
            metadata: self.metadata,
        }
    }
}
