//! An attachment: which pane, who runs in it, and the key of its fences. It outlives the process, the program does not.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use wagglebus_schemas::AgentId;
use wagglebus_sidecar_core::terminal::capture::Server;
use wagglebus_sidecar_core::terminal::fence::Secret;
use wagglebus_sidecar_core::terminal::identity::Identity;

/// The attachment's file in the state folder.
const FILE: &str = "pane.json";

/// What is recorded of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The tmux server's socket.
    pub(crate) socket: PathBuf,
    /// The tmux server.
    pub(crate) server: Server,
    /// The pane's id.
    pub(crate) pane: String,
    /// Who runs in it.
    pub(crate) identity: Identity,
    /// The name of the program's profile.
    pub(crate) profile: String,
    /// The key of its fences.
    secret: Secret,
}

impl Attachment {
    /// An attachment to whoever runs in a pane. If it is recorded already, its fences are known again.
    pub(crate) fn new(
        folder: &Path,
        socket: PathBuf,
        server: Server,
        pane: String,
        identity: Identity,
        profile: String,
    ) -> Self {
        let former = Self::recorded(folder);
        let same = former
            .filter(|former| (&former.server, &former.pane, &former.identity) == (&server, &pane, &identity));
        let secret = same.map_or_else(fresh_secret, |former| former.secret);
        Self {
            socket,
            server,
            pane,
            identity,
            profile,
            secret,
        }
    }

    /// The attachment that is recorded in a state folder.
    pub(crate) fn recorded(folder: &Path) -> Option<Self> {
        let text = std::fs::read(folder.join(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Records it, whole and for its owner's eyes only: who knows the key can forge frames.
    ///
    /// # Errors
    /// The file that cannot be written, and why.
    pub(crate) fn record(&self, folder: &Path) -> Result<(), (PathBuf, std::io::Error)> {
        let path = folder.join(FILE);
        let temporary = folder.join(format!("{FILE}.new"));
        let text = serde_json::to_vec(self).unwrap_or_default();
        let write = || {
            let mut file = private().truncate(true).open(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| (path.clone(), error))
    }

    /// The key of its fences.
    pub(crate) const fn secret(&self) -> &Secret {
        &self.secret
    }
}

fn fresh_secret() -> Secret {
    let mut secret = [0; 32];
    let (first, second) = secret.split_at_mut(16);
    first.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    second.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    secret
}

/// The right to write into a pane. It ends with the value, and with the process.
#[derive(Debug)]
pub(crate) struct PaneLock {
    _file: File,
}

/// Another sidecar writes into the pane.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Whose.
    #[error("the sidecar of {0} writes into this pane already")]
    Taken(String),
    /// The lock cannot be made.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl PaneLock {
    /// Takes the pane for `agent`: one writer per pane, whatever its hive.
    ///
    /// # Errors
    /// See [`LockError`].
    pub(crate) fn take(
        folder: &Path,
        server: &Server,
        pane: &str,
        agent: &AgentId,
    ) -> Result<Self, LockError> {
        let number = pane.trim_start_matches('%');
        let path = folder.join(format!("pane-{}-{}-{number}.lock", server.pid, server.started));
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = private().read(true).truncate(false).open(&path).map_err(io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok();
            let holder = holder.trim().chars().take(63).collect();
            return Err(LockError::Taken(holder));
        }
        let written = file.set_len(0).and_then(|()| file.rewind());
        written.and_then(|()| writeln!(file, "{agent}")).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_sidecar_core::terminal::identity::Who;

    fn attachment(folder: &Path, pid: u32) -> Attachment {
        let leader = Who {
            pid,
            start: "1".into(),
            argv: vec!["agent".into()],
        };
        let identity = Identity {
            leader,
            children: Vec::new(),
        };
        let server = Server { pid: 1, started: 2 };
        Attachment::new(folder, "/s".into(), server, "%1".into(), identity, "plain".into())
    }

    #[test]
    fn fences_are_known_again_for_the_same_program_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = attachment(folder.path(), 10);
        first.record(folder.path()).unwrap();
        assert_eq!(Attachment::recorded(folder.path()), Some(first.clone()));
        assert_eq!(attachment(folder.path(), 10).secret(), first.secret());
        assert_ne!(attachment(folder.path(), 11).secret(), first.secret());
    }

    #[test]
    fn a_pane_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server { pid: 1, started: 2 };
        let agent = "bob".parse().unwrap();
        let lock = PaneLock::take(folder.path(), &server, "%1", &agent).unwrap();
        let refused = PaneLock::take(folder.path(), &server, "%1", &agent).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the sidecar of bob writes into this pane already"
        );
        assert!(PaneLock::take(folder.path(), &server, "%2", &agent).is_ok());
        drop(lock);
        assert!(PaneLock::take(folder.path(), &server, "%1", &agent).is_ok());
    }
}
