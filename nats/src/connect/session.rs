//! One stay on one server.

use std::fmt;
use std::sync::Arc;

use async_nats::Client;
use async_nats::jetstream;
use tokio::sync::watch;

use super::denial::Denials;
use crate::server::{ServerVersion, Suitability};

/// The server of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its address, without credentials.
    pub address: String,
    /// Its version.
    pub version: ServerVersion,
    /// Longest message, headers included, in bytes. An account may have a lower limit, which the server does not tell.
    pub max_payload: usize,
}

impl Server {
    /// Whether it works but should be newer (RELIABILITY 1.1).
    pub fn is_old(&self) -> bool {
        self.version.suitability() != Suitability::Good
    }
}

/// A connection from its beginning to its end; never comes back. Cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    number: u64,
    server: Server,
    client: Client,
    jetstream: jetstream::Context,
    inbox_prefix: String,
    denials: Arc<Denials>,
    ended: watch::Receiver<bool>,
}

impl Session {
    pub(super) fn new(
        number: u64,
        server: Server,
        client: Client,
        jetstream: jetstream::Context,
        inbox_prefix: String,
        denials: Arc<Denials>,
        ended: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Inner {
            number,
            server,
            client,
            jetstream,
            inbox_prefix,
            denials,
            ended,
        }))
    }

    /// Its number, from 1 in each process.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The server that answers.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// The client library's handle, for what this crate does not wrap (provisioning, micro services). It ends with the
    /// session.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The client library's JetStream context with the API prefix of the settings. It ends with the session.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.0.jetstream
    }

    /// A reply subject that nobody can guess, not even from another one of ours (TOPOLOGY rule T4).
    pub(crate) fn inbox(&self) -> String {
        format!("{}.{}", self.0.inbox_prefix, uuid::Uuid::new_v4().simple())
    }

    pub(crate) fn denials(&self) -> &Denials {
        &self.0.denials
    }

    /// Resolves when the session has ended. Cancel-safe.
    pub async fn ended(&self) {
        // A dropped sender is an end too: the client has stopped.
        let _closed = self.0.ended.clone().wait_for(|ended| *ended).await.is_err();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("number", &self.0.number)
            .field("server", &self.0.server)
            .finish_non_exhaustive()
    }
}
