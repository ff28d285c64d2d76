//! The agent record: what the roster knows of an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bridge::Bridge;
use crate::control::AgentControl;
use crate::enrolment::RoomMembership;
use crate::heartbeat::{BridgeProof, Capability};
use crate::id::AgentId;
use crate::limits::PANE_CONTENT_BYTES_MAX;
use crate::state::{AgentState, Presence, SessionState};
use crate::time::Timestamp;

/// An enrolled agent as the coordinator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Agent")]
pub struct Agent {
    /// Its name.
    pub agent: AgentId,
    /// Whether heartbeats arrive.
    pub presence: Presence,
    /// State of the last heartbeat; null before the first.
    pub state: Option<SessionState>,
    /// State of its machine; null while no coordinator keeps one.
    pub fsm: Option<AgentState>,
    /// What the operator decided about it; absent while no coordinator keeps a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<AgentControl>,
    /// Open bridges, from the last heartbeat.
    pub bridges: Vec<BridgeProof>,
    /// Declared capabilities, from the last heartbeat.
    pub capabilities: Vec<Capability>,
    /// Rooms, from the enrolment.
    pub rooms: Vec<RoomMembership>,
    /// Lease epoch of the last heartbeat; 0 before the first.
    pub epoch: u64,
    /// Version of its sidecar; empty before the first heartbeat.
    pub version: String,
    /// Whether it goes one hour after its last heartbeat.
    pub ephemeral: bool,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its last heartbeat arrived; null before the first.
    pub last_seen: Option<Timestamp>,
    /// Messages in its hands and in its lanes, as its last heartbeat says; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u64>,
    /// True when the answer comes from a cache and may be old.
    pub stale: bool,
}

impl Agent {
    /// Whether it is only told in its pane that a message of so many bytes is there, and takes it by itself. A pane that
    /// was asked to show texts of any length looks the same here.
    pub fn is_only_told_of(&self, content_bytes: usize) -> bool {
        let has = |name: Bridge| self.bridges.iter().any(|bridge| bridge.name == name);
        has(Bridge::TmuxNudge) || (has(Bridge::TmuxBody) && content_bytes > PANE_CONTENT_BYTES_MAX)
    }
}
