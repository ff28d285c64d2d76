//! Which process a number means: numbers are given out again, start times are not.
//!
//! One that has ended and was not reaped counts as ended: in containers nobody may ever reap it.

use serde::{Deserialize, Serialize};

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in the system's own words.
    pub started: String,
}

impl Identity {
    /// The process with this number now, if there is one.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            started: start_time(pid)?,
        })
    }

    /// Whether that very process still runs.
    pub fn is_running(&self) -> bool {
        start_time(self.pid).as_deref() == Some(&self.started)
    }
}

/// Whether a process of this number runs. It may be somebody else's by now: who wants to signal it must have its
/// [`Identity`].
pub fn exists(pid: u32) -> bool {
    start_time(pid).is_some()
}

/// Clock ticks since boot, from `/proc`.
#[cfg(target_os = "linux")]
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; the fields after it are fixed, the state first.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

/// The start time as `ps` prints it.
#[cfg(not(target_os = "linux"))]
fn start_time(pid: u32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (state, start) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_itself_until_it_ends() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_running());
        assert!(
            !Identity {
                started: "1".into(),
                ..identity.clone()
            }
            .is_running()
        );
        // Read to its end, the output says that the process has ended; nobody has reaped it yet.
        drop(child.stdin.take());
        std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
        while identity.is_running() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!identity.is_running());
        assert!(!exists(0) && !exists(u32::MAX));
    }
}
