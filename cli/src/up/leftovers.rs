//! Programs that outlived an `up` which was killed: found by a record of what was started, and ended.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};
use wagglebus_client::process::Identity;
use wagglebus_nats::private_file;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// How long a program may take to end before it is killed, and to be gone afterwards.
const END_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What was started and has not been seen to end, by name. Kept on disk, since only a later process needs it.
#[derive(Debug)]
pub(crate) struct Record {
    path: PathBuf,
    running: BTreeMap<String, Identity>,
}

impl Record {
    /// The record of this hive as a former `up` left it. One that cannot be read counts as empty: then nothing is
    /// ended, which is the safe side.
    pub(crate) fn open(places: &Places) -> Self {
        let path = places.state_dir().join("processes.json");
        let text = private_file::read(&path).ok().flatten().unwrap_or_default();
        Self {
            path,
            running: serde_json::from_str(&text).unwrap_or_default(),
        }
    }

    /// Notes that the program `name` runs as `pid`.
    pub(crate) fn started(&mut self, name: &str, pid: u32) {
        match Identity::of(pid) {
            Some(identity) => self.running.insert(name.to_owned(), identity),
            None => self.running.remove(name),
        };
        self.save();
    }

    /// Notes that everything has ended.
    pub(crate) fn clear(&mut self) {
        self.running.clear();
        self.save();
    }

    fn save(&self) {
        let text = serde_json::to_string(&self.running).unwrap_or_default();
        if let Err(error) = private_file::replace(&self.path, text.as_bytes()) {
            tracing::warn!(%error, "what was started could not be written down");
        }
    }

    /// Ends what still runs, and returns the names.
    pub(crate) async fn end(&mut self) -> Result<Vec<String>, Failure> {
        let ours: Vec<(String, Identity)> = self
            .running
            .iter()
            .filter(|(_, identity)| identity.is_running())
            .map(|(n, i)| (n.clone(), i.clone()))
            .collect();
        for (name, identity) in &ours {
            end(name, identity).await?;
        }
        self.clear();
        Ok(ours.into_iter().map(|(name, _)| name).collect())
    }
}

async fn end(name: &str, identity: &Identity) -> Result<(), Failure> {
    for signal in [Signal::TERM, Signal::KILL] {
        if let Err(error) = send(identity.pid, signal)
            && identity.is_running()
        {
            return Err(
                Failure::failed(format!("{name} (process {}) cannot be ended", identity.pid))
                    .why(error.to_string()),
            );
        }
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline {
            if !identity.is_running() {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Err(
        Failure::failed(format!("{name} (process {}) does not end", identity.pid)).fix(format!(
            "end it: kill -9 {}; then start again: wagglebus up --detach",
            identity.pid
        )),
    )
}

/// Sends a signal to one process; never to a group.
pub(crate) fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(kill_process(pid, signal)?)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn record(folder: &tempfile::TempDir) -> Record {
        Record {
            path: folder.path().join("processes.json"),
            running: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn only_the_very_process_that_was_started_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let spawn = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (mut ours, mut stranger) = (spawn(), spawn());
        let mut record = record(&folder);
        record.started("ours", ours.id());
        let other = Identity {
            pid: stranger.id(),
            started: "before".into(),
        };
        record.running.insert("reused number".into(), other);
        record.save();

        // Waiting would close it, and `cat` would end by itself.
        let _stdin = ours.stdin.take();
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        assert_eq!(record.end().await.unwrap(), ["ours"]);
        assert!(!reaper.join().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none(), "it runs on");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn an_unreadable_record_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = record(&folder);
        assert_eq!(record.end().await.unwrap(), Vec::<String>::new());
        assert!(send(0, Signal::TERM).is_err(), "0 would mean our whole group");
        assert!(send(u32::MAX, Signal::TERM).is_err());
    }
}
