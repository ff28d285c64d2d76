//! Lets a running nats-server read its configuration again, and knows when it has.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep, timeout_at};

use super::monitor::{Monitor, MonitorError};

/// A reload with thousands of users takes well under a second, on a machine that has time for it.
const DONE_WITHIN: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Why a new configuration is not in force. The old one still is.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// There is no such process, or it is not ours.
    #[error("nats-server (process {pid}) cannot be signalled")]
    Signal {
        /// The process.
        pid: u32,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The server does not answer.
    #[error("nats-server does not say which configuration it uses")]
    Monitor(#[from] MonitorError),
    /// The server answers, and has kept the old configuration.
    #[error("nats-server (process {pid}) did not take over its new configuration; its log says why")]
    Kept {
        /// The process.
        pid: u32,
    },
}

/// Signals the server process `pid` (SIGHUP) and waits until its monitoring port shows the new configuration.
///
/// Works from any process of the same user: `pid` and `monitor` stand in `bus.json`.
///
/// # Errors
/// When the server cannot be reached, or has not taken the new configuration over in 20 s. A refused configuration is
/// told apart from a slow server only in the server's log.
pub async fn reload(pid: u32, monitor: Monitor) -> Result<(), ReloadError> {
    let before = monitor.configuration_time().await?;
    hang_up(pid).map_err(|source| ReloadError::Signal { pid, source })?;
    let deadline = Instant::now() + DONE_WITHIN;
    // While it reloads on a busy machine the server may not answer; what it says last counts.
    let mut last = Ok(before.clone());
    let changed = timeout_at(deadline, async {
        while last.as_ref().map_or(true, |now| *now == before) {
            sleep(LOOK_EVERY).await;
            last = monitor.configuration_time().await;
        }
    });
    match changed.await {
        Ok(()) => Ok(()),
        Err(_) => last
            .map_err(ReloadError::from)
            .and(Err(ReloadError::Kept { pid })),
    }
}

fn hang_up(pid: u32) -> io::Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(kill_process(process, Signal::HUP)?)
}
