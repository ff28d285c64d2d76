//! Why the program ends, with the exit code and what to do about it (DESIGN 6).

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use wagglebus_nats::config::ConfigError;
use wagglebus_nats::connect::ConnectError;
use wagglebus_nats::context::ContextError;
use wagglebus_nats::private_file::PrivateFileError;
use wagglebus_schemas::places::NoPlace;
use wagglebus_schemas::time::TimestampError;

use crate::lead::signs::ACCEPT_LOSS;
use crate::lead::story::Incomplete;

/// Everything that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0} is no loopback address: use 127.0.0.1:PORT or [::1]:PORT")]
    NotLoopback(SocketAddr),
    #[error("no NATS server is named and {} does not exist: start one with `wagglebus up`, or use --server URL", path.display())]
    NoBus { path: PathBuf },
    #[error("{} cannot be read: remove it and run `wagglebus up` again", path.display())]
    BusFile { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Places(#[from] NoPlace),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("alerts: {0}")]
    Alerts(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{address} cannot be listened on: use --listen with a free port, or port 0")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the ready file {} of a former run cannot be removed", path.display())]
    OldReadyFile { path: PathBuf, source: std::io::Error },
    #[error("the ready file cannot be written")]
    ReadyFile(#[from] PrivateFileError),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("the runtime cannot be started")]
    Runtime(#[source] std::io::Error),
    #[error("the time of day is wrong: set the clock")]
    Clock(#[source] TimestampError),
    #[error("the log and the buckets cannot be compared")]
    Rebuild(#[source] Box<dyn Error + Send + Sync>),
    #[error(
        "{0}; no coordinator leads before one can read them: use the release that wrote the snapshots, or go on without \
         those lines with {ACCEPT_LOSS}"
    )]
    Incomplete(Incomplete),
    #[error("{0} records of the buckets are not what the log says")]
    Differs(usize),
    #[error("some records could not be written, or somebody else writes them")]
    NotMended,
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NotLoopback(_) => 2,
            Self::NoBus { .. } => 5,
            Self::Connect(error) if error.heals() => 5,
            Self::Connect(_) | Self::Context(_) | Self::Config(_) | Self::Alerts(_) => 6,
            Self::Interrupted => 130,
            Self::Rebuild(_)
            | Self::Incomplete(_)
            | Self::Differs(_)
            | Self::NotMended
            | Self::BusFile { .. }
            | Self::Places(_)
            | Self::Listen { .. }
            | Self::OldReadyFile { .. }
            | Self::ReadyFile(_)
            | Self::Signals(_)
            | Self::Clock(_)
            | Self::Runtime(_) => 1,
        }
    }

    /// Says why on stderr, causes included, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let mut text = format!("wagglebus-coordinator: {self}");
        let mut cause = self.source();
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        eprintln!("{text}");
        ExitCode::from(self.exit_code())
    }
}
