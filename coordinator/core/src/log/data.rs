//! What the `data` of a task's event holds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::number::Fraction;
use wagglebus_schemas::{AgentId, Id, TaskDraft, decode};

/// What follows from an event: who is told of it, under which id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowKind {
    /// The answer to the command that caused the event.
    Verdict,
    /// The task is the holder's now.
    Assigned,
    /// The task is not the former holder's any more.
    Released,
    /// The submitter's task came to an end.
    Ended,
    /// The operator pauses or resumes the agent, or halts or resumes the hive.
    Control,
}

/// A record that is published because of an event.
///
/// Its id is drawn before the event is stored: a successor publishes it again under the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// What it says.
    pub kind: FollowKind,
    /// Under which id.
    pub id: Id,
    /// To whom.
    pub to: AgentId,
}

/// Why a holder lost its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// The task is not wanted any more.
    Cancelled,
    /// The operator gave it to somebody else.
    Forced,
    /// The holder is gone.
    Lost,
    /// The holder did not accept it in time.
    Timeout,
}

impl ReleaseReason {
    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Forced => "forced",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
        }
    }
}

/// What a task's event changes beside its state, and what follows from it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskData {
    /// The new task, of a `submit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<TaskDraft>,
    /// Number of the new assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Who holds it from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<AgentId>,
    /// Number of the attempt from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Fraction>,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What came of it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decode::present"
    )]
    pub result: Option<Value>,
    /// What shows it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decode::present"
    )]
    pub evidence: Option<Value>,
    /// What went wrong with the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why, as the actor says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who refused it: never chosen for it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<AgentId>,
    /// Whose attempt failed: somebody else is tried first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_on: Option<AgentId>,
    /// Who lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<(AgentId, ReleaseReason)>,
    /// Why the command was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// Why this agent was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Value>,
    /// What is published because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follow>,
}

/// Data as it stands in an event.
pub(crate) fn object<T: Serialize>(data: &T) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(map)) => map,
        // Plain data with text keys always becomes an object.
        Ok(_) | Err(_) => Map::new(),
    }
}

impl TaskData {
    /// As it stands in the event.
    pub fn encode(&self) -> Map<String, Value> {
        object(self)
    }

    /// From an event.
    ///
    /// # Errors
    /// When it is not of this shape: the event is of another program or damaged.
    pub fn decode(data: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        Self::deserialize(Value::Object(data.clone()))
    }
}
