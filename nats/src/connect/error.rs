//! Why there is no connection.

use std::error::Error as _;
use std::path::PathBuf;

use async_nats::ConnectErrorKind;

use crate::server::{REFUSE_BELOW, ServerVersion};

/// Why there is no connection, sorted by what the reader has to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error(
        "no NATS server answers at {address}: {reason}; start one with `wagglebus up`, or name another with --server"
    )]
    NotReachable {
        /// The address, without credentials.
        address: String,
        /// What was tried last.
        reason: String,
    },
    /// The server does not accept who we are.
    #[error(
        "the NATS server at {address} refuses these credentials: {reason}; check the context, NATS_* or the agent's enrolment"
    )]
    Auth {
        /// The address, without credentials.
        address: String,
        /// What the server or the key said.
        reason: String,
    },
    /// The server cannot do what we need.
    #[error(
        "the NATS server at {address} is version {found}, at least {REFUSE_BELOW} is needed; upgrade it, or run `wagglebus up`"
    )]
    TooOld {
        /// The address, without credentials.
        address: String,
        /// Its version.
        found: ServerVersion,
    },
    /// No safe channel could be made.
    #[error("no TLS with {address}: {reason}; check the certificate files (NATS_CA, NATS_CERT, NATS_KEY)")]
    Tls {
        /// The address, without credentials.
        address: String,
        /// What failed.
        reason: String,
    },
    /// A setting makes no sense.
    #[error("{what}: {reason}")]
    Config {
        /// Which setting.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the settings cannot be read.
    #[error("{what} {path} cannot be read: {reason}")]
    File {
        /// What it holds.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The server turned us away for another reason, such as its limit of connections.
    #[error("the NATS server at {address} turned the connection away: {reason}")]
    Refused {
        /// The address, without credentials.
        address: String,
        /// What it said.
        reason: String,
    },
}

impl ConnectError {
    /// Whether time alone can heal it. The others need a person.
    pub const fn heals(&self) -> bool {
        match self {
            Self::NotReachable { .. } | Self::Refused { .. } => true,
            Self::Auth { .. }
            | Self::TooOld { .. }
            | Self::Tls { .. }
            | Self::Config { .. }
            | Self::File { .. } => false,
        }
    }

    pub(super) fn config(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Config {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// Sorts what the client library says about one attempt.
    pub(super) fn sort(address: String, error: &async_nats::ConnectError) -> Self {
        let reason = deepest(error);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Self::Auth { address, reason }
            }
            ConnectErrorKind::Tls => Self::Tls { address, reason },
            ConnectErrorKind::ServerParse => Self::config(format!("server address {address}"), reason),
            ConnectErrorKind::TimedOut => Self::NotReachable {
                address,
                reason: "it did not answer in time".to_owned(),
            },
            ConnectErrorKind::Dns | ConnectErrorKind::MaxReconnects => Self::NotReachable { address, reason },
            ConnectErrorKind::Io if is_tls(error) => Self::Tls { address, reason },
            // The server's own words come as text only, this is the one place that reads them.
            ConnectErrorKind::Io => match said_by_server(error) {
                Some(said) if said.to_ascii_lowercase().contains("auth") => Self::Auth {
                    address,
                    reason: said,
                },
                Some(said) => Self::Refused {
                    address,
                    reason: said,
                },
                None => Self::NotReachable { address, reason },
            },
        }
    }
}

/// The innermost cause says most.
fn deepest(error: &async_nats::ConnectError) -> String {
    let mut text = error.kind().to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

fn is_tls(error: &async_nats::ConnectError) -> bool {
    error
        .source()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| inner.is::<async_nats::rustls::Error>())
}

fn said_by_server(error: &async_nats::ConnectError) -> Option<String> {
    match error.source()?.downcast_ref::<async_nats::ServerError>()? {
        async_nats::ServerError::Other(said) => Some(said.trim_matches('\'').to_owned()),
        async_nats::ServerError::AuthorizationViolation => Some("authorization violation".to_owned()),
        async_nats::ServerError::SlowConsumer(_) => Some("slow consumer".to_owned()),
    }
}
