//! Everything that the coordinator knows of one agent: its record, and what stands behind it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::heartbeat::{Hold, LaneDepths, Proficiency};
use crate::id::{CapabilityName, Id};
use crate::number::Fraction;
use crate::priority::Priority;
use crate::resources::Resources;
use crate::task::TaskState;
use crate::task_api::Explanation;
use crate::time::Timestamp;

/// Answer of `wb.api.agent` and `GET /v1/agents/{id}`: the agent's record, and its detail where a coordinator answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "AgentShown")]
pub struct AgentShown {
    /// The record.
    #[serde(flatten)]
    pub agent: Agent,
    /// What it does, how it is and why; absent from a cache, of the coordinator itself, and while the log is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<AgentDetail>,
}

/// What an agent does, how it is, and what was decided about it last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AgentDetail {
    /// What it is there for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Why its sidecar fetches nothing, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Its mail by lane, as its last heartbeat says.
    pub inbox: LaneDepths,
    /// Messages in its hands.
    pub in_flight: Vec<Id>,
    /// Whether it may be given work now, and if not, why not.
    pub health: String,
    /// Tasks that it works on at once.
    pub slots: u32,
    /// Tasks that it holds, the oldest assignment first.
    pub tasks: Vec<HeldTask>,
    /// The task that it works on: of several the one that it was given first. Null while it holds none.
    pub current: Option<Id>,
    /// How many tasks it holds, by how far they are.
    pub load: TaskLoad,
    /// What it has for tasks, and what the held ones take of it.
    pub resources: Vec<ResourceUse>,
    /// What it declares, and how well it did.
    pub skills: Vec<SkillShown>,
    /// The latest assignment to it, with what spoke for it; null before the first one.
    pub last_decision: Option<LastDecision>,
    /// The line of the log up to which this is true.
    pub event_seq: u64,
}

/// How many tasks an agent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TaskLoad {
    /// Given, and not accepted yet.
    pub assigned: u32,
    /// Worked on.
    pub in_progress: u32,
    /// Waiting for something.
    pub blocked: u32,
}

/// The latest assignment to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LastDecision {
    /// The task.
    pub task_id: Id,
    /// Number of the assignment.
    pub epoch: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Why this agent; null where nobody chose, since it claimed the task, and once the task went to somebody else.
    pub explanation: Option<Explanation>,
}

/// A task that an agent holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct HeldTask {
    /// Its id.
    pub id: Id,
    /// What is to be done, in a line.
    pub title: String,
    /// Assigned, in progress or blocked.
    pub state: TaskState,
    /// How important it is.
    pub priority: Priority,
    /// Number of the assignment.
    pub epoch: u64,
    /// How far it is, from 0 to 1.
    pub progress: Fraction,
    /// What it takes.
    pub resources: Resources,
    /// When it was given.
    pub since: Timestamp,
}

/// How much an agent has of a resource, and how much of it is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ResourceUse {
    /// Its name.
    pub name: String,
    /// All of it, as the agent declares.
    pub total: f64,
    /// What the tasks that it holds take.
    pub used: f64,
    /// What is left; below 0 after an assignment by force, or where the agent came back with less.
    pub free: f64,
}

/// What an agent says it can do, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SkillShown {
    /// The capability; null: work that needs none.
    pub capability: Option<CapabilityName>,
    /// How good the agent says it is, 1 to 10; null where it does not declare it any more.
    #[schemars(range(min = 1, max = 10))]
    pub declared: Option<Proficiency>,
    /// How often it is expected to succeed, 0 to 1: what was assumed, moved by each outcome.
    pub success: f64,
    /// Attempts that ended, as far as they are put down to this.
    pub outcomes: f64,
    /// How long it takes, as a multiple of what is usual.
    pub pace: f64,
}
