//! `POST /v1/alerts/{id}/ack`: the operator knows of an alert. Stored as a message that answers it, so that whoever leads
//! takes note, now or later.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;
use wagglebus_http::{Answered, IdempotencyKey, NoParams, Params, PathId, json};
use wagglebus_schemas::alert::{Alert, AlertState};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::task_api::CommandAnswer;
use wagglebus_schemas::{AgentId, Draft, Id, Level, Timestamp};

use super::ask::reachable;
use super::auth::Caller;
use super::messages;
use super::state::{Api, Shared};
use super::store::{identify, store};
use crate::clock;

/// How long is waited until the leader has taken note.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn acknowledge(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    PathId(alert): PathId,
    Params(NoParams {}): Params<NoParams>,
    key: IdempotencyKey,
) -> Answered {
    let from = caller.operator()?;
    reachable(&api)?;
    let known = find(&api, alert).await?;
    if known.state != AlertState::Firing {
        return Ok(json(StatusCode::OK, &known));
    }
    let id = identify(&api, &from, None, key)?;
    let mut draft = Draft::text(AgentId::coordinator().into(), "acknowledged".to_owned());
    let answered = alert.to_string().into();
    draft.metadata.insert(metadata::IN_REPLY_TO.to_owned(), answered);
    let at = clock::wall().unwrap_or(Timestamp::EPOCH);
    let record = messages::record(&draft.into_message(id, from.clone(), at))?;
    let mut awaited = api.gate.verdicts().begin(from, id);
    store(&api, &record).await?;
    match timeout(KNOWN_WITHIN, awaited.verdict()).await {
        Ok(Some(_)) => Ok(json(StatusCode::OK, &find(&api, alert).await?)),
        Ok(None) | Err(_) => {
            let level = Level::Stored;
            Ok(json(StatusCode::ACCEPTED, &CommandAnswer { id, level }))
        }
    }
}

async fn find(api: &Api, alert: Id) -> Result<Alert, ErrorDetail> {
    let known = api.gate.look(move |machine| {
        let entry = machine.lead().world().alerts().entry(&alert);
        entry.map(|entry| entry.alert.clone())
    });
    known.await?.ok_or_else(|| {
        ErrorDetail::new(ErrorCode::NotFound, format!("there is no alert {alert}"))
            .hint("GET /v1/alerts lists those there are")
    })
}
