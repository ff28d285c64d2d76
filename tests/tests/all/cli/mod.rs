//! The command line on a bus that it runs itself: real programs, a home of its own.

mod ask;
mod attach;
mod auth;
mod config;
mod control;
mod fleet;
mod held;
mod history;
mod inbox;
mod named;
mod replay;
mod room;
mod stdio;
pub(crate) mod stock;
mod uninstall;
mod up;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use wagglebus_harness::fleet::program;

use crate::messages::WITHIN;

/// A user's home with a running bus. Dropped, everything has ended.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    agents: Vec<Child>,
}

impl Home {
    /// Without a bus.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("wagglebus-cli-")
                .tempdir()
                .unwrap(),
            agents: Vec::new(),
        }
    }

    /// Starts a bus in the background. Returns also what `up` said on its standard error.
    pub(crate) fn up() -> (Self, String) {
        let home = Self::empty();
        let (code, _, stderr) = home.run(&["up", "--detach", "--relaxed"]);
        assert_eq!(code, 0, "{stderr}");
        (home, stderr)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A program with the environment of this home.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("NATS_") || (name.starts_with("WAGGLEBUS_") && name != "WAGGLEBUS_NATS_SERVER")
        }) {
            command.env_remove(name);
        }
        command
            .env("WAGGLEBUS_RUN", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(program::find("wagglebus").unwrap());
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(&[&["--json"], arguments].concat());
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// Runs sidecars until the end of the test, all started at once, and waits until they are ready.
    pub(crate) fn sidecars(&mut self, agents: &[&str]) {
        let ready: Vec<PathBuf> = agents
            .iter()
            .map(|agent| self.path(&format!("run/wb/{agent}.json")))
            .collect();
        for agent in agents {
            let mut command = self.command(program::find("wagglebus").unwrap());
            command.args(["sidecar", "--agent", agent, "http"]);
            let log = fs::File::create(self.path(&format!("{agent}.log"))).unwrap();
            let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            self.agents.push(child);
        }
        let begun = self.agents.len() - agents.len();
        let logs: Vec<PathBuf> = agents
            .iter()
            .map(|agent| self.path(&format!("{agent}.log")))
            .collect();
        until(|| {
            for (child, log) in self.agents[begun..].iter_mut().zip(&logs) {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended: {}", fs::read_to_string(log).unwrap());
            }
            ready.iter().all(|file| file.exists())
        });
    }

    /// Runs a program until the end of the test, and waits until it has written the file `ready`. What it says goes to
    /// `log`.
    pub(crate) fn keep(&mut self, mut command: Command, ready: &str, log: &str) {
        let log = self.path(log);
        let out = fs::File::options().create(true).append(true).open(&log).unwrap();
        self.agents
            .push(command.stdout(Stdio::null()).stderr(out).spawn().unwrap());
        let ready = self.path(ready);
        let child = self.agents.last_mut().unwrap();
        until(|| {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", fs::read_to_string(&log).unwrap());
            ready.exists()
        });
    }

    pub(crate) fn file(&self, below: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(below)).unwrap()).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            agent.kill().ok();
            agent.wait().ok();
        }
        // Whatever the files of a test say: this is the bus that it started.
        self.run(&["--config", "none", "--hive", "wb", "down"]);
    }
}

/// Waits for something that another process does.
#[expect(
    clippy::disallowed_methods,
    reason = "another process tells nothing but files: a bounded look at them"
)]
#[track_caller]
pub(crate) fn until(mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !happened() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The program of this name, on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| Path::is_file(path))
}
