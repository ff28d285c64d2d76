//! `/v1/tasks`: commands about tasks, and what the coordinator says of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use wagglebus_http::{
    Answered, IdempotencyKey, JsonBody, MaybeJsonBody, NoParams, PAGE_LIMITS, PAGE_SIZE, Params, PathId,
    Refusal, json, number,
};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::TasksRequest;
use wagglebus_schemas::{AgentId, Command, Id, TaskDraft, decode};
use wagglebus_sidecar_core::command::TaskCommand;

use super::state::{ApiState, Shared};
use crate::gate::{TaskOutcome, VERDICT_WITHIN};

/// A new task.
pub(super) async fn submit(
    State(api): Shared,
    Params(NoParams {}): Params<NoParams>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Answered {
    let draft: TaskDraft =
        decode::record("task draft", &body, LINE_BYTES_MAX).map_err(|e| Refusal::of_decoding(&e))?;
    command(&api, TaskCommand::Submit(Box::new(draft)), key).await
}

/// The path of a verb. Where the verb needs nothing, neither is a body needed.
pub(super) fn verb(verb: TaskVerb) -> MethodRouter<Arc<ApiState>> {
    let handle = async move |State(api): Shared,
                             PathId(id): PathId,
                             Params(NoParams {}): Params<NoParams>,
                             IdempotencyKey(key): IdempotencyKey,
                             MaybeJsonBody(body): MaybeJsonBody| {
        let asked = about(verb, id, &body)?;
        command(&api, asked, key).await
    };
    post(handle)
}

fn about(verb: TaskVerb, id: Id, body: &[u8]) -> Result<TaskCommand, Refusal> {
    let mut command: Command =
        decode::record("command", body, LINE_BYTES_MAX).map_err(|e| Refusal::of_decoding(&e))?;
    if let Some(other) = command.task_id.replace(id).filter(|other| *other != id) {
        let message = format!("the path names task {id}, the body task {other}");
        return Err(Refusal::new(ErrorCode::InvalidMessage, message).hint("leave task_id out"));
    }
    let command = Box::new(command);
    Ok(TaskCommand::Verb { verb, command })
}

pub(super) async fn command(api: &ApiState, command: TaskCommand, key: Option<String>) -> Answered {
    let sent = api.gate.command(command, key, VERDICT_WITHIN).await?;
    Ok(match sent.verdict().await? {
        TaskOutcome::Decided { task, created: true } => json(StatusCode::CREATED, &task),
        TaskOutcome::Decided { task, created: false } => json(StatusCode::OK, &task),
        TaskOutcome::Undecided(answer) => json(StatusCode::ACCEPTED, &answer),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<TaskState>,
    agent: Option<AgentId>,
}

/// The tasks there are.
pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let ListParams {
        limit,
        cursor,
        state,
        agent,
    } = params;
    let request = TasksRequest {
        limit: Some(number("limit", limit, PAGE_SIZE, PAGE_LIMITS)?),
        cursor,
        state,
        agent,
    };
    Ok(json(StatusCode::OK, &api.gate.roster().tasks(&request).await?))
}

/// A task as it is now.
pub(super) async fn task(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    Ok(json(StatusCode::OK, &api.gate.roster().task(id).await?))
}

/// Why a task went to whom.
pub(super) async fn explanation(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    Ok(json(StatusCode::OK, &api.gate.roster().explain(id).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_which_task() {
        let (id, other) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        let body = |task: Id| format!("{{\"task_id\":\"{task}\"}}").into_bytes();
        for fine in [b"{}".to_vec(), body(id)] {
            let command = about(TaskVerb::Accept, id, &fine).unwrap();
            assert_eq!((command.verb(), command.task_id()), (TaskVerb::Accept, Some(id)));
        }
        let refusal = about(TaskVerb::Accept, id, &body(other)).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidMessage);
    }
}
