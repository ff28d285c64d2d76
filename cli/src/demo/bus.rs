//! The bus of the demonstration: `up` as a process of its own, which ends when we do, however we end.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::stage::Stage;
use crate::failure::Failure;
use crate::up::detach::{explain, first_line};
use crate::up::logs;
use crate::up::ready::Ready;

/// How long the bus may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to end: each of three programs has its own time.
const END_WITHIN: Duration = Duration::from_secs(40);

/// A bus. Its standard input is a pipe that only we can write to: when it closes, the bus ends in good order.
#[derive(Debug)]
pub(super) struct Bus {
    child: Child,
    log: PathBuf,
}

impl Bus {
    /// Starts it.
    pub(super) fn start(stage: &Stage) -> Result<Self, Failure> {
        let log = stage.logs().join("up.log");
        let cannot = |error: std::io::Error| Failure::failed("the bus does not start").why(error.to_string());
        let child = Command::new(std::env::current_exe().map_err(cannot)?)
            .args(["--json", "up", "--relaxed", "--bound"])
            .env_clear()
            .envs(stage.environment().iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(logs::open(&log).map_err(cannot)?)
            // A terminal's Ctrl-C is for us alone: the agents end first.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        Ok(Self { child, log })
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&mut self) -> Result<Ready, Failure> {
        let said = first_line(self.child.stdout.take());
        let said = timeout(READY_WITHIN, said).await.unwrap_or_default();
        match serde_json::from_str(&said) {
            Ok(ready) => Ok(ready),
            Err(_) => Err(explain(&mut self.child, &self.log, 0).await),
        }
    }

    /// Ends it in good order.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        match timeout(END_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::failed(format!("the bus ended with {status}"))),
            Ok(Err(error)) => Err(Failure::failed("the bus cannot be waited for").why(error.to_string())),
            Err(_) => {
                self.child.kill().await.ok();
                Err(Failure::failed("the bus did not end in time and was killed"))
            }
        }
    }
}
