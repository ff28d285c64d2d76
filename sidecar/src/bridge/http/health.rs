//! `/livez`, `/readyz` and `/metrics` for supervisors and scrapers, and `/openapi.json` for programmers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use wagglebus_http::{Answered, json, raw_json, typed};
use wagglebus_schemas::api::{Readiness, ReadinessChecks};
use wagglebus_schemas::generate;
use wagglebus_sidecar_core::machine::View;

use super::state::Shared;
use crate::gate::Inspection;
use crate::metrics;

const OK: &str = "ok";

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(api): Shared) -> Answered {
    let readiness = readiness(&api.gate.inspect(view).await?);
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(json(status, &readiness))
}

pub(super) async fn metrics(State(api): Shared) -> Answered {
    let text = api.metrics.render(&api.gate.inspect(view).await?);
    Ok(typed(StatusCode::OK, metrics::CONTENT_TYPE, text.into()))
}

pub(super) async fn openapi() -> Response {
    let document = generate::OPENAPI.as_bytes();
    raw_json(StatusCode::OK, Bytes::from_static(document))
}

fn view(inspection: &Inspection<'_>) -> View {
    inspection.sidecar.view(inspection.now)
}

fn readiness(view: &View) -> Readiness {
    let check = |ok: bool, why: &str| if ok { OK.to_owned() } else { why.to_owned() };
    let checks = ReadinessChecks {
        bus: match &view.consumer_failure {
            Some(why) if view.bus_up => format!("nothing can be fetched: {why}; see `wagglebus doctor`"),
            Some(_) | None => check(
                view.bus_up,
                "NATS is not reachable; what is sent is kept until it is",
            ),
        },
        spool: view.spool_failure.clone().unwrap_or_else(|| OK.to_owned()),
        lease: check(
            view.lease_held,
            "the agent's lease is not held; nothing is handed over",
        ),
    };
    let ready = [&checks.bus, &checks.spool, &checks.lease]
        .into_iter()
        .all(|check| check == OK);
    Readiness {
        ready,
        checks,
        control: view.control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_is_enough_not_to_be_ready() {
        let view = metrics::tests::view();
        assert!(readiness(&view).ready);
        for broken in [
            View {
                bus_up: false,
                ..view.clone()
            },
            View {
                lease_held: false,
                ..view.clone()
            },
            View {
                consumer_failure: Some("consumer not found".to_owned()),
                ..view.clone()
            },
            View {
                spool_failure: Some("disk is gone".to_owned()),
                ..view.clone()
            },
        ] {
            assert!(!readiness(&broken).ready, "{broken:?}");
        }
    }
}
