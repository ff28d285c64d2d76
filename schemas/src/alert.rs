//! The alert: something that a person should know of, from when it is told until it is over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::EventKind;
use crate::failure::Severity;
use crate::id::{AgentId, Id};
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// How far an alert is. Before it is told there is none.
    AlertState, "state of an alert" {
        /// It was told, and nobody has said that they know.
        Firing = "firing",
        /// The operator knows of it.
        Acknowledged = "acknowledged",
        /// What it tells of is over.
        Resolved = "resolved",
    }
}

impl AlertState {
    /// Whether what it tells of is still so.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Firing | Self::Acknowledged)
    }
}

/// One episode of something that a rule watches: a rule and what it is about have at most one that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Alert")]
pub struct Alert {
    /// The episode's id: the same from its first line to its last.
    pub id: Id,
    /// The rule, such as `agent_lost`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// How far it is.
    pub state: AlertState,
    /// What kind of thing it is about.
    pub entity: EventKind,
    /// Which one: an agent's name, a task's id.
    pub entity_id: String,
    /// What is wrong, in a line.
    pub summary: String,
    /// The command that shows more or mends it.
    pub hint: String,
    /// What the rule saw, for programs.
    #[serde(default)]
    pub evidence: Map<String, Value>,
    /// Since when it is so, as far as that is known.
    pub since: Timestamp,
    /// When it was told.
    pub fired_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who said that they know of it.
    #[serde(default)]
    pub acked_by: Option<AgentId>,
    /// When it was over.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// The line of the log that says what it is now: whoever is told of it twice knows it by this.
    pub event_id: Id,
}

/// Body of `wb.api.alerts`; over HTTP the same fields are parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertsRequest {
    /// At most this many, 1 to 500. Absent: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only those in this state, or all that are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertFilter>,
}

vocabulary! {
    /// Which alerts are asked for.
    AlertFilter, "state of an alert" {
        /// What is told of is still so: firing or acknowledged.
        Open = "open",
        /// Nobody has said that they know.
        Firing = "firing",
        /// The operator knows.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
    }
}

impl AlertFilter {
    /// Whether it asks for alerts in this state.
    pub fn admits(self, state: AlertState) -> bool {
        match self {
            Self::Open => state.is_open(),
            Self::Firing => state == AlertState::Firing,
            Self::Acknowledged => state == AlertState::Acknowledged,
            Self::Resolved => state == AlertState::Resolved,
        }
    }
}
