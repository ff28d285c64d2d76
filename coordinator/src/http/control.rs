//! `/v1/agents/{id}/{pause|resume}` and `/v1/swarm/{halt|resume}`: what the operator decides about agents and the hive.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawPathParams, State};
use axum::routing::{MethodRouter, post};
use wagglebus_http::{IdempotencyKey, MaybeJsonBody, NoParams, Params, Refusal};
use wagglebus_schemas::command::{ControlAction, TaskVerb};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::NameError;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::{AgentId, Command, Priority, decode};

use super::auth::Caller;
use super::state::{Api, Shared};
use super::store::{encode, identify};
use super::tasks::{Asked, command};

/// A path that lets this be done to the agent that it names, or without one to the hive. The body may be left out; an `id`
/// in it is the command's.
pub(super) fn control(action: ControlAction) -> MethodRouter<Arc<Api>> {
    let handle = async move |State(api): Shared,
                             Extension(caller): Extension<Caller>,
                             path: RawPathParams,
                             Params(NoParams {}): Params<NoParams>,
                             key: IdempotencyKey,
                             MaybeJsonBody(body): MaybeJsonBody| {
        let from = caller.operator()?;
        let asked = about(action, path.iter().next().map(|(_, name)| name), &body)?;
        let id = identify(&api, &from, asked.id, key)?;
        let asked = Asked {
            from,
            id,
            verb: TaskVerb::Control,
            priority: Priority::Urgent,
            body: encode(&Command {
                id: Some(id),
                ..asked
            })?,
        };
        command(&api, asked).await
    };
    post(handle)
}

fn about(action: ControlAction, named: Option<&str>, body: &[u8]) -> Result<Command, Refusal> {
    let given: Command =
        decode::record("command", body, LINE_BYTES_MAX).map_err(|e| Refusal::of_decoding(&e))?;
    let agent = named
        .map(str::parse::<AgentId>)
        .transpose()
        .map_err(|error: NameError| Refusal::new(ErrorCode::UnknownAgent, error.to_string()))?;
    let other = given.agent.is_some() && given.agent != agent;
    if other || given.action.is_some_and(|given| given != action) {
        let message = "the body says something else than the path";
        return Err(Refusal::new(ErrorCode::InvalidMessage, message).hint("leave agent and action out"));
    }
    Ok(Command {
        id: given.id,
        agent,
        action: Some(action),
        ..Command::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_who_is_meant_and_what_is_done() {
        let asked = about(ControlAction::Pause, Some("bob"), b"{}").unwrap();
        assert_eq!(
            (asked.agent, asked.action),
            ("bob".parse().ok(), Some(ControlAction::Pause))
        );
        assert_eq!(about(ControlAction::Halt, None, b"{}").unwrap().agent, None);
        let refused = |body: &[u8]| about(ControlAction::Pause, Some("bob"), body).unwrap_err().code();
        assert_eq!(refused(b"{\"agent\":\"carol\"}"), ErrorCode::InvalidMessage);
        assert_eq!(refused(b"{\"action\":\"halt\"}"), ErrorCode::InvalidMessage);
        let unknown = about(ControlAction::Pause, Some("No Name"), b"{}").unwrap_err();
        assert_eq!(unknown.code(), ErrorCode::UnknownAgent);
    }
}
