//! One stream as the JetStream API writes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What a stream shall be. Fields that are not here are the operator's affair (placement, compression) or must be
/// absent ([`crate::plan`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamSpec {
    /// Its name, such as `WB_MESSAGES`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it stores. No two streams overlap.
    pub subjects: Vec<String>,
    /// When a message may go.
    pub retention: Retention,
    /// Where it is kept.
    pub storage: Storage,
    /// What happens when it is full.
    pub discard: Discard,
    /// Servers that keep it.
    pub num_replicas: u8,
    /// Most bytes.
    pub max_bytes: i64,
    /// Most messages; always without limit.
    pub max_msgs: i64,
    /// Most messages of one subject; without limit but for buckets.
    pub max_msgs_per_subject: i64,
    /// Longest message, headers included, in bytes.
    pub max_msg_size: i32,
    /// Most consumers. The server's own default of 1,000 is too few for 250 agents.
    pub max_consumers: i32,
    /// How long a message is kept; zero for ever.
    pub max_age: Nanos,
    /// How long a `Nats-Msg-Id` is remembered.
    pub duplicate_window: Nanos,
    /// Whether messages can be read without a consumer.
    pub allow_direct: bool,
    /// Whether a batch is stored whole or not at all. Never where agents write.
    pub allow_atomic: bool,
    /// Whether a header of one message may erase others. Never where agents write (RELIABILITY 0.3).
    pub allow_rollup_hdrs: bool,
    /// Whether single messages cannot be deleted through the API.
    pub deny_delete: bool,
    /// What is repeated as a core message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    /// Keys of ours; others' stay.
    pub metadata: BTreeMap<String, String>,
}

/// When a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// When a limit says so, whoever has read it.
    Limits,
}

/// Where messages are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// On disk.
    File,
}

/// What happens to a new message when the stream is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// It is refused: unread mail is never dropped, the sender keeps it.
    New,
    /// The oldest make room.
    Old,
}

/// A repetition of stored messages as core messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Republish {
    /// Which.
    pub src: String,
    /// Under which subject. No stream may store it: two streams that republish into each other never end.
    pub dest: String,
    /// Whether the body is left out.
    pub headers_only: bool,
}

/// A duration, in nanoseconds on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub Duration);

impl Nanos {
    /// `seconds` seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// `days` days.
    pub const fn from_days(days: u64) -> Self {
        Self::from_secs(days * 24 * 60 * 60)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // 292 years fit; the longest here are 90 days.
        serializer.serialize_i64(i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX))
    }
}
