//! Questions to the machine: a path and its parameters become what `wb.api` is asked, its answer the body.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, RawPathParams, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;
use wagglebus_http::{Answered, Refusal, raw_json};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::fsm_api::FsmEntity;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Id, RoomName};

use super::auth::Caller;
use super::query::fields;
use super::state::{Api, Shared};

/// What a part of a path must be; anything else is nothing that exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Names {
    /// Nothing is named, or whoever answers judges it.
    Anything,
    /// `{id}` is an id.
    Id,
    /// `{id}` is an agent.
    Agent,
    /// `{entity}` has machines; whether `{id}` is one of it, whoever answers judges.
    Machine,
    /// `{name}` is a room, which the question calls so.
    Room,
}

/// What a path asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    method: ApiMethod,
    names: Names,
    also: &'static [(&'static str, Also)],
}

/// A field of a question that the path implies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Also {
    /// It is so.
    Yes,
    /// It is this word.
    Word(&'static str),
}

/// A path that asks: whoever may look may ask.
pub(super) fn asks(method: ApiMethod, names: Names) -> MethodRouter<Arc<Api>> {
    asks_also(method, names, &[])
}

/// The same, with fields that the path implies.
pub(super) fn asks_also(
    method: ApiMethod,
    names: Names,
    also: &'static [(&'static str, Also)],
) -> MethodRouter<Arc<Api>> {
    let question = Question { method, names, also };
    get(
        async move |State(api): Shared,
                    Extension(caller): Extension<Caller>,
                    path: RawPathParams,
                    uri: Uri| { ask(&api, question, caller.reader(), &path, &uri).await },
    )
}

/// A path that changes something of the caller's own, with the same kind of question.
pub(super) fn does(method: ApiMethod, names: Names) -> MethodRouter<Arc<Api>> {
    let also = &[];
    let question = Question { method, names, also };
    post(
        async move |State(api): Shared,
                    Extension(caller): Extension<Caller>,
                    path: RawPathParams,
                    uri: Uri| { ask(&api, question, caller.actor()?, &path, &uri).await },
    )
}

async fn ask(
    api: &Api,
    Question { method, names, also }: Question,
    from: AgentId,
    path: &RawPathParams,
    uri: &Uri,
) -> Answered {
    reachable(api)?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|rejection| Refusal::new(ErrorCode::InvalidQuery, rejection.body_text()))?;
    let mut question = fields(pairs)?;
    let implied = also.iter().map(|(name, also)| {
        let value = match also {
            Also::Yes => Value::Bool(true),
            Also::Word(word) => Value::from(*word),
        };
        (*name, value)
    });
    for (name, value) in implied {
        if question.insert(name.to_owned(), value).is_some() {
            let message = format!("{name} is no parameter of this path");
            return Err(Refusal::new(ErrorCode::InvalidQuery, message));
        }
    }
    for (name, text) in path {
        names.check(name, text)?;
        let name = if matches!(names, Names::Room) {
            "room"
        } else {
            name
        };
        if question.insert(name.to_owned(), Value::from(text)).is_some() {
            let message = format!("{name} stands in the path");
            return Err(Refusal::new(ErrorCode::InvalidQuery, message));
        }
    }
    let body = serde_json::to_vec(&question).unwrap_or_default();
    let answer = api.gate.ask(method, from, body).await?;
    Ok(raw_json(StatusCode::OK, answer.into()))
}

/// Refuses while we are cut off: what was known then may be wrong by now.
pub(super) fn reachable(api: &Api) -> Result<(), ErrorDetail> {
    if api.health.borrow().is_connected() {
        return Ok(());
    }
    let message = "NATS cannot be reached, so nothing is known of the present";
    Err(ErrorDetail::new(ErrorCode::BusUnreachable, message).retry_after_ms(1_000))
}

impl Names {
    fn check(self, name: &str, text: &str) -> Result<(), Refusal> {
        let (code, why) = match self {
            Self::Anything => return Ok(()),
            Self::Machine if name == "entity" => {
                let why = text.parse::<FsmEntity>().err().map(|e| e.to_string());
                (ErrorCode::NotFound, why)
            }
            Self::Machine => return Ok(()),
            Self::Id => (
                ErrorCode::NotFound,
                text.parse::<Id>().err().map(|e| e.to_string()),
            ),
            Self::Agent => {
                let why = text.parse::<AgentId>().err().map(|e| e.to_string());
                (ErrorCode::UnknownAgent, why)
            }
            Self::Room => {
                let why = text.parse::<RoomName>().err().map(|e| e.to_string());
                (ErrorCode::InvalidQuery, why)
            }
        };
        why.map_or(Ok(()), |why| Err(Refusal::new(code, why)))
    }
}
