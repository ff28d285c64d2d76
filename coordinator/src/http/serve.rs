//! Connections: bounded in number, in the size of a head and in time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Open connections of each listener, readers of streams included; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a kept connection may say nothing, and a head may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// The read buffer of a connection, and so the longest head, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// Pause after the system refused a connection, so that others can end.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until dropped; connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        tokio::select! {
            Some(_) = connections.join_next() => {}
            (accepted, place) = next => match accepted {
                Ok((stream, _)) => {
                    let router = router.clone();
                    connections.spawn(async move {
                        converse(stream, router).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, or the peer was gone already: others may succeed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    // Without it an answer waits for the peer's delayed ack.
    stream.set_nodelay(true).ok();
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        // For readers of WebSockets, which leave HTTP.
        .with_upgrades();
    if let Err(error) = serving.await {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
