//! The look before a sidecar runs in the background: who runs in the pane, and whether anything may be put in.

use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::programs;

/// What was attached to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Recorded {
    /// The pane's id.
    pub(crate) pane: String,
    /// The socket of its tmux server.
    pub(crate) socket: String,
    /// How its screen is read.
    pub(crate) profile: String,
    /// The process that reads there.
    pub(crate) pid: u32,
}

impl Recorded {
    /// What a sidecar is started with that goes on with this attachment.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let arguments = ["tmux", "--resume", "--target", &self.pane, "-S", &self.socket];
        arguments.map(str::to_owned).to_vec()
    }
}

/// Has the sidecar's program look and record; it ends at once.
///
/// # Errors
/// Why the pane cannot be attached to, with the exit code of that program.
pub(crate) async fn record(
    places: &Places,
    agent: &AgentId,
    options: &[String],
    pane: &[String],
) -> Result<Recorded, Failure> {
    let path = programs::beside(programs::SIDECAR)?;
    let looked = Command::new(&path)
        .args(["--agent", agent.as_str()])
        .args(options)
        .args(["tmux", "--record"])
        .args(pane)
        .env("WAGGLEBUS_HIVE", places.hive().as_str())
        .env("WAGGLEBUS_CONFIG", "none")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| programs::not_started(&path, &error))?;
    if looked.status.success() {
        return serde_json::from_slice(&looked.stdout).map_err(|error| {
            Failure::failed("the sidecar does not say what it found").why(error.to_string())
        });
    }
    Err(Failure::of_program(
        looked.status.code(),
        &String::from_utf8_lossy(&looked.stderr),
    ))
}
