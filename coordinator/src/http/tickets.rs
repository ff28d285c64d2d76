//! `POST /v1/tickets`: a short-lived ticket for a stream reader that can send no header.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use wagglebus_http::{Answered, NoParams, Params, json};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::api::Ticket;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::auth::{Caller, TICKET_LIVES};
use super::state::Shared;
use crate::clock;

pub(super) async fn give(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let Some(ticket) = api.auth.ticket(&caller) else {
        let error = ErrorDetail::new(ErrorCode::RateLimited, "too many tickets are out");
        return Err(error.retry_after_ms(1_000).into());
    };
    let lives_ms = i64::try_from(TICKET_LIVES.as_millis()).unwrap_or(i64::MAX);
    let expires_at = clock::wall()
        .and_then(|now| Timestamp::from_unix_ms(now.unix_ms().saturating_add(lives_ms)))
        .unwrap_or(Timestamp::EPOCH);
    Ok(json(StatusCode::CREATED, &Ticket { ticket, expires_at }))
}
