//! Why a sidecar does not run, how to fix it, and with which exit code it ends (DESIGN 6).

use std::path::PathBuf;

use wagglebus_nats::config::ConfigError;
use wagglebus_nats::connect::ConnectError;
use wagglebus_nats::context::ContextError;
use wagglebus_schemas::lease::Lease;

use crate::bridge::http::ListenError;
use crate::bridge::tmux::AttachError;
use crate::storage::{FolderError, RecoverError};

/// Why a sidecar does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no bus to connect to.
    #[error("no bus: {what}")]
    NoBus {
        /// What was looked for.
        what: String,
    },
    /// The bus cannot be reached or refuses us.
    #[error("cannot connect to the bus: {0}")]
    Connect(#[from] ConnectError),
    /// A context of the stock CLI, or its variables, cannot be used.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A configuration file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agent cannot be enrolled.
    #[error("cannot enrol the agent: {0}")]
    Enrol(String),
    /// Another sidecar holds the agent's lease.
    #[error("fenced: {} is held by the sidecar with pid {} on {} since {}", .0.agent, .0.pid, .0.host, .0.at)]
    Fenced(Box<Lease>),
    /// The pane cannot be attached to.
    #[error("cannot attach: {0}")]
    Attach(#[from] AttachError),
    /// The state folder is in use or unusable.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The spool cannot be opened.
    #[error(transparent)]
    Spool(#[from] RecoverError),
    /// The local API cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A place cannot be used.
    #[error("cannot use {path}: {source}")]
    Place {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The environment says nowhere where files belong.
    #[error(transparent)]
    NoPlace(#[from] wagglebus_schemas::places::NoPlace),
    /// The agent's program cannot be started, now or later.
    #[error("cannot start {program}: {why}")]
    Program {
        /// As it was given.
        program: String,
        /// Why not.
        why: &'static str,
    },
    /// The system refused something basic.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

impl Failure {
    /// How to fix it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoBus { .. } => Some("start one with `wagglebus up --detach`, or name one with --server".to_owned()),
            Self::Attach(error) => error.hint().map(str::to_owned),
            Self::Enrol(_) => Some("look with `wagglebus doctor`".to_owned()),
            Self::Fenced(_) => Some(
                "stop that sidecar, or take the agent over with --takeover; a crashed one is forgotten after 15 s"
                    .to_owned(),
            ),
            Self::Folder(FolderError::Locked { .. }) | Self::Listen(ListenError::InUse { .. }) => {
                Some("one sidecar per agent: stop the other one, or use another agent id".to_owned())
            }
            Self::Folder(FolderError::Io { .. }) | Self::Place { .. } => {
                Some("check owner, mode and free space of that path".to_owned())
            }
            Self::Program { .. } => Some("check the command after `--`; it is no shell line: for one, use sh -c '…'".to_owned()),
            Self::Spool(RecoverError::UnknownFormat { .. }) => Some("downgrading needs an empty spool".to_owned()),
            // The texts of connection and listen errors say how to fix them.
            Self::Connect(_)
            | Self::Context(_)
            | Self::Config(_)
            | Self::Spool(RecoverError::Io { .. })
            | Self::Listen(_)
            | Self::NoPlace(_)
            | Self::System(_) => None,
        }
    }

    /// The exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Program { .. } => 2,
            Self::Attach(error) => error.exit_code(),
            Self::NoBus { .. } => 5,
            // 5 invites to try again later; what a person must mend is refused.
            Self::Connect(error) if error.heals() => 5,
            Self::Connect(_)
            | Self::Context(_)
            | Self::Config(_)
            | Self::Fenced(_)
            | Self::Folder(FolderError::Locked { .. })
            | Self::Listen(ListenError::InUse { .. } | ListenError::NotLoopback { .. }) => 6,
            Self::Enrol(_)
            | Self::Folder(FolderError::Io { .. })
            | Self::Spool(_)
            | Self::Listen(_)
            | Self::Place { .. }
            | Self::NoPlace(_)
            | Self::System(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_time_heals_is_unreachable() {
        let (address, reason) = ("127.0.0.1:1".to_owned(), "x".to_owned());
        let auth = ConnectError::Auth {
            address: address.clone(),
            reason: reason.clone(),
        };
        let tls = ConnectError::Tls {
            address: address.clone(),
            reason: reason.clone(),
        };
        let away = ConnectError::NotReachable { address, reason };
        for (error, code) in [(auth, 6), (tls, 6), (away, 5)] {
            assert_eq!(Failure::Connect(error.clone()).exit_code(), code, "{error}");
        }
    }
}
