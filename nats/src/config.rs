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
mod parse;
mod read;
mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use wagglebus_schemas::Hive;

use crate::connect::TlsFiles;
use crate::context::BusOptions;

pub use find::{ConfigChoice, ConfigPlaces, PROJECT_FILE, Surroundings};
pub use trust::{needs_trust, trust, untrust};

/// Longest file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 64 * 1024;

/// Why a configuration file cannot be used. Nothing of it counts then, and nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no TOML, or keys or values are not of ours.
    #[error("{}", told(path, faults))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, in the order of the file.
        faults: Vec<Fault>,
    },
    /// It cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It names a bus or who hears of alerts, and the user has not looked at it since it was written.
    #[error(
        "{0} names a bus, or who hears of alerts, and is not trusted as it is now; look at it, then: wagglebus config trust {0}; or set WAGGLEBUS_CONFIG=none",
        path.display()
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else decides what it says, and could so lead us to a bus of theirs.
    #[error("{}: {reason}: others could lead this program to their bus", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is, or who may write it.
        reason: String,
    },
}

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, as `bus.server`; empty where the text itself cannot be read.
    pub key: String,
    /// What is wrong there.
    pub reason: String,
}

/// One line for each fault.
fn told(path: &Path, faults: &[Fault]) -> String {
    let line = |fault: &Fault| {
        let (line, column, reason) = (fault.line, fault.column, &fault.reason);
        let key = if fault.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", fault.key)
        };
        format!("{}:{line}:{column}: {key}{reason}", path.display())
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What one file says. A key that is absent says nothing; one that is not listed here is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Content {
    hive: Option<Hive>,
    bus: Spanned<BusContent>,
    sidecar: SidecarContent,
    coordinator: CoordinatorContent,
    alerts: AlertsContent,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            hive: None,
            bus: Spanned::new(0..0, BusContent::default()),
            sidecar: SidecarContent::default(),
            coordinator: CoordinatorContent::default(),
            alerts: AlertsContent::default(),
        }
    }
}

impl Content {
    /// Whether messages would go where this file says, or a program would be run that it names.
    fn names_a_bus(&self) -> bool {
        let alerts = &self.alerts;
        *self.bus.get_ref() != BusContent::default() || alerts.webhook.is_some() || alerts.command.is_some()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BusContent {
    server: Option<Spanned<String>>,
    context: Option<Spanned<String>>,
    nkey: Option<PathBuf>,
    creds: Option<PathBuf>,
    api_prefix: Option<String>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    tls_first: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SidecarContent {
    slots: Option<Spanned<u16>>,
    listen: Option<Spanned<SocketAddr>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CoordinatorContent {
    listen: Option<Spanned<SocketAddr>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlertsContent {
    webhook: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    message: Option<bool>,
    limits: BTreeMap<String, Spanned<Seconds>>,
}

/// Seconds, decimals allowed.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
struct Seconds(f64);

impl Eq for Seconds {}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It was named.
    Given,
    /// The nearest `wagglebus.toml`.
    Project,
    /// A project's file that does not count, shown to people who want to look at it.
    Untrusted,
    /// The user's.
    User,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given file",
            Self::Project => "project file",
            Self::Untrusted => "untrusted project file",
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

/// Who hears of alerts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertOptions {
    /// Where each change is posted. May hold a secret.
    pub webhook: Option<Said<String>>,
    /// What is run for each change: a program and its arguments.
    pub command: Option<Said<Vec<String>>>,
    /// Whether the operator gets messages.
    pub message: Option<Said<bool>>,
    /// Limits in seconds, by rule.
    pub limits: BTreeMap<String, f64>,
}

/// What the configuration files say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The first counts first.
    files: Vec<(Origin, Content)>,
    /// What was found and does not count.
    passed_over: Vec<ConfigError>,
}

impl Config {
    /// Reads the files that count for this process; see [`Surroundings::of_process`].
    ///
    /// # Errors
    /// When one of them is there and cannot be used.
    pub fn load(choice: Option<&ConfigChoice>, places: ConfigPlaces) -> Result<Self, ConfigError> {
        Surroundings::of_process(choice, places).load()
    }

    /// Project files that lie in the way and do not count, with the reason.
    pub fn passed_over(&self) -> &[ConfigError] {
        &self.passed_over
    }

    /// Files that these name and that are not there, by their keys.
    pub fn missing(&self) -> Vec<(&Origin, &'static str, &Path)> {
        let named = self.files.iter().flat_map(|(origin, content)| {
            let bus = content.bus.get_ref();
            let files = [
                ("bus.nkey", &bus.nkey),
                ("bus.creds", &bus.creds),
                ("bus.ca", &bus.ca),
                ("bus.cert", &bus.cert),
                ("bus.key", &bus.key),
            ];
            files.map(|(key, file)| (origin, key, file.as_deref()))
        });
        let named = named.filter_map(|(origin, key, file)| Some((origin, key, file?)));
        named.filter(|(_, _, file)| !file.exists()).collect()
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
        self.first(|content| content.sidecar.slots.as_ref().map(|slots| *slots.get_ref()))
    }

    /// Where sidecars listen beside their sockets.
    pub fn sidecar_listen(&self) -> Option<Said<SocketAddr>> {
        self.first(|content| content.sidecar.listen.as_ref().map(|listen| *listen.get_ref()))
    }

    /// Where coordinators listen.
    pub fn coordinator_listen(&self) -> Option<Said<SocketAddr>> {
        self.first(|content| {
            content
                .coordinator
                .listen
                .as_ref()
                .map(|listen| *listen.get_ref())
        })
    }

    /// The bus of the first file that names one.
    pub fn bus(&self) -> Option<Said<BusOptions>> {
        self.first(|content| {
            let bus = content.bus.get_ref().clone();
            (bus.server.is_some() || bus.context.is_some()).then_some(BusOptions {
                server: bus.server.map(Spanned::into_inner),
                context: bus.context.map(Spanned::into_inner),
                nkey: bus.nkey,
                creds: bus.creds,
                api_prefix: bus.api_prefix,
                tls: TlsFiles {
                    required: false,
                    first: bus.tls_first,
                    ca: bus.ca,
                    identity: bus.cert.zip(bus.key),
                },
            })
        })
    }

    /// Who hears of alerts, key by key.
    pub fn alerts(&self) -> AlertOptions {
        let mut limits = BTreeMap::new();
        for (_, content) in self.files.iter().rev() {
            let said = content.alerts.limits.iter();
            limits.extend(said.map(|(rule, seconds)| (rule.clone(), seconds.get_ref().0)));
        }
        AlertOptions {
            webhook: self.first(|content| Some(content.alerts.webhook.as_ref()?.get_ref().clone())),
            command: self.first(|content| Some(content.alerts.command.as_ref()?.get_ref().clone())),
            message: self.first(|content| content.alerts.message),
            limits,
        }
    }

    fn first<T>(&self, get: impl Fn(&Content) -> Option<T>) -> Option<Said<T>> {
        self.files.iter().find_map(|(origin, content)| {
            let origin = origin.clone();
            get(content).map(|value| Said { value, origin })
        })
    }
}

#[cfg(test)]
mod tests;
