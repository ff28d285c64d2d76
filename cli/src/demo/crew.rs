//! Who works on tasks: the two of the first act, an agent in Rust, and one in a tmux pane.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wagglebus_client::Client;
use wagglebus_harness::fleet::process::{Process, Start};
use wagglebus_schemas::{AgentId, CapabilityName};

use super::cast::{Cast, END_WITHIN, Interpreters, Names, PYTHON_CAN, ready, start};
use super::pane::Pane;
use super::stage::Stage;
use crate::failure::Failure;
use crate::programs::{self, SIDECAR};

/// The agent in Rust, where it was built.
const WORKER: &str = "wagglebus-example-worker";
const RUST_CAN: &[&str] = &["--capability", "rust:8", "--capability", "data:6"];
const PANE_CAN: &[&str] = &["--capability", "review:7"];

/// The agents that come on for the second act. Dropped, they are killed.
#[derive(Debug)]
pub(super) struct Crew {
    /// The Python program that works, on the sidecar of the first act.
    python_worker: Process,
    rust: AgentId,
    /// None while it is dead.
    rust_sidecar: Option<Process>,
    rust_worker: Process,
    pane: Option<(AgentId, Process, Pane)>,
    /// What is told of each: its name, what it is, what it can do.
    pub(super) told: Vec<[String; 3]>,
    /// Who declares what.
    pub(super) able: BTreeMap<AgentId, Vec<CapabilityName>>,
}

impl Crew {
    /// Starts everybody who is not there yet.
    pub(super) async fn enter(
        stage: &Stage,
        names: &Names,
        cast: &Cast,
        interpreters: &Interpreters,
    ) -> Result<Self, Failure> {
        let sidecar = programs::beside(SIDECAR)?;
        let agent = |name: &str| name.parse::<AgentId>().map_err(|error| Failure::caused(&error));
        let (rust, pane) = (agent("rust")?, agent("pane")?);
        let script = stage.program("worker.py");
        let python = [script.to_string_lossy().into_owned()].to_vec();
        let python_worker = works(
            stage,
            "python-worker",
            &interpreters.python,
            &python,
            cast.python_socket(),
        )
        .await?;
        let rust_sidecar = start(stage, &sidecar, &rust, &[RUST_CAN, &["http"]].concat()).await?;
        let socket = ready(stage, &rust, rust_sidecar.pid()).await?.socket;
        let (program, arguments, is) = match programs::beside(WORKER) {
            Ok(program) => (program, Vec::new(), "a Rust program on HTTP".to_owned()),
            Err(_) => {
                let why = format!("a Python program on HTTP, as {WORKER} is not installed");
                (interpreters.python.clone(), python, why)
            }
        };
        let rust_worker = works(stage, "rust-worker", &program, &arguments, &socket).await?;
        let (pane, pane_is) = match in_pane(stage, &sidecar, interpreters, pane.clone()).await? {
            Ok(in_pane) => (Some(in_pane), "a bash program in a tmux pane".to_owned()),
            Err(why) => (None, format!("left out: {why}")),
        };
        let mut crew = Self {
            python_worker,
            rust: rust.clone(),
            rust_sidecar: Some(rust_sidecar),
            rust_worker,
            pane,
            told: Vec::new(),
            able: BTreeMap::new(),
        };
        crew.can(&names.bash, "a bash program on stdin and stdout", &["shell"])?;
        crew.can(&names.python, "a Python program on HTTP", &["python", "data"])?;
        crew.can(&rust, &is, &["rust", "data"])?;
        let pane_can: &[&str] = if crew.pane.is_some() { &["review"] } else { &[] };
        crew.can(&agent("pane")?, &pane_is, pane_can)?;
        Ok(crew)
    }

    fn can(&mut self, agent: &AgentId, is: &str, can: &[&str]) -> Result<(), Failure> {
        self.told.push([agent.to_string(), is.to_owned(), can.join(", ")]);
        let names: Result<Vec<CapabilityName>, _> = can.iter().map(|name| name.parse()).collect();
        let names = names.map_err(|error: wagglebus_schemas::id::NameError| Failure::caused(&error))?;
        if !names.is_empty() {
            self.able.insert(agent.clone(), names);
        }
        Ok(())
    }

    /// Whether there is an agent in a pane.
    pub(super) const fn has_pane(&self) -> bool {
        self.pane.is_some()
    }

    /// Kills the sidecar of the agent in Rust or of the one in Python (SIGKILL). Returns its process id.
    pub(super) async fn kill(&mut self, cast: &mut Cast, agent: &AgentId) -> Result<u32, Failure> {
        let sidecar = if *agent == self.rust {
            self.rust_sidecar.take()
        } else {
            cast.python.take()
        };
        let Some(sidecar) = sidecar else {
            return Err(Failure::failed(format!("the sidecar of {agent} does not run")));
        };
        let pid = sidecar.pid();
        let cannot = |error| Failure::failed(format!("{agent} cannot be killed")).why(format!("{error:#}"));
        sidecar.kill().await.map_err(cannot)?;
        Ok(pid)
    }

    /// Starts it again.
    pub(super) async fn revive(
        &mut self,
        stage: &Stage,
        cast: &mut Cast,
        agent: &AgentId,
    ) -> Result<(), Failure> {
        let (sidecar, is_rust) = (programs::beside(SIDECAR)?, *agent == self.rust);
        let can = if is_rust { RUST_CAN } else { PYTHON_CAN };
        let process = start(stage, &sidecar, agent, &[can, &["http"]].concat()).await?;
        let pid = process.pid();
        if is_rust {
            self.rust_sidecar = Some(process);
        } else {
            cast.python = Some(process);
        }
        ready(stage, agent, pid).await.map(drop)
    }

    /// Ends everybody who came on in the second act. Returns what did not go well.
    pub(super) async fn leave(self) -> Vec<String> {
        let mut wrong = Vec::new();
        // The workers wait for their next assignment and know no other end.
        for (name, worker) in [("python", self.python_worker), ("rust", self.rust_worker)] {
            let ended = worker.kill().await;
            wrong.extend(
                ended
                    .err()
                    .map(|error| format!("the worker of {name}: {error:#}")),
            );
        }
        let mut sidecars = Vec::new();
        sidecars.extend(self.rust_sidecar.map(|sidecar| ("rust", sidecar)));
        let pane = self.pane.map(|(_, sidecar, pane)| {
            sidecars.push(("pane", sidecar));
            pane
        });
        for (name, sidecar) in sidecars {
            match sidecar.terminate(END_WITHIN).await {
                Ok(status) if status.success() => {}
                Ok(status) => wrong.push(format!("the sidecar of {name} ended with {status}")),
                Err(error) => wrong.push(format!("the sidecar of {name}: {error:#}")),
            }
        }
        if let Some(pane) = pane {
            wrong.extend(pane.close().await);
        }
        wrong
    }
}

/// A program that works on tasks through a sidecar's socket. What it says lies in a log.
async fn works(
    stage: &Stage,
    name: &str,
    program: &Path,
    arguments: &[String],
    socket: &Path,
) -> Result<Process, Failure> {
    let mut environment = stage.environment().to_vec();
    environment.push(("WAGGLEBUS_SOCKET".to_owned(), socket.to_owned()));
    let said = stage.logs().join(format!("{name}.log"));
    let words = [
        "-c".to_owned(),
        "exec \"$@\" >&2".to_owned(),
        "sh".to_owned(),
        program.to_string_lossy().into_owned(),
    ];
    let start = Start {
        program: PathBuf::from("/bin/sh"),
        arguments: words.into_iter().chain(arguments.iter().cloned()).collect(),
        environment,
        log: said,
    };
    let failed = |error| Failure::failed(format!("{name} does not start")).why(format!("{error:#}"));
    start.start().await.map_err(failed)
}

/// The agent in a pane, or why there is none.
async fn in_pane(
    stage: &Stage,
    sidecar: &Path,
    interpreters: &Interpreters,
    agent: AgentId,
) -> Result<Result<(AgentId, Process, Pane), String>, Failure> {
    let Some(tmux) = &interpreters.tmux else {
        return Ok(Err("tmux is not on PATH".to_owned()));
    };
    let (shell, script) = (
        interpreters.bash.to_string_lossy(),
        stage.program("pane.sh").to_string_lossy().into_owned(),
    );
    let pane = match Pane::open(stage, tmux, &[&shell, &script]).await {
        Ok(pane) => pane,
        Err(why) => return Ok(Err(why)),
    };
    let socket = pane.socket().to_string_lossy().into_owned();
    let tmux = [
        "tmux",
        "--target",
        pane.id(),
        "--tmux-socket",
        &socket,
        "--inject",
        "body",
    ];
    let process = start(stage, sidecar, &agent, &[PANE_CAN, &tmux].concat()).await?;
    ready(stage, &agent, process.pid()).await?;
    Ok(Ok((agent, process, pane)))
}

/// The operator's own sidecar, which `up` runs.
pub(super) fn operator(stage: &Stage) -> Result<Client, Failure> {
    Ok(Client::of_agent(stage.places(), &AgentId::operator())?)
}
