//! The enrolment: who exists, under which key, in which rooms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoded;
use crate::id::{AgentId, RoomName};
use crate::time::Timestamp;

/// A room that an agent is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct RoomMembership {
    /// The room.
    pub name: RoomName,
    /// Last sequence of `WB_MESSAGES` at the join: older posts are not the member's.
    pub joined_seq: u64,
}

/// The value of `WB_enrolments/<agent>`, written by compare-and-set by whoever holds the admin credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Enrolment")]
pub struct Enrolment {
    /// The agent; equals the key.
    pub agent: AgentId,
    /// Its public NATS user key (`U…`).
    #[serde(deserialize_with = "encoded::nkey")]
    #[schemars(regex(pattern = encoded::NKEY_PATTERN))]
    pub nkey: String,
    /// Whether it is removed one hour after its last heartbeat.
    pub ephemeral: bool,
    /// Its rooms.
    pub rooms: Vec<RoomMembership>,
    /// What it is there for, in words; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When it was enrolled.
    pub at: Timestamp,
}
