//! Keeps one program running: starts it, starts it again when it ends, ends it when told to.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use wagglebus_schemas::Hive;

use crate::up::{leftovers, logs};

/// Waits between an end and the next start: the first, doubled each time up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LAST: Duration = Duration::from_secs(10);
/// Who ran for this long starts again after the first wait.
const STEADY_AFTER: Duration = Duration::from_secs(30);
/// How long a program may take to end in good order before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Settings of this shell that would lead the program to another bus than ours; so does every `NATS_*`, and
/// a configuration file.
const FOREIGN: [&str; 7] = [
    "WAGGLEBUS_AGENT",
    "WAGGLEBUS_SERVER",
    "WAGGLEBUS_CONTEXT",
    "WAGGLEBUS_NKEY",
    "WAGGLEBUS_CREDS",
    "WAGGLEBUS_API_PREFIX",
    "WAGGLEBUS_READY_FILE",
];

/// A program to keep running.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// For people.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// What its environment says beside ours.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// What happens to it.
#[derive(Debug)]
pub(crate) enum Event {
    /// It runs.
    Started { name: String, pid: u32 },
    /// It ended by itself and is started again after the time.
    Ended {
        name: String,
        status: ExitStatus,
        again_in: Duration,
    },
    /// It cannot be started and is tried again after the time.
    Failed {
        name: String,
        error: io::Error,
        again_in: Duration,
    },
}

/// Runs the program until `stop` says true or its sender is gone. Few events are sent: one for each start and end.
pub(crate) async fn keep(
    program: Program,
    hive: Hive,
    mut stop: watch::Receiver<bool>,
    tell: mpsc::UnboundedSender<Event>,
) {
    let mut wait = BACKOFF_FIRST;
    while !*stop.borrow() {
        let began = Instant::now();
        let name = program.name.clone();
        let event = match spawn(&program, &hive) {
            Ok(mut child) => {
                if let Some(pid) = child.id() {
                    let name = name.clone();
                    tell.send(Event::Started { name, pid }).ok();
                }
                tokio::select! {
                    status = child.wait() => {
                        if began.elapsed() >= STEADY_AFTER {
                            wait = BACKOFF_FIRST;
                        }
                        match status {
                            Ok(status) => Event::Ended { name, status, again_in: wait },
                            Err(error) => Event::Failed { name, error, again_in: wait },
                        }
                    }
                    () = told(&mut stop) => return end(child).await,
                }
            }
            Err(error) => Event::Failed {
                name,
                error,
                again_in: wait,
            },
        };
        tell.send(event).ok();
        tokio::select! {
            () = sleep(wait) => {}
            () = told(&mut stop) => return,
        }
        wait = (wait * 2).min(BACKOFF_LAST);
    }
}

async fn told(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    stop.wait_for(|stop| *stop).await.ok();
}

fn spawn(program: &Program, hive: &Hive) -> io::Result<Child> {
    let log = logs::open(&program.log)?;
    let mut command = Command::new(&program.path);
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("NATS_") || FOREIGN.contains(&name))
        {
            command.env_remove(name);
        }
    }
    command
        .args(&program.arguments)
        .env("WAGGLEBUS_HIVE", hive.as_str())
        .env("WAGGLEBUS_CONFIG", "none")
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A terminal's Ctrl-C is for `up` alone, which ends the others in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn end(mut child: Child) {
    if let Some(pid) = child.id()
        && let Err(error) = leftovers::send(pid, Signal::TERM)
    {
        tracing::warn!(pid, %error, "a program could not be asked to end");
    }
    if timeout(STOP_WITHIN, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "a program could not be killed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &tempfile::TempDir, script: &str) -> Program {
        Program {
            name: "shell".into(),
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: Vec::new(),
            log: folder.path().join("shell.log"),
        }
    }

    #[tokio::test]
    async fn a_program_that_ends_is_started_again_ever_later() {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (tell, mut told) = mpsc::unbounded_channel();
        let keeper = tokio::spawn(keep(
            shell(&folder, "echo once; exit 3"),
            Hive::default(),
            stopped,
            tell,
        ));
        let mut waits = Vec::new();
        while waits.len() < 2 {
            match told.recv().await.unwrap() {
                Event::Started { .. } => {}
                Event::Ended { status, again_in, .. } => {
                    assert_eq!(status.code(), Some(3));
                    waits.push(again_in);
                }
                Event::Failed { error, .. } => panic!("{error}"),
            }
        }
        assert_eq!(waits, [BACKOFF_FIRST, BACKOFF_FIRST * 2]);
        stop.send(true).unwrap();
        keeper.await.unwrap();
        assert_eq!(logs::since(&folder.path().join("shell.log"), 0), "once\nonce");
    }

    #[tokio::test]
    async fn a_program_is_asked_to_end_before_it_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (tell, mut told) = mpsc::unbounded_channel();
        let ready = folder.path().join("ready");
        // Opening a FIFO returns once both ends are open: the trap is set by then.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &ready,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let script = format!(
            "trap 'echo asked; exit 0' TERM; : > {}; while :; do read x < {}; done",
            ready.display(),
            ready.display()
        );
        let keeper = tokio::spawn(keep(shell(&folder, &script), Hive::default(), stopped, tell));
        assert!(matches!(told.recv().await.unwrap(), Event::Started { .. }));
        tokio::task::spawn_blocking(move || std::fs::read(ready))
            .await
            .unwrap()
            .unwrap();
        stop.send(true).unwrap();
        keeper.await.unwrap();
        // The shell may also complain that its read was interrupted.
        let log = logs::since(&folder.path().join("shell.log"), 0);
        assert!(log.lines().any(|line| line == "asked"), "{log}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (_stop, stopped) = watch::channel(false);
        let (tell, mut told) = mpsc::unbounded_channel();
        let program = Program {
            path: folder.path().join("nothing"),
            ..shell(&folder, "")
        };
        let keeper = tokio::spawn(keep(program, Hive::default(), stopped, tell));
        assert!(matches!(told.recv().await.unwrap(), Event::Failed { .. }));
        drop(_stop);
        keeper.await.unwrap();
    }
}
