//! The agent's child process: start, end, and pauses between starts.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use wagglebus_breaker::Limits;
use wagglebus_schemas::{AgentId, Hive, Timestamp};

/// First pause before a child is started again; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause before a child is started again.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A child that lived this long has recovered: the pauses begin anew.
pub(super) const RECOVERED_AFTER: Duration = Duration::from_secs(60);
/// A child that ends so often within so long will most likely end again.
pub(super) const CRASHES: Limits = Limits {
    failures: 5,
    within_ms: Some(60_000),
    open_ms: 30_000,
    open_max_ms: 300_000,
};

/// What the child is told by its environment.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) agent: AgentId,
    pub(crate) hive: Hive,
    pub(crate) socket: PathBuf,
    /// What it is there for.
    pub(crate) role: Option<String>,
    /// Where it runs; `None`: where we do.
    pub(crate) directory: Option<PathBuf>,
}

/// What the child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// Not started yet.
    Starting,
    /// Running, with this process id.
    Running { pid: Option<u32> },
    /// Ended, and to be started again soon.
    Gone,
    /// It keeps ending, and is left alone for a while.
    Resting {
        /// When it ended.
        since: Timestamp,
    },
}

/// A child that was just started.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
}

/// Why a program will never start, as far as that can be seen beforehand; `None`: it may.
pub(crate) fn obstacle(program: &OsStr) -> Option<&'static str> {
    let given = Path::new(program);
    let named = given.components().count() == 1 && !program.as_encoded_bytes().contains(&b'/');
    let found: Vec<PathBuf> = if named {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = std::env::split_paths(&path).map(|folder| folder.join(given));
        candidates.filter(|candidate| candidate.is_file()).collect()
    } else {
        [given.to_owned()]
            .into_iter()
            .filter(|path| path.is_file())
            .collect()
    };
    let executable = |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    match (found.is_empty(), named) {
        (true, true) => Some("there is no such program in PATH"),
        (true, false) => Some("there is no such file"),
        (false, _) if !found.iter().any(executable) => Some("it is not executable"),
        (false, _) => None,
    }
}

/// Starts the agent in a process group of its own. Its standard error is ours.
pub(crate) fn start(command: &[OsString], environment: &Environment) -> std::io::Result<Running> {
    let missing = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "no command");
    let (program, arguments) = command.split_first().ok_or_else(missing)?;
    let mut start = Command::new(program);
    if let Some(directory) = &environment.directory {
        start.current_dir(directory);
    }
    if let Some(role) = &environment.role {
        start.env("WAGGLEBUS_ROLE", role);
    }
    let mut child = start
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
    use wagglebus_breaker::{Breaker, Leave};

    #[test]
    fn what_can_never_start_is_told_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        for (program, obstacle_seen) in [
            (OsStr::new("sh"), None),
            (OsStr::new("/bin/sh"), None),
            (
                OsStr::new("no-such-program-here"),
                Some("there is no such program in PATH"),
            ),
            (OsStr::new("/no/such/file"), Some("there is no such file")),
            (plain.as_os_str(), Some("it is not executable")),
            (dir.path().as_os_str(), Some("there is no such file")),
        ] {
            assert_eq!(obstacle(program), obstacle_seen, "{program:?}");
        }
    }

    #[test]
    fn a_child_that_ends_at_once_rests_after_five_lives_and_then_after_each() {
        let (mut breaker, mut backoff) = (Breaker::new(CRASHES), Backoff::default());
        let (mut now_ms, mut starts) = (0, Vec::new());
        while starts.len() < 10 {
            if let Leave::No { until_ms } = breaker.ask(now_ms) {
                now_ms = until_ms.unwrap();
                continue;
            }
            starts.push(now_ms);
            breaker.failed(now_ms, None);
            let pause = backoff.after(Duration::ZERO);
            if breaker.is_closed() {
                now_ms += u64::try_from(pause.as_millis()).unwrap();
            }
        }
        let rests = [37_500, 97_500, 217_500, 457_500, 757_500];
        assert_eq!(starts, [[0, 500, 1_500, 3_500, 7_500], rests].concat());
        // Who lives for long ends as often as it likes.
        breaker.ask(2_000_000);
        breaker.succeeded();
        for number in 0..100 {
            breaker.failed(2_000_000 + number * 15_000, None);
        }
        assert!(breaker.is_closed());
    }

    #[test]
    fn pauses_grow_until_a_life_lasts() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<_> = (0..8).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.after(RECOVERED_AFTER), PAUSE_MIN);
    }
}
