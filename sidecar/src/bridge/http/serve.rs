//! Connections: bounded in number, in the size of a head and in time; ended when their requests are answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wagglebus_http::Refusal;

use super::flush::Flushed;
use super::guard::Guard;
use super::listen::{Listen, Port, Socket};
use super::router::router;
use super::state::ApiState;
use crate::shutdown::Shutdown;

/// Open connections of each listener; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;
/// How long a kept connection may say nothing, and a head may take to arrive. An agent may think for long.
const HEAD_WITHIN: Duration = Duration::from_secs(600);
/// The read buffer of a connection, and so the longest head, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long requests under way may take to end once the program stops.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// Pause after the system refused a connection, so that others can end.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the program stops, then until the requests under way are answered.
pub(super) async fn serve(socket: Socket, port: Option<Port>, api: Arc<ApiState>) {
    let router = router(api.clone());
    let local = listen(&socket, &router, &api);
    match &port {
        None => local.await,
        Some(port) => {
            tokio::join!(local, listen(port, &router, &api));
        }
    }
}

async fn listen(from: &impl Listen, router: &Router, api: &ApiState) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = api.shutdown.clone();
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (from.accept().await, place)
        };
        tokio::select! {
            () = shutdown.begun() => break,
            Some(_) = connections.join_next() => {}
            (accepted, place) = next => match accepted {
                Ok((stream, guard)) => {
                    let conversation = converse(stream, guard, router.clone(), api.shutdown.clone());
                    let open = api.metrics.connection();
                    connections.spawn(async move {
                        conversation.await;
                        drop((place, open));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    // What is left when the time is over ends with the set.
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(ENDS_WITHIN, ended).await.ok();
}

async fn converse<S>(stream: S, guard: Guard, router: Router, mut shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, flushes) = Flushed::new(stream);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let refused = guard.check(request.headers()).err();
        flushes.lend_to(&mut request);
        let answer = refused.is_none().then(|| router.call(request));
        async move {
            Ok::<Response<Body>, Infallible>(match (answer, refused) {
                (Some(answer), _) => answer.await.unwrap_or_else(|never| match never {}),
                (None, Some(error)) => Refusal::from(error).into_response(),
                (None, None) => Response::default(),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
