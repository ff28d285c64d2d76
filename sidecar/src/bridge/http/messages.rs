//! `POST /v1/messages`: sends a message.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use wagglebus_http::query::Flag;
use wagglebus_http::{Answered, IdempotencyKey, JsonBody, Params, Refusal, json};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{Level, decode};

use super::history;
use super::seconds::{Seconds, time};
use super::state::{ApiState, Shared};

/// How long a sender waits unless it says otherwise, in seconds: as long as one publish may take.
const WAIT_DEFAULT: u64 = 5;
/// How long a sender may wait, in seconds.
const WAIT_MAX: u64 = 3_600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendParams {
    wait: Option<Level>,
    timeout: Option<Seconds>,
    #[serde(default)]
    park: Flag,
}

pub(super) async fn send(
    State(api): Shared,
    Params(params): Params<SendParams>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Answered {
    let timeout: Duration = time("timeout", params.timeout, WAIT_DEFAULT, 0..=WAIT_MAX)?;
    let draft = decode::draft(&body).map_err(|error| Refusal::of_decoding(&error))?;
    let sent = api
        .gate
        .send(draft, key, params.wait, timeout, params.park.0)
        .await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) if error.code == ErrorCode::LevelNotReached => return Err(held(&api, error).await),
        Err(error) => return Err(error.into()),
    };
    let created = answer.duplicate || answer.level >= Level::Stored;
    Ok(json(
        if created {
            StatusCode::CREATED
        } else {
            StatusCode::ACCEPTED
        },
        &answer,
    ))
}

/// A level that was not reached: says why nothing moves, where the coordinator or the recipient has said that.
async fn held(api: &ApiState, mut error: ErrorDetail) -> Refusal {
    let details = error.details.as_mut().and_then(Value::as_object_mut);
    if let Some(details) = details
        && let Some(id) = details.get("id").and_then(Value::as_str)
        && let Ok(id) = id.parse()
        && let Some((hold, said)) = history::hold(api, id).await
    {
        details.insert("held".into(), hold);
        let hint = error.hint.unwrap_or_default();
        error.hint = Some(format!("{said}; {hint}"));
    }
    error.into()
}
