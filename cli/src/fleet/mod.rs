//! Fleet files: who shall be there, what everybody can do, has and runs, and how that comes about.
//!
//! ```text
//! text ─ parse ─► Fleet ─┐
//!                        ├─ plan ─► Plan ─ carry ─► what became of each agent
//! bus, files ─ found ────┘
//! ```
//!
//! Reading and planning are pure; `carry` alone changes anything.

pub(crate) mod carry;
pub(crate) mod found;
pub(crate) mod kept;
mod parse;
pub(crate) mod plan;
pub(crate) mod strategy;
mod value;

use std::path::{Path, PathBuf};

use wagglebus_schemas::heartbeat::Capability;
use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, Resources, RoomName};

pub(crate) use parse::parse;

/// Longest fleet file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What a fleet file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fleet {
    /// What it is called; what `--prune` may remove is told by it.
    pub(crate) name: String,
    /// How agents are chosen for tasks that name no strategy; `None`: as it is.
    pub(crate) strategy: Option<Strategy>,
    /// The agents, by name.
    pub(crate) agents: Vec<Member>,
}

/// An agent of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) agent: AgentId,
    /// What it is there for, in words.
    pub(crate) role: Option<String>,
    /// What it declares it can do.
    pub(crate) capabilities: Vec<Capability>,
    /// What it has for tasks.
    pub(crate) resources: Resources,
    /// Rooms that it is in, beside `all`.
    pub(crate) rooms: Vec<RoomName>,
    /// How many messages and tasks it works on at once; `None`: as the configuration says.
    pub(crate) slots: Option<u16>,
    /// How it runs.
    pub(crate) run: Run,
}

/// How an agent runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// As a child of its sidecar, on standard input and output: program and arguments, and options of that bridge.
    Command {
        /// The command; a program with a `/` is absolute.
        command: Vec<String>,
        /// Options of the bridge.
        options: Vec<String>,
        /// Where it runs.
        directory: PathBuf,
    },
    /// It runs in a tmux pane already.
    Pane {
        /// The pane: an id, or session:window.pane.
        target: String,
        /// Which tmux server; options of tmux and of our bridge alike.
        server: Vec<String>,
        /// Options of the bridge.
        options: Vec<String>,
    },
    /// It asks its sidecar by HTTP.
    Http,
    /// It is let in, and runs its sidecar itself.
    Elsewhere,
}

impl Member {
    /// What its sidecar is told of it, before the mode.
    pub(crate) fn declared(&self) -> Vec<String> {
        let capabilities = self.capabilities.iter().map(|able| {
            let text = format!("{}:{}", able.name, able.proficiency.get());
            ("--capability", text)
        });
        let amounts = self
            .resources
            .each()
            .into_iter()
            .filter(|(_, amount)| !amount.is_zero());
        let resources = amounts.map(|(name, amount)| ("--resource", format!("{name}={}", amount.get())));
        let slots = self.slots.map(|slots| ("--slots", slots.to_string()));
        let all = capabilities.chain(resources).chain(slots);
        all.flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }

    /// Everything that its sidecar in the background is asked for; `None` when it has none. A pane stands there as it is
    /// written, whoever runs in it.
    pub(crate) fn asked(&self) -> Option<Vec<String>> {
        let mode: Vec<String> = match &self.run {
            Run::Elsewhere => return None,
            Run::Http => vec!["http".to_owned()],
            Run::Pane {
                target,
                server,
                options,
            } => {
                let target = ["tmux", "--target", target].map(str::to_owned).to_vec();
                [target, server.clone(), options.clone()].concat()
            }
            Run::Command {
                command,
                options,
                directory,
            } => {
                let role = self
                    .role
                    .iter()
                    .flat_map(|role| ["--role".to_owned(), role.clone()]);
                let directory = ["--directory".to_owned(), directory.to_string_lossy().into_owned()];
                let mut mode = vec!["stdio".to_owned()];
                mode.extend(options.iter().cloned().chain(directory).chain(role));
                mode.push("--".to_owned());
                mode.extend(command.iter().cloned());
                mode
            }
        };
        Some([self.declared(), mode].concat())
    }
}

/// Where relative paths of a file begin.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
