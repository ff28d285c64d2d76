//! The paths of machines.

use serde_json::{Value, json};

use super::{Content, Operation, get, paging, query};
use crate::error::ErrorCode::{CoordinatorUnavailable, InvalidQuery, NotFound, UnknownAgent};
use crate::fsm_api::FsmEntity;

/// Every method of every path of machines.
pub(super) fn machines() -> Vec<Operation> {
    let state = Operation {
        parameters: vec![
            entity(),
            query(
                "at",
                json!({"type": "string"}),
                "As it was then, RFC 3339 UTC; as far back as the log reaches. Absent: now.",
            ),
        ],
        answers: vec![(200, "Where it stands.", Content::Json("Fsm"))],
        errors: &[InvalidQuery, NotFound, UnknownAgent, CoordinatorUnavailable],
        ..get("/v1/fsm/{entity}/{id}", "fsm", "Where a machine stands, or stood")
    };
    let state_filter = query(
        "state",
        json!({"type": "string"}),
        "Only what led to this state; the names of older systems are understood, too.",
    );
    let history = Operation {
        parameters: [entity(), state_filter].into_iter().chain(paging()).collect(),
        answers: vec![(
            200,
            "Its events, the latest first; a page may hold fewer than asked for.",
            Content::Json("TransitionPage"),
        )],
        errors: &[InvalidQuery, NotFound, UnknownAgent, CoordinatorUnavailable],
        ..get(
            "/v1/fsm/{entity}/{id}/history",
            "fsmHistory",
            "What happened to a machine",
        )
    };
    vec![state, history]
}

fn entity() -> Value {
    json!({
        "name": "entity",
        "in": "path",
        "required": true,
        "schema": {"enum": FsmEntity::ALL},
        "description": "What it is the machine of; the hive is `swarm`, and its id the name of the hive.",
    })
}
