//! The state folder of an agent's sidecar: one process at a time, and an id that outlives the process.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use wagglebus_schemas::Id;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another process holds it.
    #[error("fenced: another sidecar of this agent runs with this state folder (pid {pid})")]
    Locked {
        /// Its process id, as it wrote it.
        pid: String,
    },
    /// The system refused.
    #[error("cannot use state folder {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A locked state folder. The lock ends with the value, and with the process.
pub(crate) struct StateFolder {
    path: PathBuf,
    state_id: Id,
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if need be and locks it.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io(path))?;
        let spool = path.join("spool");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&spool)
            .map_err(io(&spool))?;
        let lock_path = path.join("lock");
        let mut lock = private()
            .truncate(false)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            lock.read_to_string(&mut pid).ok();
            return Err(FolderError::Locked {
                pid: pid.trim().chars().take(20).collect(),
            });
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(io(&lock_path))?;
        let state_id = state_id(&path.join("state_id"))?;
        Ok(Self {
            path: path.to_owned(),
            state_id,
            _lock: lock,
        })
    }

    /// Where the segments lie.
    pub(crate) fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// The folder's own id.
    pub(crate) const fn state_id(&self) -> Id {
        self.state_id
    }
}

fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

fn state_id(path: &Path) -> Result<Id, FolderError> {
    let io = |source| FolderError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = private().truncate(false).open(path).map_err(io)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(io)?;
    if let Ok(id) = text.trim().parse() {
        return Ok(id);
    }
    // New, or cut short by a crash before anybody knew it.
    let id = Id::from_uuid(uuid::Uuid::new_v4());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{id}"))
        .map_err(io)?;
    file.sync_all().map_err(io)?;
    Ok(id)
}
