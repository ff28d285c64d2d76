//! The bridge that a sidecar was started with: what it proves, what is known of the agent's process, and its run.

use std::path::PathBuf;

use tokio::sync::{oneshot, watch};
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::heartbeat::BridgeProof;
use wagglebus_schemas::{AgentId, Level, Timestamp};
use wagglebus_sidecar_core::terminal::frame::Verified;

use super::stdio::{ChildState, Environment, StdioBridge};
use super::tmux::{Attached, TmuxBridge};
use crate::args::{Mode, StdioArguments};
use crate::failure::Failure;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::setup::Setup;
use crate::shutdown::Shutdown;

/// What a mode needs before anything is started: it is refused here if it can never work.
pub(crate) enum Checked {
    Http,
    Stdio(StdioArguments),
    Tmux(Box<Attached>),
}

impl Checked {
    /// Looks at the program or the pane that was named.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        match &setup.arguments.mode {
            Mode::Http => Ok(Self::Http),
            Mode::Stdio(stdio) => Ok(Self::Stdio(stdio.clone())),
            Mode::Tmux(tmux) => Ok(Self::Tmux(Box::new(setup.attach(tmux).await?))),
        }
    }
}

/// What is known of the agent's process.
pub(crate) enum AgentProcess {
    /// Nothing: the agent asks for its messages.
    Unknown,
    /// It is a child of ours.
    Child(watch::Receiver<ChildState>),
    /// It runs in a pane.
    Pane(watch::Receiver<Option<u32>>),
}

impl AgentProcess {
    /// Its id, while it is there.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Unknown => None,
            Self::Child(state) => match *state.borrow() {
                ChildState::Running { pid } => pid,
                ChildState::Starting | ChildState::Gone | ChildState::Resting { .. } => None,
            },
            Self::Pane(pid) => *pid.borrow(),
        }
    }

    /// Whether it is being started.
    pub(crate) fn is_starting(&self) -> bool {
        match self {
            Self::Unknown | Self::Pane(_) => false,
            Self::Child(state) => matches!(*state.borrow(), ChildState::Starting | ChildState::Gone),
        }
    }

    /// Since when it is gone and is not started again soon; `None`: it is not so.
    pub(crate) fn gone_since(&self) -> Option<Timestamp> {
        match self {
            Self::Unknown | Self::Pane(_) => None,
            Self::Child(state) => match *state.borrow() {
                ChildState::Resting { since } => Some(since),
                ChildState::Starting | ChildState::Running { .. } | ChildState::Gone => None,
            },
        }
    }
}

/// The bridge that a sidecar was started with. The local API serves every agent, but only what brings the agent its
/// messages is a bridge to it.
pub(crate) enum AgentBridge {
    Http,
    Stdio(Box<StdioBridge>),
    Tmux(Box<TmuxBridge>),
}

impl AgentBridge {
    /// The bridge of a mode that was checked.
    pub(crate) fn new(
        checked: Checked,
        setup: &Setup,
        gate: &Gate,
        socket: PathBuf,
        verified: Verified,
        metrics: &Metrics,
    ) -> Self {
        let me: AgentId = setup.arguments.agent.clone();
        match checked {
            Checked::Http => Self::Http,
            Checked::Stdio(stdio) => {
                let environment = Environment {
                    agent: me,
                    hive: setup.places.hive().clone(),
                    socket,
                    role: stdio.role.clone(),
                    directory: stdio.directory.clone(),
                };
                let breaker = metrics.breaker("stdio");
                Self::Stdio(Box::new(StdioBridge::new(
                    gate.clone(),
                    stdio,
                    environment,
                    breaker,
                )))
            }
            Checked::Tmux(attached) => {
                let breaker = metrics.breaker("tmux");
                Self::Tmux(Box::new(TmuxBridge::new(
                    gate.clone(),
                    *attached,
                    me,
                    verified,
                    breaker,
                )))
            }
        }
    }

    /// Its name, and what it proves.
    pub(crate) const fn proof(&self) -> BridgeProof {
        match self {
            Self::Http => BridgeProof {
                name: Bridge::Http,
                proves: Level::Done,
            },
            Self::Stdio(bridge) => BridgeProof {
                name: Bridge::Stdio,
                proves: bridge.proves(),
            },
            Self::Tmux(_) => TmuxBridge::proof(false),
        }
    }

    /// What is known of the agent's process.
    pub(crate) fn process(&self) -> AgentProcess {
        match self {
            Self::Http => AgentProcess::Unknown,
            Self::Stdio(bridge) => AgentProcess::Child(bridge.state()),
            Self::Tmux(bridge) => AgentProcess::Pane(bridge.program()),
        }
    }

    /// Works until the shutdown, and until what was begun is at its end. Tells when it has begun.
    pub(crate) async fn run(self, slots: usize, shutdown: Shutdown, begun: oneshot::Sender<()>) {
        match self {
            Self::Http => drop(begun),
            Self::Stdio(bridge) => {
                drop(begun);
                bridge.run(slots, shutdown).await;
            }
            Self::Tmux(bridge) => bridge.run(shutdown, begun).await,
        }
    }
}
