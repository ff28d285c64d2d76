//! The failure report: something went wrong that no answer and no receipt tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{AgentId, Id};
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What kind of program failed.
    Component, "component" {
        /// The sidecar of an agent.
        Sidecar = "sidecar",
        /// An agent, its program and its sidecar taken together.
        Agent = "agent",
    }
}

vocabulary! {
    /// What failed.
    FailureClass, "class of a failure" {
        /// No receipt came for stored messages within the time and bytes for which a sidecar keeps them: if the stream
        /// loses them from now on, nobody publishes them again. `evidence`: `messages`, how many, and `message_ids`,
        /// the first of them.
        Unreceipted = "unreceipted",
        /// A server refused a message for good that was accepted from its sender. `correlation`: the message.
        Refused = "refused",
        /// An agent is gone, or was not heard of for too long. Written by the coordinator.
        AgentLost = "agent_lost",
        /// A task was given up. `correlation`: the task. Written by the coordinator.
        TaskFailed = "task_failed",
        /// Messages to the agent were given up. `evidence`: `letters`, how many, and `reasons`. Written by the coordinator.
        DeadLetter = "dead_letter",
    }
}

vocabulary! {
    /// How bad it is.
    Severity, "severity" {
        /// A promise is weaker than usual; nothing is lost.
        Warning = "warning",
        /// Something was lost, or does not work.
        Error = "error",
    }
}

/// Something that failed: a report under `<hive>.report.failure.<agent>`, kept in `WB_TASKS`, and what the coordinator
/// found or took over from there, in `data.failure` of an event `failure`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Failure")]
pub struct Failure {
    /// The report's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// Whose program failed: the subject's last token.
    pub agent: AgentId,
    /// What kind of program it is.
    pub component: Component,
    /// What failed.
    pub class: FailureClass,
    /// How bad it is.
    pub severity: Severity,
    /// What exactly, for people.
    pub detail: String,
    /// What the class says about it, for programs.
    #[serde(default)]
    pub evidence: Map<String, Value>,
    /// The message that it is about, when it is about one.
    #[serde(default)]
    pub correlation: Option<Id>,
    /// When it was noticed.
    pub at: Timestamp,
}
