//! `/v1/agents/{id}/pause`, `/resume` and `/v1/swarm/halt`, `/resume`: what the operator wants, as commands.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{MethodRouter, post};
use wagglebus_http::{Answered, IdempotencyKey, NoParams, Params, Refusal};
use wagglebus_schemas::command::{ControlAction, TaskVerb};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::NameError;
use wagglebus_schemas::{AgentId, Command};
use wagglebus_sidecar_core::command::TaskCommand;

use super::state::{ApiState, Shared};
use super::tasks::command;

/// The path of an action on one agent.
pub(super) fn of_agent(action: ControlAction) -> MethodRouter<Arc<ApiState>> {
    post(
        async move |State(api): Shared,
                    Path(name): Path<String>,
                    Params(NoParams {}): Params<NoParams>,
                    IdempotencyKey(key): IdempotencyKey| {
            let unknown = |error: NameError| Refusal::new(ErrorCode::UnknownAgent, error.to_string());
            let agent: AgentId = name.parse().map_err(unknown)?;
            ask(&api, Some(agent), action, key).await
        },
    )
}

/// The path of an action on the hive.
pub(super) fn of_hive(action: ControlAction) -> MethodRouter<Arc<ApiState>> {
    post(
        async move |State(api): Shared,
                    Params(NoParams {}): Params<NoParams>,
                    IdempotencyKey(key): IdempotencyKey| { ask(&api, None, action, key).await },
    )
}

async fn ask(api: &ApiState, agent: Option<AgentId>, action: ControlAction, key: Option<String>) -> Answered {
    let asked = Command {
        agent,
        action: Some(action),
        ..Command::default()
    };
    let asked = TaskCommand::Verb {
        verb: TaskVerb::Control,
        command: Box::new(asked),
    };
    command(api, asked, key).await
}
