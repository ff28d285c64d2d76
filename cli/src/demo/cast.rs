//! Who plays in both acts: a bash program on the standard input and output of its sidecar, a Python program on the HTTP
//! of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use wagglebus_client::discovery;
use wagglebus_harness::fleet::process::{Process, Start};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::id::NameError;
use wagglebus_schemas::places::AgentFile;

use super::stage::Stage;
use crate::failure::Failure;
use crate::programs::{self, SIDECAR};
use crate::up::logs;

/// How long a sidecar may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Distance of two looks for its file.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What the two declare that they can do, as arguments of their sidecars.
const BASH_CAN: &[&str] = &["--capability", "shell:6"];
pub(super) const PYTHON_CAN: &[&str] = &["--capability", "python:8", "--capability", "data:7"];
/// How long a program may take to end in good order before it is killed: a sidecar gives its child some seconds.
pub(super) const END_WITHIN: Duration = Duration::from_secs(15);

/// How long the Python program may take for all its messages; they need less than a second.
pub(super) const ERRAND_WITHIN: Duration = Duration::from_secs(60);

/// The names of the two.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// A child of its sidecar.
    pub(super) bash: AgentId,
    /// Speaks HTTP with its sidecar.
    pub(super) python: AgentId,
}

/// The programs that run the agents' scripts.
#[derive(Debug)]
pub(super) struct Interpreters {
    pub(super) bash: PathBuf,
    pub(super) python: PathBuf,
    /// Without it there is no agent in a pane.
    pub(super) tmux: Option<PathBuf>,
}

/// The agents' sidecars. Dropped, they are killed; so they are when this process is. Their children end with them.
#[derive(Debug)]
pub(super) struct Cast {
    bash: Process,
    /// None while it is dead.
    pub(super) python: Option<Process>,
    socket: PathBuf,
}

impl Names {
    pub(super) fn new() -> Result<Self, NameError> {
        Ok(Self {
            bash: "bash".parse()?,
            python: "python".parse()?,
        })
    }
}

impl Interpreters {
    /// Looks for them on PATH.
    pub(super) fn find() -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let look = |name: &str| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|path| path.is_file())
        };
        let find = |name: &str, fix: &str| {
            look(name).ok_or_else(|| {
                Failure::failed(format!("the demonstration needs {name}, which is not on PATH")).fix(fix)
            })
        };
        Ok(Self {
            bash: find("bash", "install it (Debian: apt-get install bash)")?,
            python: find(
                "python3",
                "install Python 3 (Debian: apt-get install python3; macOS: brew install python)",
            )?,
            tmux: look("tmux"),
        })
    }
}

impl Cast {
    /// Starts both and waits until they are ready.
    pub(super) async fn enter(
        stage: &Stage,
        names: &Names,
        interpreters: &Interpreters,
    ) -> Result<Self, Failure> {
        let sidecar = programs::beside(SIDECAR)?;
        let shell = interpreters.bash.to_string_lossy();
        let script = stage.program("agent.sh");
        let script = script.to_string_lossy();
        let mode = [BASH_CAN, &["stdio", "--", &shell, &script]].concat();
        let bash = start(stage, &sidecar, &names.bash, &mode).await?;
        let mode = [PYTHON_CAN, &["http"]].concat();
        let python = start(stage, &sidecar, &names.python, &mode).await?;
        ready(stage, &names.bash, bash.pid()).await?;
        let socket = ready(stage, &names.python, python.pid()).await?.socket;
        Ok(Self {
            bash,
            python: Some(python),
            socket,
        })
    }

    /// The socket of the Python program's sidecar.
    pub(super) fn python_socket(&self) -> &Path {
        &self.socket
    }

    /// The Python program on its errand: every priority and type to the other agent, and the answers back. Dropped, it
    /// is killed.
    pub(super) fn errand(
        &self,
        stage: &Stage,
        names: &Names,
        interpreters: &Interpreters,
    ) -> Result<Child, Failure> {
        let failed =
            |error: io::Error| Failure::failed("the Python program does not start").why(error.to_string());
        let log = logs::open(&stage.logs().join("python.log")).map_err(failed)?;
        Command::new(&interpreters.python)
            .arg(stage.program("agent.py"))
            .args([names.bash.as_str(), "--timeout"])
            .arg(ERRAND_WITHIN.as_secs().to_string())
            .env_clear()
            .envs(stage.environment().iter().map(|(name, value)| (name, value)))
            .env("WAGGLEBUS_SOCKET", &self.socket)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)
    }

    /// Ends both in good order. Returns what did not go well.
    pub(super) async fn leave(self) -> Vec<String> {
        let mut wrong = Vec::new();
        let both = [("bash", Some(self.bash)), ("python", self.python)];
        for (name, sidecar) in both
            .into_iter()
            .filter_map(|(name, process)| Some((name, process?)))
        {
            match sidecar.terminate(END_WITHIN).await {
                Ok(status) if status.success() => {}
                Ok(status) => wrong.push(format!("the sidecar of {name} ended with {status}")),
                Err(error) => wrong.push(format!("the sidecar of {name}: {error:#}")),
            }
        }
        wrong
    }
}

/// Starts the sidecar of an agent; `mode` is what follows its name.
pub(super) async fn start(
    stage: &Stage,
    sidecar: &Path,
    agent: &AgentId,
    mode: &[&str],
) -> Result<Process, Failure> {
    let arguments = ["--agent", agent.as_str()];
    let arguments = arguments.iter().chain(mode);
    let start = Start {
        program: sidecar.to_owned(),
        arguments: arguments.map(|argument| (*argument).to_owned()).collect(),
        environment: stage.environment().to_vec(),
        log: log(stage, agent),
    };
    let failed =
        |error| Failure::failed(format!("the sidecar of {agent} does not start")).why(format!("{error:#}"));
    start.start().await.map_err(failed)
}

fn log(stage: &Stage, agent: &AgentId) -> PathBuf {
    stage.logs().join(format!("{agent}-sidecar.log"))
}

/// Waits until the sidecar that runs as `pid` says that it is ready.
pub(super) async fn ready(stage: &Stage, agent: &AgentId, pid: u32) -> Result<AgentFile, Failure> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match discovery::sidecar(stage.places(), agent) {
            Ok(file) if file.pid == pid => return Ok(file),
            Ok(_) | Err(_) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            Ok(_) | Err(_) => {
                return Err(
                    Failure::failed(format!("the sidecar of {agent} does not become ready"))
                        .why(logs::since(&log(stage, agent), 0)),
                );
            }
        }
    }
}
