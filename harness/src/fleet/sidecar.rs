//! The sidecar of one agent: started until it is ready, struck by faults, started again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};
use wagglebus_client::{Client, Endpoint};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::AgentFile;

use super::process::{Process, Start};

/// Two busy cores with many programs starting at once still make this.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often the ready file is looked for: a sidecar is ready after some tens of milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The sidecar of one agent of a [fleet](super::Fleet).
#[derive(Debug)]
pub struct Sidecar {
    // Dropped before the files.
    process: Option<Process>,
    start: Start,
    agent: AgentId,
    socket: PathBuf,
    ready_file: PathBuf,
    state_dir: PathBuf,
}

impl Sidecar {
    pub(super) fn new(
        agent: AgentId,
        socket: PathBuf,
        ready_file: PathBuf,
        state_dir: PathBuf,
        start: Start,
    ) -> Self {
        Self {
            process: None,
            start,
            agent,
            socket,
            ready_file,
            state_dir,
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Its folder: lock, state id, spool.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where its local API listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client of its socket, which stays the same over restarts.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(Endpoint::Unix(self.socket.clone()))
    }

    /// How it is started, to change that before the next start.
    pub const fn start_mut(&mut self) -> &mut Start {
        &mut self.start
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self) -> Result<&Process> {
        self.process
            .as_ref()
            .with_context(|| format!("the sidecar of {} does not run", self.agent))
    }

    /// What it has said so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.start.log).unwrap_or_default()
    }

    /// Starts it, and returns as soon as the process is there.
    ///
    /// # Errors
    /// When it runs already, or the operating system does not play along.
    pub async fn launch(&mut self) -> Result<&mut Process> {
        ensure!(
            self.process.is_none(),
            "the sidecar of {} runs already",
            self.agent
        );
        // A former life may have been killed and left its file: only a new one says that this one is ready.
        match fs::remove_file(&self.ready_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        Ok(self.process.insert(self.start.start().await?))
    }

    /// Starts it and waits until it is ready. Returns what it says about itself.
    ///
    /// # Errors
    /// When it ends instead, or is not ready in time; the text has its log.
    pub async fn start(&mut self) -> Result<AgentFile> {
        self.launch().await?;
        self.ready().await
    }

    /// Waits until it is ready after [`launch`](Self::launch).
    ///
    /// # Errors
    /// See [`Sidecar::start`].
    pub async fn ready(&mut self) -> Result<AgentFile> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            // Written whole or not at all.
            if let Ok(text) = fs::read(&self.ready_file) {
                let file: AgentFile = serde_json::from_slice(&text)?;
                ensure!(
                    file.agent == self.agent && file.socket == self.socket,
                    "a strange ready file: {file:?}"
                );
                return Ok(file);
            }
            let Some(process) = self.process.as_mut() else {
                bail!("the sidecar of {} does not run", self.agent);
            };
            if let Some(status) = process.ended()? {
                self.process = None;
                bail!(
                    "the sidecar of {} ended ({status}) instead of becoming ready:\n{}",
                    self.agent,
                    self.log()
                );
            }
            ensure!(
                Instant::now() < deadline,
                "the sidecar of {} is not ready:\n{}",
                self.agent,
                self.log()
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.take()?.kill().await
    }

    /// Kills it and starts it again at once.
    ///
    /// # Errors
    /// See [`Sidecar::kill`] and [`Sidecar::start`].
    pub async fn restart(&mut self) -> Result<AgentFile> {
        self.kill().await?;
        self.start().await
    }

    /// Ends it in good order (SIGTERM).
    ///
    /// # Errors
    /// When it does not run, or does not end well.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.take()?.terminate(READY_WITHIN).await?;
        ensure!(
            status.success(),
            "the sidecar of {} ended with {status}:\n{}",
            self.agent,
            self.log()
        );
        Ok(())
    }

    /// Waits until it ends by itself. Returns its exit code.
    ///
    /// # Errors
    /// When it does not run, does not end in time, or was ended by a signal.
    pub async fn exit_code(&mut self) -> Result<i32> {
        let status = self.take()?.end(READY_WITHIN).await?;
        status
            .code()
            .with_context(|| format!("the sidecar of {} ended by a signal: {status}", self.agent))
    }

    fn take(&mut self) -> Result<Process> {
        self.process
            .take()
            .with_context(|| format!("the sidecar of {} does not run", self.agent))
    }
}
