//! Configuration files: a project's `wagglebus.toml` and the user's `config.toml`, read alike by all programs (ADR 0018).
//!
//! | file | where | counts |
//! |---|---|---|
//! | given | `--config FILE`, `WAGGLEBUS_CONFIG` | alone; `none` means no file at all |
//! | project | `wagglebus.toml` in the working folder or the nearest one above it | before the user's |
//! | user | `$XDG_CONFIG_HOME/wagglebus/config.toml` | last, before what is built in |
//!
//! Options and variables beat files, key by key; the bus is one thing: the first file that names one is the only one
//! that does (see [`crate::context`]).

mod find;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wagglebus_schemas::Hive;

use crate::context::BusOptions;

pub use find::{ConfigChoice, PROJECT_FILE, Surroundings};

/// Longest file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 64 * 1024;

/// Why a configuration file cannot be used. Nothing of it counts then, and nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no TOML, or a key or value is not one of ours.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Somebody else decides what it says, and could so lead us to a bus of theirs.
    #[error(
        "{}: {reason}, so that others could lead this program to their bus; mend that, or set WAGGLEBUS_CONFIG=none",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is, or who may write it.
        reason: String,
    },
}

/// What one file says. A key that is absent says nothing; one that is not listed here is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Content {
    hive: Option<Hive>,
    bus: BusContent,
    sidecar: SidecarContent,
    coordinator: CoordinatorContent,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BusContent {
    server: Option<String>,
    context: Option<String>,
    nkey: Option<PathBuf>,
    creds: Option<PathBuf>,
    api_prefix: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SidecarContent {
    slots: Option<u16>,
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CoordinatorContent {
    listen: Option<SocketAddr>,
}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It was named.
    Given,
    /// The nearest `wagglebus.toml`.
    Project,
    /// The user's.
    User,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given file",
            Self::Project => "project file",
            Self::User => "user file",
        })
    }
}

/// Where a file lies, and which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Which file.
    pub scope: Scope,
    /// Where.
    pub path: PathBuf,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope, self.path.display())
    }
}

/// A value, and the file that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// The file.
    pub origin: Origin,
}

/// What the configuration files say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The first counts first.
    files: Vec<(Origin, Content)>,
}

impl Config {
    /// Reads the files that count for this process; see [`Surroundings::of_process`].
    ///
    /// # Errors
    /// When one of them is there and cannot be used.
    pub fn load(choice: Option<&ConfigChoice>, user_file: PathBuf) -> Result<Self, ConfigError> {
        Surroundings::of_process(choice, user_file).load()
    }

    /// Where the files lie, the first first.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.files.iter().map(|(origin, _)| origin)
    }

    /// The hive, when a file names one.
    pub fn hive(&self) -> Option<Said<Hive>> {
        self.first(|content| content.hive.clone())
    }

    /// How many messages an agent works on at once, beside one urgent.
    pub fn sidecar_slots(&self) -> Option<Said<u16>> {
        self.first(|content| content.sidecar.slots)
    }

    /// Where sidecars listen beside their sockets.
    pub fn sidecar_listen(&self) -> Option<Said<SocketAddr>> {
        self.first(|content| content.sidecar.listen)
    }

    /// Where coordinators listen.
    pub fn coordinator_listen(&self) -> Option<Said<SocketAddr>> {
        self.first(|content| content.coordinator.listen)
    }

    /// The bus of the first file that names one.
    pub fn bus(&self) -> Option<Said<BusOptions>> {
        self.first(|content| {
            let bus = content.bus.clone();
            (bus.server.is_some() || bus.context.is_some()).then_some(BusOptions {
                server: bus.server,
                context: bus.context,
                nkey: bus.nkey,
                creds: bus.creds,
                api_prefix: bus.api_prefix,
            })
        })
    }

    fn first<T>(&self, get: impl Fn(&Content) -> Option<T>) -> Option<Said<T>> {
        self.files.iter().find_map(|(origin, content)| {
            let origin = origin.clone();
            get(content).map(|value| Said { value, origin })
        })
    }
}

/// Reads one file's text. `home` is what `~/` means in a path; other relative paths begin at the file's folder.
fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<Content, ConfigError> {
    let invalid = |at: usize, reason: String| {
        let before = text.get(..at).unwrap_or(text);
        ConfigError::Invalid {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            reason,
        }
    };
    let mut content: Content = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        invalid(at, error.message().trim_end().replace('\n', ", "))
    })?;
    // Only single values have a place of their own; what several say together is told at the head of their table.
    let table = |name: &str| text.find(&format!("[{name}]")).unwrap_or_default();
    let bus = &mut content.bus;
    if bus.nkey.is_some() && bus.creds.is_some() {
        return Err(invalid(
            table("bus"),
            "nkey and creds exclude each other".to_owned(),
        ));
    }
    if *bus != BusContent::default() && bus.server.is_none() && bus.context.is_none() {
        return Err(invalid(
            table("bus"),
            "a key or a prefix for no bus; name it with server or context".to_owned(),
        ));
    }
    if content
        .sidecar
        .slots
        .is_some_and(|slots| !(1..=256).contains(&slots))
    {
        return Err(invalid(table("sidecar"), "slots are 1 to 256".to_owned()));
    }
    let listens = [
        ("sidecar", content.sidecar.listen),
        ("coordinator", content.coordinator.listen),
    ];
    for (name, listen) in listens {
        if listen.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(invalid(table(name), "listen is a loopback address".to_owned()));
        }
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    for key in [&mut bus.nkey, &mut bus.creds].into_iter().flatten() {
        *key = match (key.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => folder.join(&*key),
        };
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
