//! Where the files of our own nats-server lie.

use std::path::{Path, PathBuf};

use wagglebus_schemas::places::Places;

/// The files of a hive's own server, all in one private folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    dir: PathBuf,
}

impl ServerFiles {
    /// Below the state folder.
    pub fn of(places: &Places) -> Self {
        Self {
            dir: places.state_dir().join("server"),
        }
    }

    /// In a folder of the caller's choice.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder. To be created with mode 0700.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration.
    pub fn conf(&self) -> PathBuf {
        self.dir.join("wb.conf")
    }

    /// The part of the configuration that names the agents.
    pub fn agents(&self) -> PathBuf {
        self.dir.join(AGENTS_CONF)
    }

    /// JetStream's store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("js")
    }

    /// Held while agents are enrolled.
    pub fn enrol_lock(&self) -> PathBuf {
        self.dir.join("enrol.lock")
    }
}

/// `wb.conf` includes it by this name.
pub(super) const AGENTS_CONF: &str = "agents.conf";
