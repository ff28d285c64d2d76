//! `/livez`, `/readyz` and `/metrics` for supervisors and scrapers: no secrets, so no token.

use axum::extract::State;
use axum::http::StatusCode;

use super::answer::{Answered, json, typed};
use super::state::Shared;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(api): Shared) -> Answered {
    let health = api.health.borrow().clone();
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(json(status, &health))
}

pub(super) async fn metrics(State(api): Shared) -> Answered {
    Ok(typed(StatusCode::OK, METRICS_TYPE, api.metrics.render().into()))
}
