//! One nats-server process: started until it is ready, signalled, ended.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::guard::{Guard, gated};
use super::log;
use super::monitor::{Health, Monitor, Scope};
use super::ports::{Ports, read_ports_file, remove_ports_file};
use super::reload::{ReloadError, reload};

/// A server is ready about 50 ms after its start; asking this often adds little to that.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often other free ports are tried when somebody takes one between choice and use.
const PORT_TRIES: u32 = 8;

/// How to start a server. All files are the caller's.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The nats-server binary.
    pub program: PathBuf,
    /// Its configuration. Host and ports in it do not matter: they are given by this launch.
    pub config: PathBuf,
    /// An existing folder for the ports file.
    pub run_dir: PathBuf,
    /// Log file, appended to.
    pub log: PathBuf,
    /// Ports on 127.0.0.1; free ones when `None`.
    pub ports: Option<Ports>,
    /// Whether the server must not outlive this process: right for tests and demos. Costs a tiny watching process.
    pub bound: bool,
    /// How long the start may take. Opening a large store after a crash takes its time.
    pub ready_within: Duration,
}

/// A running server. Dropped, it is killed if its launch was bound to this process, and else left to run.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    guard: Option<Guard>,
    pid: u32,
    ports: Ports,
    run_dir: PathBuf,
    outlives_us: bool,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system did not play along.
    #[error("nats-server {program} cannot be started")]
    Spawn {
        /// The binary.
        program: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// One of the ports belongs to somebody else.
    #[error("port {} or {} is in use by another program; stop it, or choose another with --port", .0.client, .0.monitor)]
    PortInUse(Ports),
    /// It ended instead of becoming ready.
    #[error("nats-server ended at once ({status}): {reason}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        reason: String,
    },
    /// It runs, but is not ready in time. It was killed.
    #[error("nats-server was not ready within {} s: {reason}", .within.as_secs())]
    NotReady {
        /// The time it had.
        within: Duration,
        /// What was still wrong.
        reason: String,
    },
}

/// A signal that reached nobody.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The process has ended.
    #[error("nats-server (process {0}) has already ended")]
    Ended(u32),
    /// The operating system refused.
    #[error("nats-server (process {pid}) cannot be signalled")]
    Refused {
        /// The process.
        pid: u32,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl Launch {
    /// Starts the server and returns once it listens and JetStream is up.
    ///
    /// # Errors
    /// [`StartError`]; no process is left behind.
    pub async fn start(&self) -> Result<ServerProcess, StartError> {
        if let Some(ports) = self.ports {
            return self.start_at(ports).await;
        }
        let mut tries = 1;
        loop {
            let ports = Ports::free().map_err(|source| self.spawn_error(source))?;
            match self.start_at(ports).await {
                Err(StartError::PortInUse(_)) if tries < PORT_TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn start_at(&self, ports: Ports) -> Result<ServerProcess, StartError> {
        let logged = log::length(&self.log);
        let mut process = self
            .spawn(ports)
            .await
            .map_err(|source| self.spawn_error(source))?;
        let mut missing = "it does not listen yet".to_owned();
        let outcome = timeout(self.ready_within, process.ready(&mut missing)).await;
        match outcome {
            Ok(Ok(None)) => {
                process.outlives_us = !self.bound;
                Ok(process)
            }
            Ok(Ok(Some(status))) => {
                let reason = log::tail(&self.log, logged);
                if reason.contains("address already in use") {
                    return Err(StartError::PortInUse(ports));
                }
                Err(StartError::Ended { status, reason })
            }
            Ok(Err(source)) => Err(self.spawn_error(source)),
            Err(_) => Err(StartError::NotReady {
                within: self.ready_within,
                reason: missing,
            }),
        }
    }

    async fn spawn(&self, ports: Ports) -> io::Result<ServerProcess> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = if self.bound {
            Command::from(gated(&self.program))
        } else {
            Command::new(&self.program)
        };
        if !self.bound {
            command.stdin(Stdio::null());
        }
        let mut child = command
            .arg("-c")
            .arg(&self.config)
            .args([
                "-a",
                "127.0.0.1",
                "-p",
                &ports.client.to_string(),
                "-m",
                &ports.monitor.to_string(),
            ])
            .arg("--ports_file_dir")
            .arg(&self.run_dir)
            .arg("-l")
            .arg(&self.log)
            .envs(collection())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let Some(pid) = child.id() else {
            return Err(io::Error::other("it ended at once"));
        };
        let gate = child.stdin.take();
        let run_dir = self.run_dir.clone();
        let mut process = ServerProcess {
            child,
            guard: None,
            pid,
            ports,
            run_dir,
            outlives_us: false,
        };
        if let Some(mut gate) = gate {
            process.guard = Some(Guard::watch(pid)?);
            gate.write_all(b"\n").await?;
        }
        Ok(process)
    }

    fn spawn_error(&self, source: io::Error) -> StartError {
        StartError::Spawn {
            program: self.program.clone(),
            source,
        }
    }
}

impl ServerProcess {
    /// Process id of nats-server itself.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it listens. Given to the next launch, the server comes back at the same place.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Its monitoring port.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.ports.into()
    }

    /// Lets it read its configuration again, and waits until it has.
    ///
    /// # Errors
    /// When it refused the configuration, or did not react.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        reload(self.pid, self.monitor()).await
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open, nothing is answered.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<(), SignalError> {
        self.signal(Signal::STOP)?;
        // Threads on other cores run on for a moment: only the kernel knows when all of them have stopped.
        self.await_change(WaitIdOptions::STOPPED)
            .map_err(|source| SignalError::Refused {
                pid: self.pid,
                source,
            })
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<(), SignalError> {
        self.signal(Signal::CONT)
    }

    /// Waits until it ends by itself. May be dropped and called again.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end (SIGTERM), and kills it when it has not done so `within` this time.
    ///
    /// # Errors
    /// When the operating system cannot tell how it ended.
    pub async fn terminate(mut self, within: Duration) -> io::Result<ExitStatus> {
        match self.signal(Signal::TERM) {
            Ok(()) => match timeout(within, self.child.wait()).await {
                Ok(status) => status,
                Err(_) => self.kill().await,
            },
            Err(_) => self.child.wait().await,
        }
    }

    /// Kills it (SIGKILL), as a power cut of the process would.
    ///
    /// # Errors
    /// When the operating system cannot tell how it ended.
    pub async fn kill(mut self) -> io::Result<ExitStatus> {
        if self.signal(Signal::KILL).is_err() {
            tracing::debug!(pid = self.pid, "nats-server had already ended");
        }
        self.child.wait().await
    }

    /// Returns `None` when it is ready and the status when it has ended; says in `missing` what it is waiting for.
    async fn ready(&mut self, missing: &mut String) -> io::Result<Option<ExitStatus>> {
        while read_ports_file(&self.run_dir, self.pid).is_none_or(|ports| ports != self.ports) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            sleep(LOOK_EVERY).await;
        }
        while let Health::Ill(reason) = self.monitor().health(Scope::JetStream).await {
            *missing = reason;
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        let id = self.unreaped().ok_or(SignalError::Ended(self.pid))?;
        kill_process(id, signal).map_err(|errno| SignalError::Refused {
            pid: self.pid,
            source: errno.into(),
        })
    }

    /// Blocks until the process has stopped or ended after a signal that it cannot resist: microseconds. Leaves the
    /// status for whoever waits for the process.
    fn await_change(&self, change: WaitIdOptions) -> io::Result<()> {
        if let Some(id) = self.unreaped() {
            waitid(
                WaitId::Pid(id),
                change | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
            )?;
        }
        Ok(())
    }

    /// The process id while it surely still means this process: until its status has been collected.
    fn unreaped(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }
}

impl Drop for ServerProcess {
    /// Waits for a killed process, so that whoever continues finds its ports and files free.
    fn drop(&mut self) {
        if self.outlives_us && matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if self.signal(Signal::KILL).is_ok() {
            let ended = self
                .await_change(WaitIdOptions::EXITED)
                .and_then(|()| self.child.try_wait());
            if let Err(error) = ended {
                tracing::warn!(pid = self.pid, %error, "nats-server could not be waited for");
            }
        }
        if let Err(error) = remove_ports_file(&self.run_dir, self.pid) {
            tracing::debug!(%error, "the ports file could not be removed");
        }
    }
}

/// How often the server collects garbage: at half as much again as is in use, where Go's default is twice as much. A fleet
/// of 500 sidecars so fits the memory budget (ADR-0048). Whoever sets `GOGC` decides.
fn collection() -> Option<(&'static str, &'static str)> {
    std::env::var_os("GOGC").is_none().then_some(("GOGC", "50"))
}
