//! The task: a piece of work that the coordinator follows from its submission to its end.

use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{AgentId, CapabilityName, Id};
use crate::newtype::string_newtype;
use crate::number::Fraction;
use crate::priority::Priority;
use crate::resources::Resources;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// State of a task's machine (TASKS 2).
    TaskState, "task state" {
        /// Waits to be assigned or claimed.
        Pending = "pending",
        /// Waits until other tasks are completed.
        WaitingDependency = "waiting_dependency",
        /// Given to an agent that has not accepted it yet.
        Assigned = "assigned",
        /// An agent works on it.
        InProgress = "in_progress",
        /// Its agent waits for something.
        Blocked = "blocked",
        /// Done, with a result.
        Completed = "completed",
        /// Given up, with an error.
        Failed = "failed",
        /// Withdrawn.
        Cancelled = "cancelled",
    }
}

impl TaskState {
    /// Nothing follows: completed, failed or cancelled.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// An agent holds it: assigned, in progress or blocked.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Assigned | Self::InProgress | Self::Blocked)
    }
}

vocabulary! {
    /// How the agent for a task is chosen.
    #[derive(Default)]
    Strategy, "strategy" {
        /// One after another.
        RoundRobin = "round_robin",
        /// Whoever holds the fewest tasks.
        LeastConnections = "least_connections",
        /// Whoever has most resources free.
        ResourceBased = "resource_based",
        /// Whoever is best at what it needs.
        CapabilityBased = "capability_based",
        /// By turns, better agents more often.
        Weighted = "weighted",
        /// The cheapest assignment of all waiting tasks to all agents, with what is known of both.
        #[default]
        Intelligent = "intelligent",
        /// The most important tasks to the best agents.
        PriorityBased = "priority_based",
    }
}

/// What a task is called: one line, not empty, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// Why a text is no [`Title`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a title is one line of text, not empty, without control characters")]
pub struct TitleError;

impl Title {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Title {
    type Err = TitleError;
    fn from_str(text: &str) -> Result<Self, TitleError> {
        if text.is_empty() || text.chars().any(|c| c.is_ascii_control()) {
            return Err(TitleError);
        }
        Ok(Self(text.to_owned()))
    }
}

string_newtype!(
    Title,
    "title",
    "^[^\\u0000-\\u001f\\u007f]+$",
    "One line of text without control characters."
);

/// A task as it is submitted: only `title` is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "TaskDraft")]
pub struct TaskDraft {
    /// The task's id, also that of the command. Absent: whoever stores the command makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// What is to be done, in a line.
    pub title: Title,
    /// What an agent must be able to do, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<CapabilityName>,
    /// What it works on; at most 98,304 bytes encoded.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// How important it is. Absent: `normal`.
    #[serde(default)]
    pub priority: Priority,
    /// By when it should be completed; a past one alerts and stops nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Tasks that must be completed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Id>,
    /// What it needs while it is worked on.
    #[serde(default)]
    pub resources: Resources,
    /// How its agent is chosen. Absent: as the hive does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How often it is tried, from 1. Absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<NonZeroU32>,
    /// Within which time an assignment must be accepted, in milliseconds. Absent: 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_timeout_ms: Option<NonZeroU64>,
    /// After which silence of its agent an alert is raised, in milliseconds. Absent: 900,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_ms: Option<NonZeroU64>,
    /// Free data of the submitter.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Wait for somebody capable where nobody has the capabilities, instead of being refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub park: bool,
}

/// Attempts of a task that asks for no other number.
pub const MAX_ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).unwrap();
/// Time within which an assignment must be accepted, in milliseconds, where the task asks for no other.
pub const ACCEPT_TIMEOUT_MS: NonZeroU64 = NonZeroU64::new(60_000).unwrap();
/// Silence of a task's agent after which an alert is raised, in milliseconds, where the task asks for no other.
pub const STALL_MS: NonZeroU64 = NonZeroU64::new(900_000).unwrap();

impl TaskDraft {
    /// A draft of a task with this title and nothing else.
    pub fn titled(title: Title) -> Self {
        Self {
            id: None,
            title,
            capabilities: Vec::new(),
            input: Value::Null,
            priority: Priority::default(),
            deadline: None,
            depends_on: Vec::new(),
            resources: Resources::default(),
            strategy: None,
            max_attempts: None,
            accept_timeout_ms: None,
            stall_ms: None,
            metadata: Map::new(),
            park: false,
        }
    }

    /// The task that this draft becomes, submitted by `from` under `id` and decided at `at`.
    pub fn into_task(self, id: Id, from: AgentId, at: Timestamp) -> Task {
        Task {
            id,
            title: self.title,
            capabilities: self.capabilities,
            input: self.input,
            priority: self.priority,
            state: TaskState::Pending,
            submitted_by: from,
            assigned_to: None,
            epoch: 0,
            attempt: 0,
            max_attempts: self.max_attempts.unwrap_or(MAX_ATTEMPTS),
            deadline: self.deadline,
            depends_on: self.depends_on,
            resources: self.resources,
            strategy: self.strategy,
            accept_timeout_ms: self.accept_timeout_ms.unwrap_or(ACCEPT_TIMEOUT_MS),
            stall_ms: self.stall_ms.unwrap_or(STALL_MS),
            metadata: self.metadata,
            progress: Fraction::default(),
            result: Value::Null,
            error: None,
            created_at: at,
            updated_at: at,
        }
    }
}

/// A task as the coordinator knows it (TASKS 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Task")]
pub struct Task {
    /// Its id.
    pub id: Id,
    /// What is to be done, in a line.
    pub title: Title,
    /// What an agent must be able to do, all of it.
    pub capabilities: Vec<CapabilityName>,
    /// What it works on.
    pub input: Value,
    /// How important it is.
    pub priority: Priority,
    /// Where its machine stands.
    pub state: TaskState,
    /// Who submitted it.
    pub submitted_by: AgentId,
    /// Who holds it; null while nobody does. After its end: who held it last.
    pub assigned_to: Option<AgentId>,
    /// Number of its latest assignment; 0 before the first. Verbs of an older one are refused.
    pub epoch: u64,
    /// Number of the attempt, from 1; refused assignments are not counted.
    pub attempt: u32,
    /// How often it is tried.
    pub max_attempts: NonZeroU32,
    /// By when it should be completed.
    pub deadline: Option<Timestamp>,
    /// Tasks that must be completed first.
    pub depends_on: Vec<Id>,
    /// What it needs while it is worked on.
    pub resources: Resources,
    /// How its agent is chosen; null: as the hive does.
    pub strategy: Option<Strategy>,
    /// Within which time an assignment must be accepted, in milliseconds.
    pub accept_timeout_ms: NonZeroU64,
    /// After which silence of its agent an alert is raised, in milliseconds.
    pub stall_ms: NonZeroU64,
    /// Free data of the submitter.
    pub metadata: Map<String, Value>,
    /// How far it is, from 0 to 1, as its agent says.
    pub progress: Fraction,
    /// What came of it; null before it is completed.
    pub result: Value,
    /// Why it failed or was cancelled, or how its last attempt failed.
    pub error: Option<String>,
    /// When its submission was decided.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Task {
    /// Whether it was made of a draft like this one, whatever happened to it since.
    pub fn is_of(&self, draft: &TaskDraft, from: &AgentId) -> bool {
        let as_submitted = draft.clone().into_task(self.id, from.clone(), self.created_at);
        let since = Self {
            state: self.state,
            assigned_to: self.assigned_to.clone(),
            epoch: self.epoch,
            attempt: self.attempt,
            progress: self.progress,
            result: self.result.clone(),
            error: self.error.clone(),
            updated_at: self.updated_at,
            ..as_submitted
        };
        *self == since
    }
}
