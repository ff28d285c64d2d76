//! `/livez`, `/readyz` and `/metrics` on a loopback port, for supervisors and scrapers; no secrets, so no token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use wagglebus_schemas::error::{ErrorBody, ErrorCode, ErrorDetail};

use crate::failure::Failure;
use crate::health::Health;
use crate::metrics::Metrics;

/// Connections at one time; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 32;
/// How long a client may take to send a request's head, and how long an idle connection stays.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone)]
struct Shared {
    health: watch::Receiver<Health>,
    metrics: Arc<Metrics>,
}

/// Begins to listen; the port is known afterwards.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failure = |source| Failure::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failure)?;
    let bound = listener.local_addr().map_err(failure)?;
    Ok((listener, bound))
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, health: watch::Receiver<Health>, metrics: Arc<Metrics>) {
    let router = router(Shared { health, metrics });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    converse(stream, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, or the peer was gone already: others may succeed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = serving.await {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

fn router(shared: Shared) -> Router {
    let alive = || async { "ok\n" };
    Router::new()
        .route("/livez", get(alive))
        .route("/healthz", get(alive))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .with_state(shared)
        .layer(middleware::from_fn(own_host))
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let health = shared.health.borrow().clone();
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], shared.metrics.render()).into_response()
}

async fn not_found() -> Response {
    let paths = "the paths are /livez, /readyz and /metrics";
    refuse(ErrorDetail::new(ErrorCode::NotFound, "nothing is here").hint(paths))
}

/// Refuses requests that a browser was tricked into sending here under another name.
async fn own_host(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_some_and(is_loopback_host) {
        return next.run(request).await;
    }
    let named = "name 127.0.0.1, [::1] or localhost in the Host header";
    refuse(ErrorDetail::new(ErrorCode::ForbiddenHost, "this host name is not ours").hint(named))
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost")
}

fn refuse(error: ErrorDetail) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(ErrorBody::from(error))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_ours() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "LocalHost:7788",
            "[::1]",
            "[::1]:7788",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost:x",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
