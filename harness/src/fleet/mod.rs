//! A whole hive as real processes: nats-server, sidecars and, if asked for, a coordinator.
//!
//! ```no_run
//! # use wagglebus_harness::fleet::{Fleet, Options};
//! # async fn example() -> anyhow::Result<()> {
//! let mut fleet = Fleet::open().await?;
//! fleet.enrol(&["alice", "bob"]).await?;
//! fleet.start("alice", &Options::http()).await?;
//! let alice = fleet.sidecar("alice")?.client();
//! // … alice.send(…) …
//! fleet.sidecar_mut("alice")?.kill().await?;
//! fleet.sidecar_mut("alice")?.start().await?; // same socket, same spool
//! # Ok(())
//! # }
//! ```
//!
//! All files lie in one temporary folder with an environment of its own: nothing of the user is read or written.
//! Whatever is started ends with the program that started it.

mod audit;
pub mod process;
pub mod program;
pub mod sidecar;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};
use wagglebus_nats::api_tokens::TokenFiles;
use wagglebus_nats::conf::ServerConf;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::subject::agent_api_prefix;

use crate::bus::{self, TestBus};
use crate::feed::FeedSource;
use process::{Process, Start};
use sidecar::{READY_WITHIN, Sidecar};

/// How often the coordinator's ready file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A hive of real processes. Dropped, processes and files are gone.
#[derive(Debug)]
pub struct Fleet {
    // Dropped in this order: processes before the server, the server before the files.
    sidecars: BTreeMap<AgentId, Sidecar>,
    coordinators: Vec<Process>,
    /// The ready files of those, in the same order.
    coordinator_files: Vec<PathBuf>,
    /// Each has files of its own.
    coordinators_started: usize,
    bus: TestBus,
}

/// How a sidecar is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Arguments before the mode, such as `--slots 4`.
    pub options: Vec<String>,
    /// The mode with its own arguments.
    pub mode: Vec<String>,
    /// As if on another machine of this name: with run and state folders of its own.
    pub machine: Option<String>,
}

impl Options {
    /// Serves HTTP.
    #[must_use]
    pub fn http() -> Self {
        Self {
            mode: vec!["http".to_owned()],
            ..Self::default()
        }
    }

    /// Runs `command` as a child that speaks JSON lines; `arguments` stand before it, such as `--frames all`.
    #[must_use]
    pub fn stdio(arguments: &[&str], command: &[&str]) -> Self {
        let mode = ["stdio"].iter().chain(arguments).chain(&["--"]).chain(command);
        Self {
            mode: mode.map(|argument| (*argument).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Puts messages into a pane of the tmux server with this socket; `arguments` follow, such as `--inject body`.
    #[must_use]
    pub fn tmux(socket: &Path, pane: &str, arguments: &[&str]) -> Self {
        let socket = socket.to_string_lossy();
        let mode = ["tmux", "--target", pane, "--tmux-socket", &socket];
        Self {
            mode: mode
                .iter()
                .chain(arguments)
                .map(|argument| (*argument).to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// With further arguments before the mode.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|option| (*option).to_owned()));
        self
    }
}

impl Fleet {
    /// A hive whose server is configured as `up --relaxed` does it, without any agent.
    ///
    /// # Errors
    /// When there is no nats-server, or anything of the set-up fails.
    pub async fn open() -> Result<Self> {
        Self::on(TestBus::open().await?)
    }

    /// A hive whose server is configured differently.
    ///
    /// # Errors
    /// See [`Fleet::open`].
    pub async fn with(change: impl FnOnce(&mut ServerConf)) -> Result<Self> {
        Self::on(TestBus::with(change).await?)
    }

    fn on(bus: TestBus) -> Result<Self> {
        for dir in [bus.places().run_dir(), &logs(&bus)] {
            fs::create_dir_all(dir)?;
        }
        Ok(Self {
            sidecars: BTreeMap::new(),
            coordinators: Vec::new(),
            coordinator_files: Vec::new(),
            coordinators_started: 0,
            bus,
        })
    }

    /// The bus below.
    #[must_use]
    pub const fn bus(&self) -> &TestBus {
        &self.bus
    }

    /// The bus below, to strike its server.
    pub const fn bus_mut(&mut self) -> &mut TestBus {
        &mut self.bus
    }

    /// Enrols agents, with one reload of the server.
    ///
    /// # Errors
    /// When a name is none, or enrolment fails.
    pub async fn enrol(&self, names: &[&str]) -> Result<()> {
        self.bus.enrol_all(names).await.map(drop)
    }

    /// Starts the sidecar of an enrolled agent and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the text has its log.
    pub async fn start(&mut self, name: &str, options: &Options) -> Result<&mut Sidecar> {
        let sidecar = self.prepare(name, options)?;
        sidecar.start().await?;
        Ok(sidecar)
    }

    /// Makes the sidecar of an enrolled agent, to be started by the caller. One that was there is dropped.
    ///
    /// # Errors
    /// When the name is none, or our program is not built.
    pub fn prepare(&mut self, name: &str, options: &Options) -> Result<&mut Sidecar> {
        let agent: AgentId = name.parse()?;
        self.sidecars.remove(&agent);
        let sidecar = self.second(name, options)?;
        Ok(self.sidecars.entry(agent).or_insert(sidecar))
    }

    /// One more sidecar of an agent, beside the one of the fleet.
    ///
    /// # Errors
    /// See [`Fleet::prepare`].
    pub fn second(&self, name: &str, options: &Options) -> Result<Sidecar> {
        let agent: AgentId = name.parse()?;
        let (home, part) = match &options.machine {
            None => (self.bus.home().to_owned(), "ready".to_owned()),
            Some(machine) => (self.bus.home().join(machine), machine.clone()),
        };
        let places = bus::places(&home)?;
        fs::create_dir_all(places.run_dir())?;
        let ready_file = logs(&self.bus).join(format!("{agent}.{part}.json"));
        let seed_file = self.bus.places().agent_seed_file(&agent);
        let state_dir = places.agent_state_dir(&agent);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut arguments: Vec<String> = [
            ("--agent", agent.to_string()),
            ("--state-dir", text(&state_dir)),
            ("--ready-file", text(&ready_file)),
            ("--server", self.bus.url().to_owned()),
            ("--nkey", text(&seed_file)),
            ("--api-prefix", agent_api_prefix(places.hive())),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        arguments.extend(options.options.iter().chain(&options.mode).cloned());
        let start = Start {
            program: program::find("wagglebus-sidecar")?,
            arguments,
            environment: environment(&home),
            log: logs(&self.bus).join(format!("{agent}.log")),
        };
        let socket = places.socket(&agent);
        Ok(Sidecar::new(agent, socket, ready_file, state_dir, start))
    }

    /// The sidecar of an agent.
    ///
    /// # Errors
    /// When it was never made.
    pub fn sidecar(&self, name: &str) -> Result<&Sidecar> {
        let agent: AgentId = name.parse()?;
        self.sidecars
            .get(&agent)
            .with_context(|| format!("{name} has no sidecar"))
    }

    /// The sidecar of an agent, to strike it.
    ///
    /// # Errors
    /// When it was never made.
    pub fn sidecar_mut(&mut self, name: &str) -> Result<&mut Sidecar> {
        let agent: AgentId = name.parse()?;
        self.sidecars
            .get_mut(&agent)
            .with_context(|| format!("{name} has no sidecar"))
    }

    /// Starts a coordinator, perhaps beside others, and waits until it knows the roster.
    ///
    /// # Errors
    /// When it does not become ready; the text has its log.
    pub async fn start_coordinator(&mut self) -> Result<()> {
        self.start_coordinator_with(&[]).await
    }

    /// The same, with more arguments.
    ///
    /// # Errors
    /// See [`Fleet::start_coordinator`].
    pub async fn start_coordinator_with(&mut self, more: &[&str]) -> Result<()> {
        let number = self.coordinators_started;
        self.coordinators_started += 1;
        let ready_file = logs(&self.bus).join(format!("coordinator-{number}.json"));
        let seed = BusUser::Coordinator.seed_file(self.bus.places());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let start = Start {
            program: program::find("wagglebus-coordinator")?,
            arguments: [
                "--server",
                self.bus.url(),
                "--nkey-file",
                &text(&seed),
                "--ready-file",
                &text(&ready_file),
            ]
            .into_iter()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect(),
            environment: environment(self.bus.home()),
            log: logs(&self.bus).join(format!("coordinator-{number}.log")),
        };
        let mut process = start.start().await?;
        let deadline = Instant::now() + READY_WITHIN;
        while !ready_file.exists() {
            let ended = process.ended()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "the coordinator is not ready ({ended:?}):\n{}",
                process.log()
            );
            sleep(LOOK_EVERY).await;
        }
        self.coordinators.push(process);
        self.coordinator_files.push(ready_file);
        Ok(())
    }

    /// The coordinators that run, the oldest first.
    #[must_use]
    pub fn coordinators(&self) -> &[Process] {
        &self.coordinators
    }

    /// Where a coordinator listens, `http://host:port`, by its place among [`Fleet::coordinators`].
    ///
    /// # Errors
    /// When there is none at that place, or its ready file is none.
    pub fn coordinator_http(&self, place: usize) -> Result<String> {
        let file = self.coordinator_files.get(place);
        let said: serde_json::Value =
            serde_json::from_slice(&fs::read(file.context("no such coordinator runs")?)?)?;
        let http = said.get("http").and_then(serde_json::Value::as_str);
        Ok(http.context("a ready file without an address")?.to_owned())
    }

    /// Kills a coordinator by its place among [`Fleet::coordinators`].
    ///
    /// # Errors
    /// When there is none at that place, or it cannot be killed.
    pub async fn kill_coordinator(&mut self, place: usize) -> Result<()> {
        ensure!(place < self.coordinators.len(), "no such coordinator runs");
        self.coordinator_files.remove(place);
        self.coordinators.remove(place).kill().await
    }

    /// The live feed at a coordinator, as the operator reads it.
    ///
    /// # Errors
    /// See [`Fleet::coordinator_http`]; or when there is no operator's token.
    pub fn feed(&self, place: usize) -> Result<FeedSource> {
        let files = TokenFiles::of(self.bus.places());
        let token = fs::read_to_string(files.operator_file())?;
        Ok(FeedSource {
            http: self.coordinator_http(place)?,
            token: token.trim().to_owned(),
        })
    }
}

/// What every program of the hive is told by its environment: our own folders, and nothing of the user's.
fn environment(home: &Path) -> Vec<(String, PathBuf)> {
    let mut environment = vec![
        ("HOME".to_owned(), home.to_owned()),
        ("TMPDIR".to_owned(), home.to_owned()),
        ("XDG_RUNTIME_DIR".to_owned(), home.join("run")),
        ("WAGGLEBUS_CONFIG".to_owned(), "none".into()),
    ];
    for name in ["PATH", "WAGGLEBUS_LOG"] {
        let value = std::env::var_os(name).map(PathBuf::from);
        environment.extend(value.map(|value| (name.to_owned(), value)));
    }
    environment
}

fn logs(bus: &TestBus) -> PathBuf {
    bus.home().join("log")
}
