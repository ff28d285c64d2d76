//! The heartbeat: what a sidecar says of itself every three seconds.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bridge::Bridge;
use crate::id::{AgentId, CapabilityName, Id};
use crate::level::Level;
use crate::priority::Priority;
use crate::reason::HoldReason;
use crate::resources::Resources;
use crate::state::SessionState;
use crate::time::Timestamp;

/// Why the sidecar holds without fetching, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Hold {
    /// The reason.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
}

/// A bridge that is open now, and the highest level that it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct BridgeProof {
    /// The bridge.
    pub name: Bridge,
    /// The highest level that it proves.
    pub proves: Level,
}

/// One lane of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LaneDepth {
    /// Messages in the stream that wait for this agent, as last told by the server.
    pub pending: u64,
    /// Age of the oldest message in hand, in milliseconds; null when none is.
    pub oldest_ms: Option<u64>,
}

/// The four lanes of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LaneDepths {
    /// Urgent mail.
    pub urgent: LaneDepth,
    /// High mail.
    pub high: LaneDepth,
    /// Normal mail.
    pub normal: LaneDepth,
    /// Low mail.
    pub low: LaneDepth,
}

impl LaneDepths {
    /// The lane of a priority.
    pub const fn get(&self, priority: Priority) -> &LaneDepth {
        match priority {
            Priority::Urgent => &self.urgent,
            Priority::High => &self.high,
            Priority::Normal => &self.normal,
            Priority::Low => &self.low,
        }
    }

    /// The lane of a priority, to be changed.
    pub const fn get_mut(&mut self, priority: Priority) -> &mut LaneDepth {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }
}

/// How much the spool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SpoolDepth {
    /// Records accepted but not yet acknowledged by a stream.
    pub unstored: u64,
    /// Size of the spool's files in bytes.
    pub bytes: u64,
}

/// A capability that an agent declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Capability {
    /// Its name.
    pub name: CapabilityName,
    /// How good the agent says it is, 1 to 10.
    #[schemars(range(min = 1, max = 10))]
    pub proficiency: Proficiency,
}

/// Declared proficiency, 1 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(inline, with = "u8")]
pub struct Proficiency(u8);

/// Why a number is not a [`Proficiency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no proficiency: use 1 to 10")]
pub struct ProficiencyError(u8);

impl Proficiency {
    /// What is assumed when a capability is declared without a number.
    pub const DEFAULT: Self = Self(5);

    /// The number, 1 to 10.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Proficiency {
    type Error = ProficiencyError;
    fn try_from(number: u8) -> Result<Self, ProficiencyError> {
        if (1..=10).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ProficiencyError(number))
        }
    }
}

impl From<Proficiency> for u8 {
    fn from(proficiency: Proficiency) -> u8 {
        proficiency.0
    }
}

/// A sidecar's regular report; liveness is judged by when it *arrives*, never by its own times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Heartbeat")]
pub struct Heartbeat {
    /// Whose sidecar; equals the last token of the subject.
    pub agent: AgentId,
    /// Epoch of its lease; 0 while it has none.
    pub epoch: u64,
    /// Counts up from 1 in each life of the sidecar.
    pub seq: u64,
    /// Time until the next heartbeat, in milliseconds.
    pub interval_ms: u64,
    /// What the agent is doing.
    pub state: SessionState,
    /// Why nothing is fetched, if so.
    pub hold: Option<Hold>,
    /// The bridges that are open now.
    pub bridges: Vec<BridgeProof>,
    /// The inbox by lane.
    pub inbox: LaneDepths,
    /// Messages in the agent's hands.
    pub in_flight: Vec<Id>,
    /// The sidecar's spool.
    pub spool: SpoolDepth,
    /// CPU time that the agent's process used, in milliseconds; null when it is not ours to see.
    pub agent_cpu_ms: Option<u64>,
    /// Resident memory of the agent's process in bytes; null when it is not ours to see.
    pub agent_rss_bytes: Option<u64>,
    /// CPU time that the sidecar used, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory of the sidecar in bytes.
    pub rss_bytes: u64,
    /// Version of the sidecar.
    pub version: String,
    /// What the agent declares it can do.
    pub capabilities: Vec<Capability>,
    /// What the agent has for tasks. Absent: nothing is declared, so no task that needs any comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How many tasks it works on at once. Absent: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<NonZeroU16>,
    /// When it was written, by the sidecar's clock.
    pub at: Timestamp,
}
