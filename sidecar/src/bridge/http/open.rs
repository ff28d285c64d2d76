//! Opens the API and serves it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use super::listen::{ListenError, Port, Socket};
use super::serve::serve;
use super::state::ApiState;
use super::stream::Streams;
use super::token::Token;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// An API that listens and is not served yet.
pub(crate) struct Api {
    agent: AgentId,
    gate: Gate,
    metrics: Metrics,
    socket: Socket,
    port: Option<Port>,
    token_file: Option<PathBuf>,
}

/// Listens at an agent's socket, and at a loopback address when one is given.
///
/// # Errors
/// See [`ListenError`].
pub(crate) async fn open(
    agent: &AgentId,
    socket: &Path,
    listen: Option<SocketAddr>,
    places: &Places,
    gate: Gate,
) -> Result<Api, ListenError> {
    let socket = Socket::bind(socket)?;
    let (port, token_file) = match listen {
        None => (None, None),
        Some(address) => {
            let token_file = places.run_dir().join(format!("{agent}.token"));
            let bound = Port::bind(address, Token::create(&token_file)?).await;
            let port = bound.inspect_err(|_| {
                std::fs::remove_file(&token_file).ok();
            })?;
            (Some(port), Some(token_file))
        }
    };
    Ok(Api {
        agent: agent.clone(),
        gate,
        metrics: Metrics::new(agent),
        socket,
        port,
        token_file,
    })
}

impl Api {
    /// The base URL of the loopback port.
    pub(crate) fn url(&self) -> Option<String> {
        self.port.as_ref().map(Port::url)
    }

    /// The file with the token of the loopback port.
    pub(crate) fn token_file(&self) -> Option<PathBuf> {
        self.token_file.clone()
    }

    /// What `/metrics` will tell.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves until `shutdown`, then until the requests under way are answered.
    pub(crate) async fn serve(self, shutdown: Shutdown) {
        let (agent, gate, metrics) = (self.agent, self.gate, self.metrics);
        let state = ApiState {
            gate,
            agent,
            metrics,
            streams: Streams::default(),
            shutdown,
        };
        serve(self.socket, self.port, Arc::new(state)).await;
        if let Some(path) = &self.token_file {
            // A newer process writes its own before it says where it is.
            std::fs::remove_file(path).ok();
        }
    }
}
