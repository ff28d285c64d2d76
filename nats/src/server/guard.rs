//! Ends a server when the process that started it is gone, however that one ended.
//!
//! `PR_SET_PDEATHSIG` would need code between fork and exec (unsafe), exists on Linux only, and fires when the *thread*
//! that spawned ends. A pipe has none of these faults: its write end lives in our process only, so the kernel closes it
//! even after SIGKILL. Two small shells do the rest:
//!
//! 1. the server's process starts as a shell that waits for a line before it becomes the server ([`gated`]);
//! 2. a watcher waits for the end of the pipe and then kills that process ([`Guard::watch`]);
//! 3. only then the line is written.
//!
//! At no moment does a server run that nobody watches. The watcher joins the server's process group: a process id is not
//! given out again while a group has that number, so the kill never hits a stranger.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Becomes `"$@"` once a line has come, or ends if its writer does.
const GATE: &str = "IFS= read -r _ && exec \"$@\" </dev/null";

/// Kills `$1` at the end of the input.
const WATCHER: &str = "IFS= read -r _; kill -KILL \"$1\" 2>/dev/null";

/// Keeps a server bound to this process. When dropped, the server is killed if it still runs.
#[derive(Debug)]
pub struct Guard {
    watcher: Child,
    /// The write end of the pipe. Never written to.
    lifeline: Option<ChildStdin>,
}

/// A command that becomes `program` when it is told to on its stdin.
pub fn gated(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", GATE, "sh"])
        .arg(program)
        .stdin(Stdio::piped());
    command
}

impl Guard {
    /// Watches the leader of the process group `pid`.
    pub fn watch(pid: u32) -> io::Result<Self> {
        let group = i32::try_from(pid).map_err(io::Error::other)?;
        let mut watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER, "sh", &pid.to_string()])
            .process_group(group)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let lifeline = watcher.stdin.take();
        Ok(Self { watcher, lifeline })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The watcher ends as soon as it reads the end of the pipe; waiting leaves no zombie behind.
        if let Err(error) = self.watcher.wait() {
            tracing::warn!(%error, "the watcher of nats-server could not be waited for");
        }
    }
}
