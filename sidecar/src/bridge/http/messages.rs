//! `POST /v1/messages`: sends a message.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::Value;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{Level, decode};

use super::answer::{Answered, Refusal, json};
use super::body::JsonBody;
use super::history;
use super::query::{Flag, Params, Seconds, time};
use super::state::{ApiState, Shared};

/// How long a sender waits unless it says otherwise, in seconds: as long as one publish may take.
const WAIT_DEFAULT: u64 = 5;
/// How long a sender may wait, in seconds.
const WAIT_MAX: u64 = 3_600;
/// Longest idempotency key in bytes.
const KEY_BYTES_MAX: usize = 255;

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

/// The caller's name for a message or a command: a repeat under it is the same message.
#[derive(Debug)]
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut keys = parts.headers.get_all("idempotency-key").iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        let usable = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len());
        match key.to_str().ok().filter(usable).filter(|_| keys.next().is_none()) {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Refusal::new(
                ErrorCode::InvalidMessage,
                format!(
                    "Idempotency-Key is not usable: send it once, with 1 to {KEY_BYTES_MAX} visible ASCII characters"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};

    async fn key(values: &[&[u8]]) -> Result<Option<String>, ErrorCode> {
        let mut request = Request::post("/v1/messages").body(()).unwrap();
        for value in values {
            request
                .headers_mut()
                .append("Idempotency-Key", HeaderValue::from_bytes(value).unwrap());
        }
        let key = IdempotencyKey::from_request_parts(&mut request.into_parts().0, &()).await;
        key.map(|IdempotencyKey(key)| key)
            .map_err(|refusal| refusal.code())
    }

    #[tokio::test]
    async fn an_idempotency_key_is_short_visible_and_single() {
        assert_eq!(key(&[]).await, Ok(None));
        assert_eq!(key(&[b"order 7/a"]).await, Ok(Some("order 7/a".to_owned())));
        let long = vec![b'x'; KEY_BYTES_MAX + 1];
        for bad in [&[&b""[..]][..], &[b"a\tb\x80"], &[&long], &[b"a", b"b"]] {
            assert_eq!(key(bad).await, Err(ErrorCode::InvalidMessage), "{bad:?}");
        }
    }
}
