//! `POST /v1/messages`: a message in the caller's name, answered once the stream has it.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json as value};
use wagglebus_http::query::Flag;
use wagglebus_http::{Answered, IdempotencyKey, JsonBody, Params, Refusal, json};
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::api::SendAnswer;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{ApiMethod, Subject};
use wagglebus_schemas::{AgentId, Draft, Level, Message, Timestamp, decode};

use super::ask::reachable;
use super::auth::Caller;
use super::state::{Api, Shared};
use super::store::{Record, conflict, encode, identify, store, stored_before};
use crate::clock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendParams {
    #[serde(default)]
    park: Flag,
}

pub(super) async fn send(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    Params(SendParams { park: Flag(park) }): Params<SendParams>,
    key: IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Answered {
    sent(&api, &caller, park, key, &body).await
}

/// Sends the draft in a body.
pub(super) async fn sent(
    api: &Api,
    caller: &Caller,
    park: bool,
    key: IdempotencyKey,
    body: &[u8],
) -> Answered {
    let from = caller.actor()?;
    let mut draft = decode::draft(body).map_err(|error| Refusal::of_decoding(&error))?;
    if let Some(claimed) = draft.from_agent.take().filter(|claimed| *claimed != from) {
        let message = format!("token {} speaks for {from}, not for {claimed}", caller.name);
        return Err(Refusal::new(ErrorCode::SenderMismatch, message).hint("leave from_agent out"));
    }
    reachable(api)?;
    let id = identify(api, &from, draft.id.take(), key)?;
    let resolved = resolve(api, &from, &mut draft, park).await;
    let message = draft.into_message(id, from.clone(), clock::wall().unwrap_or(Timestamp::EPOCH));
    resolved?;
    let record = record(&message)?;
    let stored = store(api, &record).await?;
    if stored.duplicate {
        let (_, body) = stored_before(api, Stream::Messages, stored.seq).await?;
        if !is_same(&body, &message) {
            return Err(conflict(id).into());
        }
    }
    let answer = SendAnswer {
        id,
        conversation_id: message.conversation_id,
        level: Level::Stored,
        stream_seq: Some(stored.seq),
        duplicate: stored.duplicate,
        warning: None,
        stale: false,
    };
    Ok(json(StatusCode::CREATED, &answer))
}

/// Finds out who is meant. With `park` a name may be one that nobody has yet; a capability needs somebody.
async fn resolve(api: &Api, from: &AgentId, draft: &mut Draft, park: bool) -> Result<(), ErrorDetail> {
    let capability = match draft.to_agent.kind() {
        RecipientKind::Agent(_) | RecipientKind::Room(_) if park => return Ok(()),
        RecipientKind::Agent(_) | RecipientKind::Room(_) => None,
        RecipientKind::Capability(name) => Some(name.to_string()),
    };
    let question = value!({ "to": draft.to_agent }).to_string();
    let answer = api
        .gate
        .ask(ApiMethod::Resolve, from.clone(), question.into_bytes())
        .await?;
    if let Some(name) = capability {
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let agent = answer.pointer("/agent/agent").and_then(Value::as_str);
        let agent: AgentId = agent
            .and_then(|agent| agent.parse().ok())
            .ok_or_else(|| ErrorDetail::new(ErrorCode::UnknownCapability, format!("nobody can {name}")))?;
        draft.metadata.insert(metadata::CAPABILITY.into(), name.into());
        draft.to_agent = agent.into();
    }
    Ok(())
}

/// A message as it is stored.
pub(super) fn record(message: &Message) -> Result<Record, ErrorDetail> {
    let (priority, from) = (message.priority, message.from_agent.clone());
    let (subject, to) = match message.to_agent.kind() {
        RecipientKind::Agent(agent) => {
            let to = agent.clone();
            (Subject::Message { to, priority, from }, agent.to_string())
        }
        RecipientKind::Room(room) => {
            let name = room.clone();
            let room = format!("room:{room}");
            (
                Subject::Room {
                    room: name,
                    priority,
                    from,
                },
                room,
            )
        }
        RecipientKind::Capability(name) => {
            let message = format!("capability {name} was not resolved");
            return Err(ErrorDetail::new(ErrorCode::UnknownCapability, message));
        }
    };
    Ok(Record {
        stream: Stream::Messages,
        subject,
        id: message.id,
        from: message.from_agent.clone(),
        at: message.timestamp,
        event_type: message.event_type(),
        to: Some(to),
        body: encode(message)?,
    })
}

/// Whether a stored message is the one that is sent, but for its time. To whom a capability is resolved may differ from
/// one attempt to the next.
fn is_same(stored: &[u8], message: &Message) -> bool {
    let Some(stored) = serde_json::from_slice::<Message>(stored).ok() else {
        return false;
    };
    let mut same = Message {
        timestamp: stored.timestamp,
        ..message.clone()
    };
    if message.metadata.contains_key(metadata::CAPABILITY) {
        same.to_agent = stored.to_agent.clone();
    }
    same == stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Id;

    #[test]
    fn a_repeat_is_the_same_whenever_it_is_sent() {
        let draft = |to: &str, text: &str| Draft::text(to.parse().unwrap(), text.to_owned());
        let sent = |draft: Draft, ms| {
            let at = Timestamp::from_unix_ms(ms).unwrap();
            draft.into_message(Id::from_bytes([1; 16]), AgentId::operator(), at)
        };
        let first = serde_json::to_vec(&sent(draft("bob", "x"), 1)).unwrap();
        assert!(is_same(&first, &sent(draft("bob", "x"), 2)));
        assert!(!is_same(&first, &sent(draft("bob", "y"), 1)));
        assert!(!is_same(&first, &sent(draft("carol", "x"), 1)));
        let asked = |to| {
            let mut draft = draft(to, "x");
            draft.metadata.insert(metadata::CAPABILITY.into(), "rust".into());
            sent(draft, 1)
        };
        let first = serde_json::to_vec(&asked("bob")).unwrap();
        assert!(is_same(&first, &asked("carol")));
        assert!(!is_same(b"{}", &asked("carol")));
    }
}
