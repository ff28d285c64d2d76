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

/// A report under `<hive>.report.failure.<agent>`, kept in `WB_TASKS`.
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
