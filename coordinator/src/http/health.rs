//! `/livez`, `/readyz` and `/metrics` for supervisors and scrapers: no secrets, so no token. And `/openapi.json`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use wagglebus_http::{Answered, json, raw_json, typed};
use wagglebus_schemas::generate;

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

pub(super) async fn openapi() -> Response {
    let document = generate::OPENAPI_COORDINATOR.as_bytes();
    raw_json(StatusCode::OK, Bytes::from_static(document))
}
