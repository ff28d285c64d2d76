//! A real nats-server for one test: own folder, own ports, nothing left behind.
//!
//! ```no_run
//! # use wagglebus_harness::server::TestServer;
//! # async fn example() -> anyhow::Result<()> {
//! let mut server = TestServer::open().await?;
//! // … connect to server.url() …
//! server.kill().await?;
//! server.start().await?; // same url, same data
//! # Ok(())
//! # }
//! ```
//!
//! The process ends with the test however that ends: return, panic, or SIGKILL of the whole test program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use wagglebus_nats::server::{Launch, Monitor, Search, ServerProcess};

/// Two busy cores with many servers starting at once still make this.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A server without load ends in milliseconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A nats-server that belongs to one test. Dropped, the process and all files are gone.
#[derive(Debug)]
pub struct TestServer {
    // Dropped in this order: first the process, then its files.
    process: Option<ServerProcess>,
    launch: Launch,
    paths: Paths,
    url: String,
    _dir: TempDir,
}

/// Places that a configuration may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The server's own folder, empty at first: for key files and included configurations.
    pub dir: PathBuf,
    /// For `jetstream { store_dir }`.
    pub store: PathBuf,
    /// The configuration file itself; an `include` in it is relative to [`Paths::dir`].
    pub config: PathBuf,
    /// The server's log.
    pub log: PathBuf,
}

impl TestServer {
    /// A server with JetStream and without authentication, 2 GiB of store, durability of a throw-away server.
    ///
    /// # Errors
    /// When there is no nats-server (the text names the fixes), or it does not start.
    pub async fn open() -> Result<Self> {
        Self::with_config(|paths| {
            format!(
                "jetstream {{ store_dir: {:?}, max_mem: 64M, max_file: 2G }}\nmax_payload: 1MB\n",
                paths.store
            )
        })
        .await
    }

    /// A server with the configuration that `write` returns. It must switch JetStream on; host, ports and log are given
    /// by the fixture and need not be in it.
    ///
    /// # Errors
    /// When there is no nats-server (the text names the fixes), or it does not start with this configuration.
    pub async fn with_config(write: impl FnOnce(&Paths) -> String) -> Result<Self> {
        let program = Search::of_this_process(None).resolve().await?.found.path;
        let dir = tempfile::Builder::new().prefix("wagglebus-nats-").tempdir()?;
        let paths = Paths::below(dir.path())?;
        fs::write(&paths.config, write(&paths))?;
        let launch = Launch {
            program,
            config: paths.config.clone(),
            run_dir: paths.dir.clone(),
            log: paths.log.clone(),
            ports: None,
            bound: true,
            ready_within: READY_WITHIN,
        };
        let mut server = Self {
            process: None,
            launch,
            paths,
            url: String::new(),
            _dir: dir,
        };
        server.start().await?;
        Ok(server)
    }

    /// How it is started, to change that before the next start.
    pub fn launch_mut(&mut self) -> &mut Launch {
        &mut self.launch
    }

    /// Where clients connect. The same after each restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its files.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// How it is started, for tests that supervise it themselves.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Process id of nats-server.
    ///
    /// # Errors
    /// When it is stopped.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.running()?.pid())
    }

    /// Its monitoring port.
    ///
    /// # Errors
    /// When it is stopped.
    pub fn monitor(&self) -> Result<Monitor> {
        Ok(self.running()?.monitor())
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), on the same ports, with the same files.
    /// JetStream is up when this returns.
    ///
    /// # Errors
    /// When it runs already, or does not start; the text has the end of the log.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "nats-server runs already");
        let process = self.launch.start().await?;
        self.launch.ports = Some(process.ports());
        self.url = process.ports().client_url();
        self.process = Some(process);
        Ok(())
    }

    /// Ends it in good order (SIGTERM).
    ///
    /// # Errors
    /// When it is stopped already.
    pub async fn stop(&mut self) -> Result<()> {
        self.take()?.terminate(STOP_WITHIN).await?;
        Ok(())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it is stopped already.
    pub async fn kill(&mut self) -> Result<()> {
        self.take()?.kill().await?;
        Ok(())
    }

    /// Kills it and starts it again at once.
    ///
    /// # Errors
    /// When it is stopped, or does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        self.start().await
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open, nothing is answered.
    ///
    /// # Errors
    /// When it is stopped.
    pub fn pause(&self) -> Result<()> {
        Ok(self.running()?.pause()?)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is stopped.
    pub fn resume(&self) -> Result<()> {
        Ok(self.running()?.resume()?)
    }

    /// Lets it read its configuration again after a test has written to it; returns when the new one is in force.
    ///
    /// # Errors
    /// When it is stopped or keeps the old configuration; the text has the end of the log.
    pub async fn reload(&self) -> Result<()> {
        self.running()?.reload().await.with_context(|| self.log())
    }

    /// What it has logged so far; empty when it cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.paths.log).unwrap_or_default()
    }

    fn running(&self) -> Result<&ServerProcess> {
        self.process.as_ref().context("nats-server is stopped")
    }

    fn take(&mut self) -> Result<ServerProcess> {
        match self.process.take() {
            Some(process) => Ok(process),
            None => bail!("nats-server is stopped"),
        }
    }
}

impl Paths {
    fn below(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize()?;
        Ok(Self {
            store: dir.join("store"),
            config: dir.join("nats.conf"),
            log: dir.join("nats.log"),
            dir,
        })
    }
}
