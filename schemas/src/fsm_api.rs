//! What is asked about the machines of tasks, agents and the hive, and what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Event, EventKind};
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What has a machine.
    FsmEntity, "entity with a machine" {
        /// A task, by its id.
        Task = "task",
        /// An agent, by its name.
        Agent = "agent",
        /// The hive as a whole, by its name.
        Swarm = "swarm",
    }
}

impl FsmEntity {
    /// The kind of its events.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::Task => EventKind::Task,
            Self::Agent => EventKind::Agent,
            Self::Swarm => EventKind::Swarm,
        }
    }
}

/// Body of `wb.api.fsm`; over HTTP entity and id stand in the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FsmRequest {
    /// What is asked about.
    pub entity: FsmEntity,
    /// Which one. Of `swarm` it may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// As it was then. Absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Its events instead of its state, the latest first.
    #[serde(default)]
    pub history: bool,
    /// Only events that lead to this state, of a history; the names of older systems are understood, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// At most so many events, 1 to 500, of a history. Absent: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before, of a history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl FsmRequest {
    /// The state of an entity now.
    pub const fn now(entity: FsmEntity, id: Option<String>) -> Self {
        Self {
            entity,
            id,
            at: None,
            history: false,
            state: None,
            limit: None,
            cursor: None,
        }
    }
}

/// Where a machine stands, or stood. Also the `result` of the verdict on a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fsm {
    /// What it is the machine of.
    pub entity: FsmEntity,
    /// Which one: a task's id, an agent's name, the hive.
    pub id: String,
    /// The state, by the words of its machine.
    pub state: String,
    /// Since when it is in this state; null before the first event.
    pub since: Option<Timestamp>,
    /// Number of its latest event, of a count of its own; 0 before the first.
    pub seq: u64,
    /// Sequence of that event in `WB_EVENTS`.
    pub event_seq: u64,
    /// Whether the operator paused it; of agents only. True also while it is not there, when it will begin paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// An event of a machine, with its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// Its sequence in `WB_EVENTS`.
    pub event_seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}
