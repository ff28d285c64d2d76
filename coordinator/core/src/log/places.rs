//! How far streams were decided, and that one of them is not the one that it was.
//!
//! A sequence means something only in its own stream. Who removes a stream and makes it anew, restores it from an older
//! copy, or loses its end in a power cut has one that ends before what the log says of it: without a word about that its next
//! records would count as decided.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::stream::Stream;

use super::World;
use super::data::object;

/// The word of the line that says it.
pub const RENEWED: &str = "renewed";

/// What a leader reads of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Commands about tasks, and to agents.
    Commands,
    /// Messages to the coordinator, and to everybody.
    Messages,
    /// Receipts about its notices.
    Receipts,
    /// Dead letters.
    DeadLetters,
    /// Reports of failures.
    Reports,
}

impl Source {
    /// Where it lies.
    pub const fn stream(self) -> Stream {
        match self {
            Self::Commands | Self::Reports => Stream::Tasks,
            Self::Messages => Stream::Messages,
            Self::Receipts => Stream::Receipts,
            Self::DeadLetters => Stream::Dlq,
        }
    }
}

/// Data of the line which says that a stream is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// What is read of it.
    pub source: Source,
    /// Its name.
    pub stream: String,
    /// Up to where it was decided.
    pub was: u64,
    /// Up to where it is from here on.
    pub decided: u64,
    /// When the stream was made.
    pub created: Timestamp,
}

impl Renewed {
    /// As it stands in the line.
    pub fn encode(&self) -> Map<String, Value> {
        object(self)
    }

    /// From a line, if it is one of these.
    ///
    /// # Errors
    /// When its data is not of this shape.
    pub fn decode(event: &Event) -> Result<Option<Self>, String> {
        if event.entity != EventKind::Conversation || event.event != RENEWED {
            return Ok(None);
        }
        let data = Value::Object(event.data.clone());
        let read = Self::deserialize(data).map_err(|error| error.to_string())?;
        Ok(Some(read))
    }
}

impl World {
    /// Up to where a stream is decided that was made at `created` and ends at `last`, before what the log says of it. One
    /// that was made after a record of it was decided is another one, and all of it is new. Of the same one the end was lost:
    /// what is left was decided.
    pub fn place_after(&self, stream: &str, created: Timestamp, last: u64) -> u64 {
        let decided_at = self.decided_at(stream).unwrap_or(self.at());
        if created > decided_at { 0 } else { last }
    }
}
