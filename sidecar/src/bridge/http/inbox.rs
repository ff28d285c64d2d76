//! `/v1/inbox`: takes messages under a lease, and settles them.

use axum::extract::State;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wagglebus_http::{Answered, JsonBody, NoParams, Params, PathId, Refusal, json, number};
use wagglebus_schemas::api::{
    AckRequest, MessageKey, NakRequest, PendingCounts, ProgressRequest, ReadRequest,
};
use wagglebus_schemas::decode;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::{LINE_BYTES_MAX, NAK_DELAY_MS_MAX, NAK_REASON_BYTES_MAX};
use wagglebus_sidecar_core::effect::Handed;
use wagglebus_sidecar_core::inbox::Hand;

use super::item::Item;
use super::seconds::{Seconds, time};
use super::state::Shared;

/// Most messages that one request takes.
const TAKEN_MAX: usize = 32;
/// Longest wait for a first message, in seconds.
const WAIT_MAX: u64 = 60;
/// Shortest lease, in seconds.
const LEASE_MIN: u64 = 5;
/// Longest lease, in seconds.
const LEASE_MAX: u64 = 3_600;
/// Length of a lease unless said otherwise, in seconds.
const LEASE_DEFAULT: u64 = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeParams {
    max: Option<usize>,
    timeout: Option<Seconds>,
    lease: Option<Seconds>,
}

/// [`InboxAnswer`](wagglebus_schemas::api::InboxAnswer), with messages as published.
#[derive(Debug, Serialize)]
struct Taken<'a> {
    messages: Vec<Item<'a>>,
}

pub(super) async fn take(State(api): Shared, Params(params): Params<TakeParams>) -> Answered {
    let max = number("max", params.max, 1, 1..=TAKEN_MAX)?;
    let timeout = time("timeout", params.timeout, 0, 0..=WAIT_MAX)?;
    let lease = time("lease", params.lease, LEASE_DEFAULT, LEASE_MIN..=LEASE_MAX)?;
    // When the client goes, this future is dropped, and with it goes what it would have taken.
    let handed = api.gate.take(max, timeout, lease).await?;
    let messages = handed.iter().map(Item::of).collect::<Result<_, _>>()?;
    Ok(json(StatusCode::OK, &Taken { messages }))
}

pub(super) async fn ack(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
    JsonBody(body): JsonBody,
) -> Answered {
    let AckRequest { lease, done } = read("ack", &body)?;
    Ok(json(StatusCode::OK, &api.gate.ack(id, Some(lease), done).await?))
}

/// Ends a message that was read elsewhere.
pub(super) async fn read_elsewhere(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
    JsonBody(body): JsonBody,
) -> Answered {
    let ReadRequest { from_agent } = read("read", &body)?;
    Ok(json(
        StatusCode::OK,
        &api.gate.read_elsewhere(id, from_agent).await?,
    ))
}

pub(super) async fn nak(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
    JsonBody(body): JsonBody,
) -> Answered {
    let NakRequest {
        lease,
        delay_ms,
        reason,
    } = read("nak", &body)?;
    if delay_ms > NAK_DELAY_MS_MAX {
        return Err(out_of_bounds(format!(
            "delay_ms {delay_ms} is over {NAK_DELAY_MS_MAX}"
        )));
    }
    if reason
        .as_ref()
        .is_some_and(|reason| reason.len() > NAK_REASON_BYTES_MAX)
    {
        return Err(out_of_bounds(format!(
            "reason has over {NAK_REASON_BYTES_MAX} bytes"
        )));
    }
    Ok(json(
        StatusCode::OK,
        &api.gate.nak(id, Some(lease), delay_ms, reason).await?,
    ))
}

pub(super) async fn progress(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
    JsonBody(body): JsonBody,
) -> Answered {
    let ProgressRequest { lease, extend } = read("progress", &body)?;
    if !(1..=LEASE_MAX).contains(&extend) {
        return Err(out_of_bounds(format!(
            "extend {extend} is out of bounds: use 1 to {LEASE_MAX} seconds"
        )));
    }
    let extend_ms = extend.saturating_mul(1_000);
    Ok(json(
        StatusCode::OK,
        &api.gate.progress(id, Some(lease), extend_ms).await?,
    ))
}

/// [`InboxPeek`](wagglebus_schemas::api::InboxPeek), with messages as published.
#[derive(Debug, Serialize)]
struct Peeked<'a> {
    in_hand: Vec<Item<'a>>,
    pending: PendingCounts,
    ended: Vec<MessageKey>,
}

/// Shows what waits and what is in hand, and takes nothing.
pub(super) async fn peek(State(api): Shared, Params(NoParams {}): Params<NoParams>) -> Answered {
    let look = |inspection: &crate::gate::Inspection<'_>| {
        let in_hand: Vec<Handed> = inspection.sidecar.in_hand().map(Hand::handed).collect();
        let ended = inspection.sidecar.ended_elsewhere().map(|key| MessageKey {
            from_agent: key.from.clone(),
            id: key.id,
        });
        let ended: Vec<MessageKey> = ended.collect();
        (in_hand, inspection.sidecar.view(inspection.now).inbox, ended)
    };
    let (in_hand, lanes, ended) = api.gate.inspect(look).await?;
    let pending = PendingCounts {
        urgent: lanes.urgent.pending,
        high: lanes.high.pending,
        normal: lanes.normal.pending,
        low: lanes.low.pending,
    };
    let in_hand = in_hand.iter().map(Item::of).collect::<Result<_, _>>()?;
    Ok(json(
        StatusCode::OK,
        &Peeked {
            in_hand,
            pending,
            ended,
        },
    ))
}

fn read<T: DeserializeOwned>(verb: &'static str, body: &[u8]) -> Result<T, Refusal> {
    decode::record(verb, body, LINE_BYTES_MAX).map_err(|error| Refusal::of_decoding(&error))
}

fn out_of_bounds(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidMessage, message)
}
