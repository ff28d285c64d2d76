//! What is published because of an alert: a message to the operator, and the answer to who says that they know of it.

use serde_json::{Map, Value, json};
use wagglebus_schemas::alert::{Alert, AlertState};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::failure::Severity;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Priority};

use super::line::AlertData;
use crate::log::letter::{Letter, encode, receipt};

/// The letters of a line about an alert.
pub(super) fn letters(event: &Event, data: &AlertData) -> Vec<Letter> {
    let message = data.message.and_then(|id| {
        let to = AgentId::operator();
        let priority = priority(&data.alert);
        let draft = Draft {
            priority,
            message_type: MessageType::Status,
            // All that is said of an alert is one conversation.
            conversation_id: Some(data.alert.id),
            metadata: about(&data.alert),
            ..Draft::text(to.clone().into(), text(&data.alert))
        };
        let message = draft.into_message(id, AgentId::coordinator(), event.at);
        let from = AgentId::coordinator();
        let subject = Subject::Message { to, priority, from };
        encode(subject, id, message.event_type(), &message)
    });
    let answer = data.receipt.zip(event.cause.id).and_then(|(id, asked)| {
        let result = serde_json::to_value(&data.alert).ok();
        receipt(id, (event.actor.clone(), asked), event.at, result, None)
    });
    message.into_iter().chain(answer).collect()
}

/// What is wrong or over, in words.
pub fn text(alert: &Alert) -> String {
    let (summary, hint) = (&alert.summary, &alert.hint);
    match alert.state {
        AlertState::Firing => format!("{}: {summary}\n\nsee: {hint}", alert.rule),
        AlertState::Acknowledged => format!("{} is known: {summary}", alert.rule),
        AlertState::Resolved => format!("{} is over: {summary}", alert.rule),
    }
}

/// What is over can wait.
const fn priority(alert: &Alert) -> Priority {
    match (alert.state, alert.severity) {
        (AlertState::Firing, Severity::Error) => Priority::High,
        (AlertState::Firing, Severity::Warning)
        | (AlertState::Acknowledged | AlertState::Resolved, Severity::Error | Severity::Warning) => {
            Priority::Normal
        }
    }
}

fn about(alert: &Alert) -> Map<String, Value> {
    let fields = [
        (metadata::KIND, metadata::KIND_ALERT.into()),
        ("event_id", json!(alert.event_id)),
        ("alert", json!(alert)),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}
