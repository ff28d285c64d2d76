//! `/v1/fsm`: where the machines of tasks, agents and the hive stand and stood. The coordinator answers.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use wagglebus_http::{Answered, PAGE_LIMITS, PAGE_SIZE, Params, Refusal, json, number};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::UnknownWord;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::fsm_api::{FsmEntity, FsmRequest};

use super::state::Shared;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateParams {
    at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<String>,
}

/// Where one stands, or stood at a time.
pub(super) async fn state(
    State(api): Shared,
    Path((entity, id)): Path<(String, String)>,
    Params(StateParams { at }): Params<StateParams>,
) -> Answered {
    let request = FsmRequest {
        at,
        ..about(&entity, id)?
    };
    Ok(json(StatusCode::OK, &api.gate.roster().fsm(&request).await?))
}

/// What happened to it.
pub(super) async fn history(
    State(api): Shared,
    Path((entity, id)): Path<(String, String)>,
    Params(params): Params<HistoryParams>,
) -> Answered {
    let request = FsmRequest {
        history: true,
        state: params.state,
        limit: Some(number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?),
        cursor: params.cursor,
        ..about(&entity, id)?
    };
    Ok(json(StatusCode::OK, &api.gate.roster().fsm(&request).await?))
}

fn about(entity: &str, id: String) -> Result<FsmRequest, Refusal> {
    let unknown = |error: UnknownWord| Refusal::new(ErrorCode::NotFound, error.to_string());
    let entity: FsmEntity = entity.parse().map_err(unknown)?;
    Ok(FsmRequest::now(entity, Some(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_of_what() {
        let request = about("swarm", "wb".to_owned()).unwrap();
        assert_eq!(request, FsmRequest::now(FsmEntity::Swarm, Some("wb".to_owned())));
        let refusal = about("contract", "x".to_owned()).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::NotFound);
    }
}
