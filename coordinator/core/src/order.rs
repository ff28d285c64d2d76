//! What the shell is asked to do and tells of again when it is done.

use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Id, Priority, RoomName, Timestamp};

/// Where an answer goes; opaque to the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo(pub String);

/// A change of who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomChange {
    /// Who.
    pub agent: AgentId,
    /// Which room.
    pub room: RoomName,
    /// Into it, else out of it.
    pub join: bool,
    /// What was asked.
    pub method: ApiMethod,
    /// Where the answer goes.
    pub reply: ReplyTo,
}

/// A look at a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whose.
    pub agent: AgentId,
    /// Which.
    pub priority: Priority,
    /// Since when its mail is held: the look is for this hold alone.
    pub since: Timestamp,
}

/// A message that does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMail {
    /// Whose inbox it is in.
    pub agent: AgentId,
    /// Which.
    pub message_id: Id,
    /// Who sent it.
    pub sender: AgentId,
    /// Why it does not move.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
}

/// The oldest message of a lane that nobody fetched yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// Its id.
    pub message_id: Id,
    /// Who sent it.
    pub sender: AgentId,
    /// When the stream took it.
    pub at: Timestamp,
}
