//! Our own programs as processes: nothing of the user's reaches them, and nothing of them is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use wagglebus_harness::fleet::process::{Process, Start};

const WITHIN: Duration = Duration::from_secs(10);

/// A shell with this script.
async fn shell(dir: &TempDir, script: &str) -> Process {
    let start = Start {
        program: "/bin/sh".into(),
        arguments: ["-c", script].map(str::to_owned).to_vec(),
        environment: vec![("HOME".to_owned(), dir.path().to_owned())],
        log: dir.path().join("log"),
    };
    start.start().await.unwrap()
}

/// Processes of the group that a process leads: itself and its watcher.
fn group_members(pid: u32) -> usize {
    let output = Command::new("ps").args(["-eo", "pgid="]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.trim() == pid.to_string()).count()
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_process() {
    let dir = tempfile::tempdir().unwrap();
    for paused in [false, true] {
        let process = shell(&dir, "exec sleep 60").await;
        let pid = process.pid();
        assert_eq!(group_members(pid), 2, "process and watcher");
        if paused {
            process.pause().unwrap();
        }
        drop(process);
        assert_eq!(group_members(pid), 0);
    }
}

#[tokio::test]
async fn only_what_is_given_is_in_its_environment() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell(&dir, "env >&2; exit 7").await;
    assert_eq!(process.end(WITHIN).await.unwrap().code(), Some(7));
    let log = process.log();
    assert!(log.contains(&format!("HOME={}", dir.path().display())), "{log}");
    assert!(!log.contains("CARGO"), "{log}");
    assert!(process.pause().is_err(), "it has ended");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_limit_is_like_a_full_disk_and_can_be_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("go");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (lifted, length) in [(false, 0), (true, 2)] {
        let mut process = shell(&dir, "cd \"$HOME\"; read -r _ <go; echo x >file; exit 7").await;
        process.limit_files(Some(0)).unwrap();
        if lifted {
            process.limit_files(None).unwrap();
        }
        // The shell has waited for this, so it writes when all is decided; the signal of the limit does not end it.
        tokio::fs::write(&pipe, "\n").await.unwrap();
        assert_eq!(process.end(WITHIN).await.unwrap().code(), Some(7));
        let file = std::fs::metadata(dir.path().join("file")).unwrap();
        assert_eq!(file.len(), length, "lifted: {lifted}");
    }
}
