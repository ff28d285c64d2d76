//! `/v1/rooms`: which there are, and into and out of one. The coordinator answers; nothing is remembered here.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use wagglebus_http::{Answered, NoParams, PAGE_LIMITS, PAGE_SIZE, Params, Refusal, json, number};
use wagglebus_schemas::RoomName;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::NameError;

use super::state::Shared;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
    cursor: Option<RoomName>,
}

pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let page = api.gate.roster().rooms(limit, params.cursor.as_ref()).await?;
    Ok(json(StatusCode::OK, &page))
}

/// Joins the room with `JOIN`, else leaves it.
pub(super) async fn change<const JOIN: bool>(
    State(api): Shared,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let answer = api.gate.change_room(&room(&name)?, JOIN).await?;
    Ok(json(StatusCode::OK, &answer))
}

fn room(name: &str) -> Result<RoomName, Refusal> {
    let invalid = |error: NameError| {
        Refusal::new(ErrorCode::InvalidQuery, error.to_string()).hint("GET /v1/rooms lists those there are")
    };
    name.parse().map_err(invalid)
}
