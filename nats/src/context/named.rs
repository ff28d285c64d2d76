//! Which bus is named, by whatever program of ours: its options, `WAGGLEBUS_*`, `NATS_*`, in this order (DESIGN 6).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{ContextError, ContextFile, ReadFile, StockSettings, addresses};
use crate::connect::Credentials;

/// What names a bus: the same options, or variables, for all programs. Absent means not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusOptions {
    /// `--server`, `WAGGLEBUS_SERVER`: addresses, separated by commas.
    pub server: Option<String>,
    /// `--context`, `WAGGLEBUS_CONTEXT`: a context of the stock CLI, by its name.
    pub context: Option<String>,
    /// `--nkey`, `WAGGLEBUS_NKEY`: a file with the seed.
    pub nkey: Option<PathBuf>,
    /// `--creds`, `WAGGLEBUS_CREDS`: a file with JWT and seed.
    pub creds: Option<PathBuf>,
    /// `--api-prefix`, `WAGGLEBUS_API_PREFIX`: beginning of the JetStream API.
    pub api_prefix: Option<String>,
}

/// What surrounds a program and may name a bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables by name; an empty one counts as unset.
    pub variables: BTreeMap<String, String>,
    /// The stock CLI's folder of contexts.
    pub contexts: PathBuf,
    /// What `~/` means in a context.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub fn of_process(contexts: PathBuf) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with("WAGGLEBUS_") || name.starts_with("NATS_");
            // What is no UTF-8 names nothing that exists, and is so reported instead of passed over.
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            contexts,
            home: std::env::home_dir(),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    fn options(&self) -> BusOptions {
        BusOptions {
            server: self.get("WAGGLEBUS_SERVER"),
            context: self.get("WAGGLEBUS_CONTEXT"),
            nkey: self.get("WAGGLEBUS_NKEY").map(PathBuf::from),
            creds: self.get("WAGGLEBUS_CREDS").map(PathBuf::from),
            api_prefix: self.get("WAGGLEBUS_API_PREFIX"),
        }
    }

    /// What `NATS_*` says, but for the context that it names.
    fn stock(&self) -> Result<StockSettings, ContextError> {
        let text = |name: &str| self.get(name).unwrap_or_default();
        let file = ContextFile {
            url: text("NATS_URL"),
            token: text("NATS_TOKEN"),
            user: text("NATS_USER"),
            password: text("NATS_PASSWORD"),
            creds: text("NATS_CREDS"),
            nkey: text("NATS_NKEY"),
            cert: text("NATS_CERT"),
            key: text("NATS_KEY"),
            ca: text("NATS_CA"),
            ..ContextFile::default()
        };
        file.settings("NATS_* variables", self.home.as_deref())
    }
}

impl BusOptions {
    /// [`named`](Self::named) in this process; `contexts` is the stock CLI's folder of them.
    ///
    /// # Errors
    /// As there.
    pub fn named_here(&self, contexts: PathBuf) -> Result<Option<StockSettings>, ContextError> {
        let read = |path: &Path| std::fs::read_to_string(path);
        self.named(&Environment::of_process(contexts), &read)
    }

    /// The bus that is named; `None` when none is, and the running `up` of this user is meant.
    ///
    /// What one level leaves open, the next one fills in, down to the first context: that brings its own credentials,
    /// and those below belong to another bus. Variables that name no bus, such as a token for another one, keep nobody
    /// from the own one; options do, since they were typed for this very call.
    ///
    /// # Errors
    /// When what is named cannot be used, or options contradict each other.
    pub fn named(
        &self,
        environment: &Environment,
        read: ReadFile<'_>,
    ) -> Result<Option<StockSettings>, ContextError> {
        let mut found = Found {
            settings: self.settings("options")?,
            names: self.server.is_some(),
        };
        if found.fill(self.context.as_deref(), environment, read)? {
            return Ok(Some(found.settings));
        }
        let ours = environment.options();
        found.add(ours.settings("WAGGLEBUS_* variables")?);
        if found.fill(ours.context.as_deref(), environment, read)? {
            return Ok(Some(found.settings));
        }
        found.add(environment.stock()?);
        found.fill(environment.get("NATS_CONTEXT").as_deref(), environment, read)?;
        if found.names {
            return Ok(Some(found.settings));
        }
        if *self != Self::default() {
            return Err(ContextError::Contradiction {
                origin: "options".to_owned(),
                reason: "a key or a prefix for no bus; name the bus with --server or --context",
            });
        }
        Ok(None)
    }

    fn settings(&self, origin: &str) -> Result<StockSettings, ContextError> {
        let credentials = match (&self.nkey, &self.creds) {
            (Some(_), Some(_)) => {
                return Err(ContextError::Contradiction {
                    origin: origin.to_owned(),
                    reason: "more than one way to log in is set; keep one of nkey and creds",
                });
            }
            (Some(nkey), None) => Credentials::NkeyFile(nkey.clone()),
            (None, Some(creds)) => Credentials::CredsFile(creds.clone()),
            (None, None) => Credentials::None,
        };
        let urls: Vec<String> = self.server.iter().flat_map(|urls| addresses(urls)).collect();
        if self.server.is_some() && urls.is_empty() {
            return Err(ContextError::Contradiction {
                origin: origin.to_owned(),
                reason: "a server without an address",
            });
        }
        Ok(StockSettings {
            urls,
            credentials,
            api_prefix: self.api_prefix.clone(),
            ..StockSettings::default()
        })
    }
}

/// What the levels so far say.
struct Found {
    settings: StockSettings,
    /// One of them names a bus.
    names: bool,
}

impl Found {
    /// Fills in what is still open.
    fn add(&mut self, below: StockSettings) {
        self.names |= !below.urls.is_empty();
        self.settings = std::mem::take(&mut self.settings).over(below);
    }

    /// Fills in what is still open from a level's context, below which nothing counts. Returns whether there is one.
    fn fill(
        &mut self,
        context: Option<&str>,
        environment: &Environment,
        read: ReadFile<'_>,
    ) -> Result<bool, ContextError> {
        let Some(name) = context else {
            return Ok(false);
        };
        let home = environment.home.as_deref();
        self.add(StockSettings::from_context(
            &environment.contexts,
            name,
            home,
            read,
        )?);
        self.names = true;
        Ok(true)
    }
}
