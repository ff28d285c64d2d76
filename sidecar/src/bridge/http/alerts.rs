//! `/v1/alerts`: what the coordinator says that a person should know of.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use wagglebus_http::{Answered, PAGE_LIMITS, PAGE_SIZE, Params, json, number};
use wagglebus_schemas::alert::{AlertFilter, AlertsRequest};

use super::state::Shared;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<AlertFilter>,
}

/// The alerts there are.
pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let ListParams { limit, cursor, state } = params;
    let request = AlertsRequest {
        limit: Some(number("limit", limit, PAGE_SIZE, PAGE_LIMITS)?),
        cursor,
        state,
    };
    Ok(json(StatusCode::OK, &api.gate.roster().alerts(&request).await?))
}
