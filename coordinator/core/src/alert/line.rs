//! Lines of the log about alerts and failures: how they are written and read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wagglebus_schemas::alert::{Alert, AlertState};
use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::fold::AlertEntry;
use super::plan::plan;
use super::seen::{Key, Sighting};
use super::trouble::{REPORTS, Read};
use crate::log::data::object;
use crate::task::FreshIds;

/// The line that says up to where changes were told.
pub const DELIVERED: &str = "delivered";
/// The class of dead letters.
pub(super) const DEAD_LETTER: &str = "dead_letter";

/// Data of a line about an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertData {
    /// The alert after it.
    pub alert: Alert,
    /// Id of the message to the operator, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Id>,
    /// Id of the answer to who said that they know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Id>,
}

impl AlertData {
    /// From a line.
    ///
    /// # Errors
    /// When it is not of this shape.
    pub fn decode(data: &Map<String, Value>) -> Result<Self, String> {
        Self::deserialize(Value::Object(data.clone())).map_err(|error| error.to_string())
    }
}

/// Data of a line about a failure, as far as the fold needs it. A class that a later version writes is no mistake.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct FailureData {
    pub(super) failure: Failed,
    #[serde(default)]
    pub(super) read: Read,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Failed {
    pub(super) agent: AgentId,
    pub(super) class: String,
    pub(super) detail: String,
    #[serde(default)]
    evidence: Map<String, Value>,
}

impl FailureData {
    pub(super) fn decode(data: &Map<String, Value>) -> Result<Self, String> {
        Self::deserialize(Value::Object(data.clone())).map_err(|error| error.to_string())
    }
}

impl Failed {
    /// How many dead letters, or reports, it stands for.
    pub(super) fn count(&self) -> u64 {
        let name = if self.class == DEAD_LETTER {
            "letters"
        } else {
            REPORTS
        };
        self.evidence.get(name).and_then(Value::as_u64).unwrap_or(1)
    }
}

/// Up to where changes were told.
pub(super) fn up_to(data: &Map<String, Value>) -> Result<u64, String> {
    let up_to = data.get("up_to").and_then(Value::as_u64);
    up_to.ok_or_else(|| "it does not say up to where".to_owned())
}

/// Writes lines.
pub struct Pen<'a> {
    /// When it is decided.
    pub at: Timestamp,
    /// Fresh ids.
    pub ids: &'a mut dyn FreshIds,
    /// Whether the operator gets messages.
    pub message: bool,
}

impl std::fmt::Debug for Pen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pen")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Pen<'_> {
    /// An alert that is told for the first time.
    pub fn fire(&mut self, key: &Key, sighting: Sighting) -> Event {
        let alert = Alert {
            id: self.ids.fresh(),
            rule: key.rule.to_string(),
            severity: sighting.severity,
            state: AlertState::Firing,
            entity: key.rule.spec().about,
            entity_id: key.about.clone(),
            summary: sighting.summary,
            hint: sighting.hint,
            evidence: sighting.evidence,
            since: sighting.since.min(self.at),
            fired_at: self.at,
            updated_at: self.at,
            acked_by: None,
            resolved_at: None,
            event_id: self.ids.fresh(),
        };
        let message = self.message.then(|| self.ids.fresh());
        self.alert(None, 1, by(CauseType::Leader), alert, (message, None))
    }

    /// What an alert tells of is over.
    pub fn resolve(&mut self, entry: &AlertEntry) -> Event {
        let alert = Alert {
            state: AlertState::Resolved,
            updated_at: self.at,
            resolved_at: Some(self.at),
            event_id: self.ids.fresh(),
            ..entry.alert.clone()
        };
        let message = self.message.then(|| self.ids.fresh());
        let from = Some(entry.alert.state);
        self.alert(from, entry.seq + 1, by(CauseType::Leader), alert, (message, None))
    }

    /// Somebody knows of it, as a message says.
    pub fn acknowledge(&mut self, entry: &AlertEntry, who: &AgentId, cause: Cause) -> Event {
        let alert = Alert {
            state: AlertState::Acknowledged,
            acked_by: Some(who.clone()),
            updated_at: self.at,
            event_id: self.ids.fresh(),
            ..entry.alert.clone()
        };
        let receipt = Some(self.ids.fresh());
        let from = Some(entry.alert.state);
        Event {
            actor: who.clone(),
            ..self.alert(from, entry.seq + 1, cause, alert, (None, receipt))
        }
    }

    fn alert(
        &self,
        from: Option<AlertState>,
        seq: u64,
        cause: Cause,
        alert: Alert,
        (message, receipt): (Option<Id>, Option<Id>),
    ) -> Event {
        let event = match alert.state {
            AlertState::Firing => "fire",
            AlertState::Acknowledged => "acknowledge",
            AlertState::Resolved => "resolve",
        };
        let (id, entity_id, to) = (alert.event_id, alert.id.to_string(), alert.state.to_string());
        let data = AlertData {
            alert,
            message,
            receipt,
        };
        Event {
            id,
            entity: EventKind::Alert,
            entity_id,
            seq,
            from: from.map(|state| state.to_string()),
            to,
            event: event.to_owned(),
            actor: AgentId::coordinator(),
            cause,
            guard: None,
            at: self.at,
            data: object(&data),
        }
    }

    /// A failure, with what is done about it.
    pub fn failure(&mut self, failure: &Failure, read: Read) -> Event {
        let plan = plan(failure.class.as_str());
        Event {
            id: self.ids.fresh(),
            entity: EventKind::Failure,
            entity_id: failure.id.to_string(),
            seq: 1,
            from: None,
            to: "recorded".to_owned(),
            event: "record".to_owned(),
            actor: AgentId::coordinator(),
            cause: Cause {
                id: Some(failure.id),
                ..by(CauseType::Leader)
            },
            guard: None,
            at: self.at,
            data: object(&json!({ "failure": failure, "plan": plan, "read": read })),
        }
    }

    /// Everything up to this line was told to everybody.
    pub fn delivered(&mut self, up_to: u64) -> Event {
        Event {
            id: self.ids.fresh(),
            entity: EventKind::Alert,
            entity_id: AgentId::coordinator().to_string(),
            seq: 0,
            from: None,
            to: DELIVERED.to_owned(),
            event: DELIVERED.to_owned(),
            actor: AgentId::coordinator(),
            cause: by(CauseType::Leader),
            guard: None,
            at: self.at,
            data: object(&json!({ "up_to": up_to })),
        }
    }
}

fn by(kind: CauseType) -> Cause {
    Cause {
        kind,
        id: None,
        stream: None,
        seq: None,
    }
}
