//! The sign to shut down: SIGTERM or SIGINT, or the event loop's own end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells everybody that the process shuts down. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// Gives the sign.
pub(crate) struct ShutdownSwitch(watch::Sender<bool>);

/// A switch and what it switches.
pub(crate) fn shutdown() -> (ShutdownSwitch, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownSwitch(sender), Shutdown(receiver))
}

impl ShutdownSwitch {
    /// Gives the sign.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits for the sign.
    pub(crate) async fn begun(&mut self) {
        // A switch that is gone will not be used any more: that is the end too.
        self.0.wait_for(|begun| *begun).await.ok();
    }

    /// Whether the sign was given; false when the process ends for another reason.
    pub(crate) fn is_given(&self) -> bool {
        *self.0.borrow()
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen: from here on the signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
