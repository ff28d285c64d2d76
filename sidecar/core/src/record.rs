//! The spool's records: durable facts, each written before its effect.
//!
//! The order of records carries no meaning: the [`ledger`](crate::ledger) folds them by merging, so that old records may
//! be copied behind newer ones and every record may appear twice.
//!
//! A record's payload in the spool is `u32` length of the head (little-endian), the head as JSON, then the body (the
//! bytes of a message or receipt, exactly as on the bus).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp};

use crate::control::ControlFact;

/// A message is told from all others by its sender and its id: ids of different senders may collide, by accident or by
/// intent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The sender.
    pub from: AgentId,
    /// The message's id.
    pub id: Id,
}

/// Digest of a parsed draft: the first 16 bytes of SHA-256.
pub type DraftDigest = [u8; 16];

/// What an outgoing record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutKind {
    /// A message to an agent: kept until a receipt of `injected` or more, or `dead`.
    Message,
    /// A post to a room: kept until stored.
    Room,
    /// A receipt: kept until stored.
    Receipt,
    /// A dead letter: kept until stored.
    DeadLetter,
    /// A report to the coordinator: kept until stored.
    Report,
    /// A command about a task: kept until its verdict.
    Command,
}

/// An outgoing record; its body is what goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Out {
    /// Its id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// What it is.
    pub kind: OutKind,
    /// Where it is published.
    pub subject: String,
    /// Its lane in the outbox.
    pub priority: Priority,
    /// Its conversation, of messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Id>,
    /// `ce-type` of the publish.
    pub event_type: String,
    /// Digest of the draft, of messages: the same id with another one is a conflict.
    pub digest: DraftDigest,
    /// Position in the order of acceptance; grows by one with each outgoing record.
    pub order: u64,
    /// When it was accepted.
    pub at: Timestamp,
    /// The delivery that is acked once this record is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_ack: Option<ThenAck>,
    /// The caller's name for the message: a repeat under it is the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The body was given up to keep the history within its bound; only the digest is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

impl Out {
    /// The recipient named by the subject, of messages to agents.
    pub fn recipient(&self, hive: &Hive) -> Option<AgentId> {
        match Subject::parse(hive, &self.subject) {
            Ok(Subject::Message { to, .. }) => Some(to),
            _ => None,
        }
    }
}

/// A delivery whose ack waits for another record to be stored: the receipt that tells its end, or its dead letter.
///
/// The end and what tells of it are one record, so that no crash or full disk comes between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThenAck {
    /// The reply subject that settles it; empty when the message ended before its lane brought it.
    pub ack: String,
    /// The message; absent when its bytes name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// How the message ended: this record is its end, and from here on it is never handed over again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Why an outgoing record needs no further care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// A receipt of `injected` or more arrived.
    Receipted,
    /// A receipt `dead` arrived.
    Dead,
    /// Nothing came within the time or bytes that unreceipted messages are kept.
    GivenUp,
    /// The server refused it for good; it was never stored.
    Refused,
}

/// An incoming message about to be handed over; its body is the message as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The message.
    pub key: Key,
    /// Its lane.
    pub priority: Priority,
    /// Its sequence in `WB_MESSAGES`.
    pub stream_seq: u64,
    /// The reply subject that settles it.
    pub ack: String,
    /// Which hand-over this is, from 1; 0 for a message that the agent had read elsewhere when its lane brought it.
    pub delivery: u32,
    /// When.
    pub at: Timestamp,
    /// The body is in an earlier record, or was given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bodiless: bool,
}

/// How an incoming message ended. The order is the order of merging: the last wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Injected through a bridge that proves no more.
    Injected,
    /// The agent finished with it.
    Done,
    /// Filed as a dead letter.
    Dead,
}

/// What was heard of a task, from its notices and from verdicts. The numbers are those of assignments, 0: of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFact {
    /// The task.
    pub task_id: Id,
    /// The last that was this agent's.
    pub assigned: u64,
    /// The last that is over, as a verdict says.
    pub over: u64,
    /// The last that was taken away, as the coordinator gave notice.
    pub released: u64,
    /// Its priority, once heard; it never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// When.
    pub at: Timestamp,
}

/// A durable fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Record {
    /// An outgoing record was accepted. Shared: it is the entry in the ledger and goes out with each publish.
    Out(Arc<Out>),
    /// A stream acknowledged it.
    OutStored {
        /// Which.
        id: Id,
        /// Its sequence there.
        seq: u64,
        /// When; absent in records of versions that did not keep it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// It needs no further care.
    OutClosed {
        /// Which.
        id: Id,
        /// Why.
        why: Closed,
    },
    /// An incoming message is about to be handed over.
    HandOver(HandOver),
    /// The agent took note of it but works on.
    Seen {
        /// Which.
        key: Key,
    },
    /// It was given back after this hand-over and is in nobody's hands.
    Returned {
        /// Which.
        key: Key,
        /// After which hand-over.
        delivery: u32,
        /// Until when the server keeps it back; absent: it comes again at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// It had come no further than the bridge: this was no hand-over and does not count as one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        untouched: bool,
        /// When; absent in records of versions that did not keep it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The server confirmed its ack, after it had ended.
    Acked {
        /// Which.
        key: Key,
    },
    /// Something was heard of a task.
    Task(TaskFact),
    /// The operator stops the agent or the hive, or lets it go on.
    Control(ControlFact),
    /// A receipt about one of our messages or commands; its body is the receipt as published.
    ReceiptIn {
        /// The receipt's id.
        id: Id,
        /// The message or command that it is about.
        message_id: Id,
        /// What it says.
        level: ReceiptLevel,
        /// When it arrived.
        at: Timestamp,
    },
}

/// Why a spool payload is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter than it says.
    #[error("record is cut short")]
    Short,
    /// The head is not a record that this version knows.
    #[error("record head is not readable: {0}")]
    Head(String),
}

/// Enough for the head of a usual record: its buffer need not grow.
const HEAD_BYTES_USUAL: usize = 512;

impl Record {
    /// The head's bytes with their length in front; the body follows them in the spool.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES_USUAL);
        bytes.extend_from_slice(&[0; 4]);
        // Writing JSON to memory fails only for maps with keys that are no strings; there are none.
        if serde_json::to_writer(&mut bytes, self).is_err() {
            bytes.truncate(4);
        }
        let len = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(prefix) = bytes.first_chunk_mut() {
            *prefix = len.to_le_bytes();
        }
        bytes
    }

    /// Reads a spool payload: the record, and the length of its head (the body is the rest).
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), RecordError> {
        let (prefix, rest) = payload.split_first_chunk::<4>().ok_or(RecordError::Short)?;
        let len = usize::try_from(u32::from_le_bytes(*prefix)).map_err(|_| RecordError::Short)?;
        let head = rest.get(..len).ok_or(RecordError::Short)?;
        let record = serde_json::from_slice(head).map_err(|e| RecordError::Head(e.to_string()))?;
        Ok((record, len.saturating_add(4)))
    }
}
