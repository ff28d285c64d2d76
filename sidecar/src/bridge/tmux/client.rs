//! Calls to tmux: a process each, with bounds on time and output.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long one call may take: a tmux server that is stopped answers nobody.
pub(super) const CALL_WITHIN: Duration = Duration::from_secs(5);
/// Most that one call may print, in bytes: the largest pane with its history is far below.
pub(super) const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which tmux server, as the user named it or as it named itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one of this terminal, else the user's default.
    Usual,
    /// By its name below the user's folder (`tmux -L`).
    Named(String),
    /// By its socket (`tmux -S`).
    Socket(PathBuf),
}

/// Why a call to tmux did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The program is not there, or cannot be started.
    #[error("cannot run tmux: {0}")]
    Program(std::io::Error),
    /// No server listens there.
    #[error("no tmux server: {0}")]
    NoServer(String),
    /// It said no.
    #[error("tmux refused: {0}")]
    Refused(String),
    /// It did not answer in time, or said too much.
    #[error("tmux did not answer within {} s", CALL_WITHIN.as_secs())]
    Silent,
    /// It was not asked, as it keeps failing.
    #[error("tmux is left alone for a while")]
    LeftAlone,
}

/// A way to one tmux server.
#[derive(Debug, Clone)]
pub(crate) struct Tmux {
    which: Which,
}

impl Tmux {
    pub(crate) const fn new(which: Which) -> Self {
        Self { which }
    }

    /// One call. Returns what it printed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call(&self, arguments: &[String]) -> Result<String, CallError> {
        self.call_with(arguments, &[]).await
    }

    /// One call that reads `input`. What it printed counts also where a later one of several commands failed: a guarded
    /// act says itself whether it was done.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call_with(&self, arguments: &[String], input: &[u8]) -> Result<String, CallError> {
        let output = tokio::time::timeout(CALL_WITHIN, self.run(arguments, input)).await;
        let output = output
            .map_err(|_| CallError::Silent)?
            .map_err(CallError::Program)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() || !printed.is_empty() {
            return Ok(printed);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // The words are those of every tmux since 1.8; what is not known is a refusal, which is as safe.
        let away = [
            "no server running",
            "error connecting",
            "server exited",
            "lost server",
        ];
        Err(if away.iter().any(|words| said.contains(words)) {
            CallError::NoServer(said)
        } else {
            CallError::Refused(said)
        })
    }

    /// A client that is killed when it is dropped.
    pub(super) fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new("tmux");
        match &self.which {
            Which::Usual => {}
            Which::Named(name) => drop(command.arg("-L").arg(name)),
            Which::Socket(path) => drop(command.arg("-S").arg(path)),
        }
        // Without -u a client with a plain locale is given question marks for everything that is not ASCII.
        command.arg("-u").args(arguments).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[String], input: &[u8]) -> std::io::Result<Output> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A client that ended has told why.
                stdin.write_all(input).await.ok();
            }
        };
        let ((), stdout, stderr) = tokio::join!(write, read(stdout), read(stderr));
        Ok(Output {
            status: child.wait().await?,
            stdout: stdout?,
            stderr: stderr?,
        })
    }
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
