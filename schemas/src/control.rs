//! Control: the operator pauses and resumes agents, and halts and resumes the hive (TASKS 3, Control).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::ControlAction;
use crate::id::Id;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// Whom a control is about.
    ControlScope, "scope of a control" {
        /// One agent.
        Agent = "agent",
        /// All of them.
        Hive = "hive",
    }
}

/// What the operator decided about an agent, or about all of them, as the coordinator tells each agent concerned.
///
/// It travels under `<hive>.receipt.<agent>.control.coordinator`, among the agent's receipts, and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Control")]
pub struct Control {
    /// The record's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// What was decided: an agent is paused or resumed, the hive halted or resumed.
    pub action: ControlAction,
    /// Whether it is about this agent or about the hive.
    pub scope: ControlScope,
    /// Sequence in `WB_EVENTS` of the event that decided it: of two of one scope the higher one counts.
    pub event_seq: u64,
    /// When it was decided.
    pub at: Timestamp,
}

/// What holds for an agent now, as its record says: what a sidecar asks for when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct AgentControl {
    /// The agent is paused.
    pub paused: bool,
    /// The hive is halted.
    pub halted: bool,
    /// Sequence in `WB_EVENTS` of the latest event that says so, of either scope; 0 before the first. A control with a
    /// higher one is newer than this.
    pub event_seq: u64,
}
