//! The agent's child process: start, end, and pauses between starts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use wagglebus_schemas::{AgentId, Hive};

/// First pause before a child is started again; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause before a child is started again.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A child that lived this long has recovered: the pauses begin anew.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);

/// What the child is told by its environment.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) agent: AgentId,
    pub(crate) hive: Hive,
    pub(crate) socket: PathBuf,
}

/// What the child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// Not started yet.
    Starting,
    /// Running, with this process id.
    Running { pid: Option<u32> },
    /// Ended, and to be started again.
    Gone,
}

/// A child that was just started.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
}

/// Starts the agent in a process group of its own. Its standard error is ours.
pub(crate) fn start(command: &[OsString], environment: &Environment) -> std::io::Result<Running> {
    let missing = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "no command");
    let (program, arguments) = command.split_first().ok_or_else(missing)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("WAGGLEBUS_AGENT", environment.agent.as_str())
        .env("WAGGLEBUS_HIVE", environment.hive.as_str())
        .env("WAGGLEBUS_SOCKET", &environment.socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    limit_pipe(&stdin);
    Ok(Running { child, stdin, stdout })
}

/// Makes the pipe to the child one page, so that a message counts as written only when the child is about to read it.
#[cfg(target_os = "linux")]
fn limit_pipe(stdin: &ChildStdin) {
    // A larger pipe delays nothing but the proof; not worth refusing a start.
    rustix::pipe::fcntl_setpipe_size(stdin, rustix::param::page_size()).ok();
}

#[cfg(not(target_os = "linux"))]
fn limit_pipe(_: &ChildStdin) {}

/// Ends a child whose standard input was closed: waits, then asks by SIGTERM, then kills its group.
pub(crate) async fn end(mut child: Child, within: Duration) {
    let group = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        if let (Some(group), Some(signal)) = (group, signal) {
            kill_process_group(group, signal).ok();
        }
        if tokio::time::timeout(within, child.wait()).await.is_ok() {
            return;
        }
    }
}

/// Pauses between starts.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pause: Option<Duration>,
}

impl Backoff {
    /// The pause after a life that lasted so long.
    pub(crate) fn after(&mut self, lasted: Duration) -> Duration {
        let pause = match self.pause {
            Some(pause) if lasted < RECOVERED_AFTER => pause.saturating_mul(2).min(PAUSE_MAX),
            Some(_) | None => PAUSE_MIN,
        };
        self.pause = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_life_lasts() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<_> = (0..8).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.after(RECOVERED_AFTER), PAUSE_MIN);
    }
}
