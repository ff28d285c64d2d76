//! What is asked about tasks, on the API of NATS and on the local one, and what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Id};
use crate::level::Level;
use crate::task::{Strategy, Task, TaskState};

/// Body of `wb.api.tasks`; over HTTP the same fields are parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TasksRequest {
    /// At most this many, 1 to 500. Absent: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// Only those that this agent holds, held last or submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

/// Body of `wb.api.task` and `wb.api.explain`; over HTTP the task stands in the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// The task.
    pub id: Id,
}

/// Answer to a command that is not decided yet: it is kept until it is, and its verdict comes as a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandAnswer {
    /// The command's id, of a submission also the task's.
    pub id: Id,
    /// How far it came: `accepted` by the sidecar, or `stored` in the stream.
    pub level: Level,
}

/// Answer to a command: the task after it, or that it is not decided yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskAnswer {
    /// Decided, with 200 or 201.
    Decided(Box<Task>),
    /// Not decided yet, with 202.
    Undecided(CommandAnswer),
}

/// Why a task went to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The task.
    pub task_id: Id,
    /// How its agent was chosen.
    #[serde(default)]
    pub strategy: Strategy,
    /// Who was looked at.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    /// Who was chosen; null: nobody.
    #[serde(default)]
    pub chosen: Option<AgentId>,
    /// Set when somebody decided by hand.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
}

/// Who decided instead of the strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Override {
    /// The operator, or the agent that claimed the task.
    pub by: AgentId,
    /// Whom the strategy would have chosen; null: nobody.
    pub instead_of: Option<AgentId>,
}

/// An agent that might get a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Candidate {
    /// Which.
    pub agent: AgentId,
    /// Whether it can get it.
    pub eligible: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// The sum of the terms: more is better; 0 when it can never get the task.
    pub score: f64,
    /// What its score is made of, the weightiest first.
    #[serde(default)]
    pub terms: Vec<Term>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Term {
    /// What was looked at.
    pub name: String,
    /// What it adds.
    pub value: f64,
}
