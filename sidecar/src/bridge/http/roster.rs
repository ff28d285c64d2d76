//! `/v1/agents`: who exists, as the coordinator tells or as this sidecar remembers.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use wagglebus_http::{Answered, NoParams, PAGE_LIMITS, PAGE_SIZE, Params, Refusal, json as answer, number};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::NameError;

use super::state::Shared;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
    cursor: Option<AgentId>,
}

pub(super) async fn agents(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let page = api.gate.roster().agents(limit, params.cursor.as_ref()).await?;
    Ok(answer(StatusCode::OK, &page))
}

pub(super) async fn agent(
    State(api): Shared,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let unknown = |error: NameError| Refusal::new(ErrorCode::UnknownAgent, error.to_string());
    let agent: AgentId = name.parse().map_err(unknown)?;
    Ok(answer(StatusCode::OK, &api.gate.roster().agent(&agent).await?))
}
