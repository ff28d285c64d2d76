//! Which bus is named, by whatever program of ours: its options, `WAGGLEBUS_*`, `NATS_*`, the project's file, the
//! user's file, in this order (DESIGN 6).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{ContextError, ContextFile, ReadFile, StockSettings, addresses};
use crate::config::Config;
use crate::connect::{Credentials, TlsFiles};

/// How `NATS_*` are called where they are told of.
const STOCK_VARIABLES: &str = "NATS_* variables";

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
    /// Transport security, which only files, contexts and `NATS_*` say.
    pub tls: TlsFiles,
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
    /// Our configuration files.
    pub config: Config,
}

/// The bus that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// What is said of it.
    pub settings: StockSettings,
    /// Who says which part.
    pub origins: BTreeMap<Part, String>,
}

/// A part of [`StockSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The addresses.
    Urls,
    /// Who we are.
    Credentials,
    /// Transport security.
    Tls,
    /// Beginning of the JetStream API.
    ApiPrefix,
    /// Beginning of reply subjects.
    InboxPrefix,
}

impl Environment {
    /// That of this process.
    pub fn of_process(contexts: PathBuf, config: Config) -> Self {
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
            config,
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
            tls: TlsFiles::default(),
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
        file.settings(STOCK_VARIABLES, self.home.as_deref())
    }
}

impl BusOptions {
    /// [`named`](Self::named) in this process; `contexts` is the stock CLI's folder of them.
    ///
    /// # Errors
    /// As there.
    pub fn named_here(
        &self,
        contexts: PathBuf,
        config: &Config,
    ) -> Result<Option<StockSettings>, ContextError> {
        let read = |path: &Path| std::fs::read_to_string(path);
        let named = self.named(&Environment::of_process(contexts, config.clone()), &read)?;
        Ok(named.map(|named| named.settings))
    }

    /// The bus that is named; `None` when none is, and the running `up` of this user is meant.
    ///
    /// What one level leaves open, the next one fills in, down to the first context: that brings its own credentials,
    /// and those below belong to another bus. Variables that name no bus, such as a token for another one, keep nobody
    /// from the own one, and are shown to none that a file names: who writes a project's file need not be trusted with
    /// them. Options do count, and so do `WAGGLEBUS_*`, since they were meant for us.
    ///
    /// # Errors
    /// When what is named cannot be used, or options contradict each other.
    pub fn named(
        &self,
        environment: &Environment,
        read: ReadFile<'_>,
    ) -> Result<Option<Named>, ContextError> {
        let mut found = Found::default();
        if found.level(self, "options", environment, read)?
            || found.level(&environment.options(), "WAGGLEBUS_* variables", environment, read)?
        {
            return Ok(Some(found.named));
        }
        let (stock, context) = (environment.stock()?, environment.get("NATS_CONTEXT"));
        if found.names || !stock.urls.is_empty() || context.is_some() {
            found.add(stock, STOCK_VARIABLES);
            found.fill(context.as_deref(), environment, read)?;
            return Ok(Some(found.named));
        }
        if let Some(said) = environment.config.bus() {
            found.level(&said.value, &said.origin.to_string(), environment, read)?;
            return Ok(Some(found.named));
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
            tls: self.tls.clone(),
            ..StockSettings::default()
        })
    }
}

/// What the levels so far say.
#[derive(Default)]
struct Found {
    named: Named,
    /// One of them names a bus.
    names: bool,
}

impl Found {
    /// Fills in what is still open from our own words. Returns whether nothing below counts.
    fn level(
        &mut self,
        options: &BusOptions,
        origin: &str,
        environment: &Environment,
        read: ReadFile<'_>,
    ) -> Result<bool, ContextError> {
        self.add(options.settings(origin)?, origin);
        self.fill(options.context.as_deref(), environment, read)
    }

    /// Fills in what is still open.
    fn add(&mut self, below: StockSettings, origin: &str) {
        self.names |= !below.urls.is_empty();
        for part in parts(&below) {
            if !parts(&self.named.settings).contains(&part) {
                self.named.origins.insert(part, origin.to_owned());
            }
        }
        self.named.settings = std::mem::take(&mut self.named.settings).over(below);
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
        self.add(
            StockSettings::from_context(&environment.contexts, name, home, read)?,
            &format!("context {name}"),
        );
        self.names = true;
        Ok(true)
    }
}

/// What these settings say something about.
fn parts(settings: &StockSettings) -> Vec<Part> {
    let said = [
        (Part::Urls, !settings.urls.is_empty()),
        (Part::Credentials, settings.credentials != Credentials::None),
        (Part::Tls, settings.tls != TlsFiles::default()),
        (Part::ApiPrefix, settings.api_prefix.is_some()),
        (Part::InboxPrefix, settings.inbox_prefix.is_some()),
    ];
    said.into_iter()
        .filter(|(_, said)| *said)
        .map(|(part, _)| part)
        .collect()
}
