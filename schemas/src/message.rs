//! The message: one line of JSON from one agent to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::Recipient;
use crate::id::{AgentId, Id};
use crate::limits::CONTENT_BYTES_MAX;
use crate::priority::Priority;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a message is for.
    #[derive(Default)]
    MessageType, "message type" {
        /// Work to be done.
        Task = "task",
        /// Something to know; no answer expected.
        #[default]
        Status = "status",
        /// An answer is expected.
        Question = "question",
        /// The answer to a question or a task.
        Response = "response",
    }
}

/// Keys of [`Message::metadata`] that have a meaning on the bus; all others are the sender's own.
pub mod metadata {
    /// The capability that was asked for when `to_agent` was `capability:<name>`.
    pub const CAPABILITY: &str = "capability";
    /// Id of the message that this one answers.
    pub const IN_REPLY_TO: &str = "in_reply_to";
    /// RFC 3339 time after which the message is not delivered.
    pub const EXPIRES_AT: &str = "expires_at";
    /// What a message from the bus itself is about, such as `undeliverable`.
    pub const KIND: &str = "kind";
    /// The value of [`KIND`] on the notice of a dead letter.
    pub const KIND_UNDELIVERABLE: &str = "undeliverable";
    /// Id of the task that a notice is about.
    pub const TASK_ID: &str = "task_id";
    /// Number of the assignment that a notice is about.
    pub const EPOCH: &str = "epoch";
    /// Value of [`KIND`]: a message of the coordinator to the operator about an alert.
    pub const KIND_ALERT: &str = "alert";
}

/// A message as it is on the bus.
///
/// The subject beats the body: recipients compare `from_agent`, `to_agent` and `priority` with the tokens of the
/// subject, and `id` with `Nats-Msg-Id`; where they disagree the message is a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "AcceptedMessage")]
#[schemars(title = "Message")]
pub struct Message {
    /// The message's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// Who wrote it.
    pub from_agent: AgentId,
    /// To whom it goes.
    pub to_agent: Recipient,
    /// The text, at most 262,144 bytes of UTF-8.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    pub content: String,
    /// How much it is worth interrupting for.
    pub priority: Priority,
    /// What it is for.
    pub message_type: MessageType,
    /// When it was accepted by the sender's sidecar. For display; order comes from the stream.
    pub timestamp: Timestamp,
    /// False on the wire; true in history views once the recipient acknowledged it.
    pub acknowledged: bool,
    /// The conversation it belongs to.
    pub conversation_id: Id,
    /// Free data of the sender. Reserved keys: capability, in_reply_to, expires_at, hop, via, idempotency_key, kind,
    /// attachment, enc, sig, task, task_id, epoch, emergency.
    pub metadata: Map<String, Value>,
}

/// A message as it is accepted from anybody: five fields are needed, the others have defaults.
///
/// The subject beats the body: recipients compare `from_agent`, `to_agent` and `priority` with the tokens of the
/// subject, and `id` with `Nats-Msg-Id`; where they disagree the message is a dead letter.
#[derive(Deserialize, JsonSchema)]
#[schemars(title = "Message")]
struct AcceptedMessage {
    /// The message's own id, also its `Nats-Msg-Id`.
    id: Id,
    /// Who wrote it; must equal the last token of the subject.
    from_agent: AgentId,
    /// To whom it goes; must agree with the subject.
    to_agent: Recipient,
    /// The text, at most 262,144 bytes of UTF-8.
    #[schemars(length(max = CONTENT_BYTES_MAX))]
    content: String,
    /// How much it is worth interrupting for; must equal the subject's token. Absent: `normal`.
    #[serde(default)]
    priority: Priority,
    /// What it is for. Absent: `status`.
    #[serde(default)]
    message_type: MessageType,
    /// When it was accepted by the sender's sidecar. For display; order comes from the stream.
    timestamp: Timestamp,
    /// False on the wire; true in history views once the recipient acknowledged it. Absent: false.
    #[serde(default)]
    acknowledged: bool,
    /// The conversation it belongs to. Absent: it begins one under its own id.
    #[serde(default)]
    conversation_id: Option<Id>,
    /// Free data of the sender. Reserved keys: capability, in_reply_to, expires_at, hop, via, idempotency_key, kind,
    /// attachment, enc, sig, task, task_id, epoch, emergency. Absent: empty.
    #[serde(default)]
    metadata: Map<String, Value>,
}

impl From<AcceptedMessage> for Message {
    fn from(m: AcceptedMessage) -> Self {
        Self {
            id: m.id,
            from_agent: m.from_agent,
            to_agent: m.to_agent,
            content: m.content,
            priority: m.priority,
            message_type: m.message_type,
            timestamp: m.timestamp,
            acknowledged: m.acknowledged,
            conversation_id: m.conversation_id.unwrap_or(m.id),
            metadata: m.metadata,
        }
    }
}

impl Message {
    /// The CloudEvents type, `io.wagglebus.message.v1.<message_type>`.
    pub fn event_type(&self) -> String {
        format!("io.wagglebus.message.v1.{}", self.message_type)
    }

    /// The message that this one answers, when it names a readable one.
    pub fn in_reply_to(&self) -> Option<Id> {
        self.metadata.get(metadata::IN_REPLY_TO)?.as_str()?.parse().ok()
    }

    /// The time after which the message must not be delivered, when it names a readable one.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.metadata.get(metadata::EXPIRES_AT)?.as_str()?.parse().ok()
    }
}
