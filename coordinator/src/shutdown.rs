//! The signals that end the program, and when they come.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The signals that end the program.
#[derive(Debug)]
pub(crate) struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM, from a supervisor.
    Terminate,
    /// SIGINT, from a person.
    Interrupt,
}

impl Shutdown {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::Signals)?,
        })
    }

    /// Resolves when asked to stop. Cancel-safe.
    pub(crate) async fn asked(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}
