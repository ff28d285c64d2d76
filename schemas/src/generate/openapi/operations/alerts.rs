//! The path of alerts, and what else only a coordinator answers.

use serde_json::json;

use super::{Content, Operation, control, fsm, get, paging, query};
use crate::alert::AlertFilter;
use crate::error::ErrorCode::{CoordinatorUnavailable, InvalidQuery};

/// What only a coordinator can answer, beside tasks.
pub(super) fn coordinators() -> impl Iterator<Item = Operation> {
    let machines = control::control().into_iter().chain(fsm::machines());
    machines.chain([alerts()])
}

/// What a person should know of.
fn alerts() -> Operation {
    let state = query(
        "state",
        json!({"enum": AlertFilter::ALL}),
        "Only those in this state, or all that are open.",
    );
    Operation {
        parameters: std::iter::once(state).chain(paging()).collect(),
        answers: vec![(
            200,
            "A page of alerts, the latest first.",
            Content::Json("AlertPage"),
        )],
        errors: &[InvalidQuery, CoordinatorUnavailable],
        ..get("/v1/alerts", "alerts", "List alerts")
    }
}
