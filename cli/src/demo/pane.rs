//! A tmux server of the demonstration's own, with one pane in which an agent runs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use wagglebus_harness::fleet::process::{Process, Start};

use super::stage::Stage;

/// How long the server may take to listen, and a call to be answered.
const WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to end in good order.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A running server. It is no daemon: dropped, or when this process is gone, it is killed, and the program in its pane
/// ends with its terminal.
#[derive(Debug)]
pub(super) struct Pane {
    server: Process,
    socket: PathBuf,
    id: String,
}

impl Pane {
    /// Starts the server with `program` in a pane; an error says why there is none.
    pub(super) async fn open(stage: &Stage, tmux: &Path, program: &[&str]) -> Result<Self, String> {
        let socket = stage.path().join("tmux.socket");
        let socket_text = socket.to_string_lossy();
        let start = Start {
            program: tmux.to_owned(),
            arguments: ["-u", "-f", "/dev/null", "-S", &socket_text, "-D"]
                .map(str::to_owned)
                .to_vec(),
            environment: stage.environment().to_vec(),
            log: stage.logs().join("tmux.log"),
        };
        let mut server = start
            .start()
            .await
            .map_err(|error| format!("tmux does not start: {error:#}"))?;
        let deadline = Instant::now() + WITHIN;
        while !socket.exists() {
            if !matches!(server.ended(), Ok(None)) || Instant::now() >= deadline {
                return Err(format!(
                    "this tmux does not stay in the foreground (3.2 does): {}",
                    server.log()
                ));
            }
            sleep(LOOK_EVERY).await;
        }
        let session = [
            "new-session",
            "-d",
            "-x",
            "180",
            "-y",
            "50",
            "-s",
            "demo",
            "-P",
            "-F",
            "#{pane_id}",
        ];
        let arguments: Vec<&str> = session.iter().chain(program).copied().collect();
        let id = call(stage, tmux, &socket_text, &arguments).await?;
        Ok(Self {
            server,
            socket: socket.clone(),
            id,
        })
    }

    /// Where its server listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Ends the server with its pane. Returns what did not go well.
    pub(super) async fn close(self) -> Option<String> {
        let ended = self.server.terminate(END_WITHIN).await;
        ended.err().map(|error| format!("tmux: {error:#}"))
    }
}

/// One call; what it printed.
async fn call(stage: &Stage, tmux: &Path, socket: &str, arguments: &[&str]) -> Result<String, String> {
    let ended = Command::new(tmux)
        .args(["-u", "-S", socket])
        .args(arguments)
        .env_clear()
        .envs(stage.environment().iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(WITHIN, ended)
        .await
        .map_err(|_| "tmux does not answer".to_owned())?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!(
            "tmux: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
