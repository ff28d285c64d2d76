//! Which bus is meant: our own options, variables and files, contexts (NATS ADR-21) and `NATS_*` variables.
//!
//! Nothing here is used silently. All programs ask [`BusOptions::named`], so that the same words name the same bus for
//! each. A context counts when it is *named*, by a flag or by `NATS_CONTEXT`; the one that is merely selected in
//! the stock CLI never does.

mod named;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::connect::{Credentials, JETSTREAM_API, Settings, TlsFiles};

pub use named::{BusOptions, Environment, Named, Part};

/// What stock settings say. Absent means that they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockSettings {
    /// Addresses, in order.
    pub urls: Vec<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// Transport security.
    pub tls: TlsFiles,
    /// Beginning of the JetStream API.
    pub api_prefix: Option<String>,
    /// Beginning of reply subjects.
    pub inbox_prefix: Option<String>,
}

/// Why stock settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// There is no context of this name.
    #[error("there is no NATS context {name} at {path}; `nats context ls` shows what there is")]
    Missing {
        /// The name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The name would lead out of the folder of contexts.
    #[error("{name:?} is no name of a NATS context")]
    Name {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("NATS context {path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or the parser said.
        reason: String,
    },
    /// The credentials are managed by another tool.
    #[error(
        "NATS context {path} takes its credentials from nsc ({nsc}); export them with `nsc generate creds` and set `creds` instead"
    )]
    Nsc {
        /// The file.
        path: PathBuf,
        /// The reference.
        nsc: String,
    },
    /// Settings that contradict each other.
    #[error("{origin}: {reason}")]
    Contradiction {
        /// Where they are.
        origin: String,
        /// What contradicts what.
        reason: &'static str,
    },
}

/// A context file, as the stock CLI writes it. Keys that we do not know are its affair.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContextFile {
    url: String,
    token: String,
    user: String,
    password: String,
    creds: String,
    nkey: String,
    user_jwt: String,
    user_seed: String,
    cert: String,
    key: String,
    ca: String,
    nsc: String,
    jetstream_domain: String,
    jetstream_api_prefix: String,
    inbox_prefix: String,
    tls_first: bool,
}

/// Reads a file's text; a function so that tests need no files.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

impl StockSettings {
    /// The context `name` in `dir`, the folder `nats/context` of the user's configuration.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn from_context(
        dir: &Path,
        name: &str,
        home: Option<&Path>,
        read: ReadFile<'_>,
    ) -> Result<Self, ContextError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(ContextError::Name {
                name: name.to_owned(),
            });
        }
        let path = dir.join(format!("{name}.json"));
        let unreadable = |reason: String| ContextError::Unreadable {
            path: path.clone(),
            reason,
        };
        let text = read(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                let (name, path) = (name.to_owned(), path.clone());
                ContextError::Missing { name, path }
            } else {
                unreadable(error.to_string())
            }
        })?;
        let file: ContextFile = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if !file.nsc.is_empty() {
            return Err(ContextError::Nsc { path, nsc: file.nsc });
        }
        file.settings(&path.display().to_string(), home)
    }

    /// These settings where they say something, `base` elsewhere.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            urls: if self.urls.is_empty() {
                base.urls
            } else {
                self.urls
            },
            credentials: if self.credentials == Credentials::None {
                base.credentials
            } else {
                self.credentials
            },
            tls: if self.tls == TlsFiles::default() {
                base.tls
            } else {
                self.tls
            },
            api_prefix: self.api_prefix.or(base.api_prefix),
            inbox_prefix: self.inbox_prefix.or(base.inbox_prefix),
        }
    }

    /// Complete settings for a connection called `name`; without an address the stock one on this machine.
    pub fn connection(self, name: impl Into<String>) -> Settings {
        let defaults = Settings::new("nats://127.0.0.1:4222", name);
        Settings {
            urls: if self.urls.is_empty() {
                defaults.urls
            } else {
                self.urls
            },
            credentials: self.credentials,
            tls: self.tls,
            api_prefix: self.api_prefix.unwrap_or_else(|| JETSTREAM_API.to_owned()),
            inbox_prefix: self.inbox_prefix.unwrap_or(defaults.inbox_prefix),
            ..defaults
        }
    }
}

impl ContextFile {
    fn settings(self, origin: &str, home: Option<&Path>) -> Result<StockSettings, ContextError> {
        let contradiction = |reason: &'static str| ContextError::Contradiction {
            origin: origin.to_owned(),
            reason,
        };
        let said = |text: &String| !text.is_empty();
        let ways = [&self.creds, &self.nkey, &self.user_jwt, &self.user, &self.token];
        if ways.into_iter().filter(|way| said(way)).count() > 1 {
            return Err(contradiction(
                "more than one way to log in is set; keep one of creds, nkey, user and token",
            ));
        }
        if said(&self.password) && !said(&self.user) {
            return Err(contradiction("a password without a user"));
        }
        if said(&self.cert) != said(&self.key) {
            return Err(contradiction("a certificate and its key belong together"));
        }
        if said(&self.jetstream_domain) && said(&self.jetstream_api_prefix) {
            return Err(contradiction(
                "a JetStream domain and an API prefix exclude each other",
            ));
        }
        let path = |text: &str| expand(text, home);
        let some = |text: String| Some(text).filter(said);
        let domain = some(self.jetstream_domain).map(|domain| format!("$JS.{domain}.API"));
        Ok(StockSettings {
            urls: addresses(&self.url).collect(),
            credentials: if said(&self.creds) {
                Credentials::CredsFile(path(&self.creds))
            } else if said(&self.nkey) {
                Credentials::NkeyFile(path(&self.nkey))
            } else if said(&self.user_jwt) {
                Credentials::Jwt {
                    jwt: self.user_jwt,
                    seed: some(self.user_seed),
                }
            } else if said(&self.user) {
                Credentials::User {
                    name: self.user,
                    password: self.password,
                }
            } else if said(&self.token) {
                Credentials::Token(self.token)
            } else {
                Credentials::None
            },
            tls: TlsFiles {
                required: false,
                first: self.tls_first,
                ca: some(self.ca).map(|ca| path(&ca)),
                identity: some(self.cert).map(|cert| (path(&cert), path(&self.key))),
            },
            api_prefix: some(self.jetstream_api_prefix).or(domain),
            inbox_prefix: some(self.inbox_prefix),
        })
    }
}

/// Addresses, separated by commas.
fn addresses(urls: &str) -> impl Iterator<Item = String> {
    let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
    urls.map(str::to_owned)
}

/// `~/` at the beginning of a path means the home folder, as in the stock CLI.
fn expand(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests;
