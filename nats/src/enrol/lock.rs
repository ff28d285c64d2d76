//! One enrolment at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::time::{Instant, sleep};

use super::EnrolError;
use crate::private_file::{create_dir, io_error};

/// A batch of hundreds takes a few seconds; a hundred programs that each enrol themselves take turns for a minute.
pub(super) const WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Holds the lock until dropped; the system frees it when the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Waits for the lock, without keeping a thread from other work.
pub(super) async fn acquire(path: &Path) -> Result<Lock, EnrolError> {
    if let Some(dir) = path.parent() {
        create_dir(dir)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    let file = file.map_err(io_error(path, "opened"))?;
    let deadline = Instant::now() + WAIT;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                return Err(EnrolError::Busy {
                    lock: path.to_owned(),
                });
            }
            Err(errno) => return Err(io_error(path, "locked")(errno.into()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_enrolment_waits_and_then_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/lock");
        let first = acquire(&path).await.unwrap();
        assert!(matches!(acquire(&path).await, Err(EnrolError::Busy { .. })));
        drop(first);
        acquire(&path).await.unwrap();
    }
}
