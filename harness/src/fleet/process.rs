//! One of our programs as a process: signalled, waited for, and never left behind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use wagglebus_nats::server::guard::{Guard, gated};

/// A running program. Dropped, it is killed; killed as well when the program that started it is gone, however that
/// ended.
#[derive(Debug)]
pub struct Process {
    child: Child,
    // Dropped after the child was killed: the watcher must not outlive what it watches.
    _guard: Guard,
    pid: u32,
    log: PathBuf,
}

/// Becomes `$0`, which survives the signal that comes with a file over the [limit](Process::limit_files): a full disk
/// sends none.
pub const LIMITABLE: &str = "trap '' XFSZ && exec \"$0\" \"$@\"";

/// How to start a program.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, PathBuf)>,
    /// Where its standard error goes, appended. Its standard output goes nowhere.
    pub log: PathBuf,
}

impl Start {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system does not play along.
    pub async fn start(&self) -> Result<Process> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::from(gated(Path::new("/bin/sh")));
        command.arg("-c").arg(LIMITABLE).arg(&self.program);
        let mut child = command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        let (Some(pid), Some(mut gate)) = (child.id(), child.stdin.take()) else {
            bail!("{} ended at once", self.program.display());
        };
        let guard = Guard::watch(pid)?;
        gate.write_all(b"\n").await?;
        Ok(Process {
            child,
            _guard: guard,
            pid,
            log: self.log.clone(),
        })
    }
}

impl Process {
    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has said on its standard error so far; empty when that cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it in its tracks (SIGSTOP), and returns when it has stopped.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        let id = self.signal(Signal::STOP)?;
        waitid(
            WaitId::Pid(id),
            WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )?;
        Ok(())
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT).map(drop)
    }

    /// Lets it write no file longer than this from now on, or any file again: what a full disk looks like to it, and
    /// room after that.
    ///
    /// # Errors
    /// When it has ended, or the system cannot do this (only Linux can).
    pub fn limit_files(&self, bytes_max: Option<u64>) -> Result<()> {
        limit_files(self.pid, bytes_max)
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it has ended before.
    pub async fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        Ok(())
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it has ended before, or does not end `within` this time.
    pub async fn terminate(mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.end(within).await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not end `within` this time.
    pub async fn end(&mut self, within: Duration) -> Result<ExitStatus> {
        let ended = timeout(within, self.child.wait()).await;
        Ok(ended.with_context(|| format!("process {} did not end:\n{}", self.pid, self.log()))??)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn signal(&self, signal: Signal) -> Result<Pid> {
        // `id` is none once its status was collected: the number may then belong to somebody else.
        let id = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        let id = id.with_context(|| format!("process {} has ended:\n{}", self.pid, self.log()))?;
        kill_process(id, signal)?;
        Ok(id)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(id) = self.signal(Signal::KILL) {
            // Waits, so that files and ports are free for whoever comes next; a killed process ends in microseconds.
            waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok();
            self.child.try_wait().ok();
        }
    }
}

/// Lets a process of ours write no file longer than this from now on; see [`Process::limit_files`].
///
/// # Errors
/// When the system refuses.
#[cfg(target_os = "linux")]
pub fn limit_files(pid: u32, bytes_max: Option<u64>) -> Result<()> {
    use rustix::process::{Resource, Rlimit, prlimit};

    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let limit = Rlimit {
        current: bytes_max,
        maximum: None,
    };
    prlimit(id, Resource::Fsize, limit).with_context(|| format!("process {pid} cannot be limited"))?;
    Ok(())
}

/// Lets a process of ours write no file longer than this from now on: not on this system.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn limit_files(pid: u32, _: Option<u64>) -> Result<()> {
    bail!("files of process {pid} cannot be limited on this system")
}
