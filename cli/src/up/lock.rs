//! At most one `up` for each user and hive. The lock is the truth; its file says which process has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wagglebus_client::process::Identity;
use wagglebus_nats::private_file;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// Distance of two looks at a lock that somebody else holds.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The lock, held. The system frees it when this process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Who has the lock.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// We have.
    Ours(Lock),
    /// Another process has; `None` for the moment in which it has not yet written its number.
    Theirs(Option<u32>),
}

/// Tries to get the lock, without waiting.
pub(crate) fn acquire(places: &Places) -> Result<Acquired, Failure> {
    private_file::create_dir(places.state_dir()).map_err(|error| Failure::caused(&error))?;
    let path = path(places);
    try_lock(&path).map_err(|error| {
        Failure::failed(format!("{} cannot be locked", path.display())).why(error.to_string())
    })
}

/// The process that has it, as its file says; none once that one has ended. Asking takes nothing, so it keeps nobody who
/// starts just now from having it.
pub(crate) fn holder(places: &Places) -> Option<Identity> {
    written(&path(places)).filter(Identity::is_running)
}

fn path(places: &Places) -> PathBuf {
    places.state_dir().join("up.lock")
}

/// What the file says: a number in its first line, and in the second when that process started.
fn written(path: &Path) -> Option<Identity> {
    let text = std::fs::read_to_string(path).ok()?;
    let (pid, started) = text.trim_end().split_once('\n')?;
    Some(Identity {
        pid: pid.parse().ok()?,
        started: started.to_owned(),
    })
}

fn try_lock(path: &Path) -> io::Result<Acquired> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            let pid = std::process::id();
            let started = Identity::of(pid).map_or_else(String::new, |own| own.started);
            write!(file, "{pid}\n{started}\n")?;
            Ok(Acquired::Ours(Lock { _file: file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.take(128).read_to_string(&mut text)?;
            let pid = text.lines().next().and_then(|pid| pid.parse().ok());
            Ok(Acquired::Theirs(pid))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits until the lock is ours: until whoever has it has ended. `None` after `within`.
pub(crate) async fn wait(places: &Places, within: Duration) -> Result<Option<Lock>, Failure> {
    let deadline = Instant::now() + within;
    loop {
        if let Acquired::Ours(lock) = acquire(places)? {
            return Ok(Some(lock));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What to say when the lock is taken.
pub(crate) fn runs_already(pid: Option<u32>) -> Failure {
    let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    Failure::failed(format!("a bus of this hive runs already{who}"))
        .fix("see it: wagglebus status; end it: wagglebus down; another one beside it: --hive NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_its_number_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Acquired::Ours(first) = try_lock(&path).unwrap() else {
            panic!("nobody else has it")
        };
        assert!(matches!(try_lock(&path).unwrap(), Acquired::Theirs(Some(pid)) if pid == std::process::id()));
        assert_eq!(written(&path), Identity::of(std::process::id()));
        drop(first);
        assert!(matches!(try_lock(&path).unwrap(), Acquired::Ours(_)));
    }
}
