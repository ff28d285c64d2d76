//! From what was typed to what is meant.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use wagglebus_coordinator_core::alert::Settings as AlertSettings;
use wagglebus_nats::api_tokens::TokenFiles;
use wagglebus_nats::config::{self, ConfigPlaces};
use wagglebus_nats::connect::{Credentials, Settings};
use wagglebus_nats::context::{BusOptions, StockSettings};
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::alert_settings::BadWebhook;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::places::{BusFile, NoPlace, Places};
use wagglebus_schemas::{AgentId, Hive};

use crate::alert::{Command, Ways};
use crate::args::{Args, Limit};
use crate::failure::Failure;
use crate::http::Rate;

/// A complete and checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) hive: Hive,
    pub(crate) bus: Settings,
    /// Where the API listens; `None`: at a free port, and while leading at the known one.
    pub(crate) listen: Option<SocketAddr>,
    /// Who may use the API; `None`: nobody.
    pub(crate) tokens: Option<TokenFiles>,
    /// Requests that each token may send in a second.
    pub(crate) rate: Rate,
    /// The `bus.json` of our `up`.
    pub(crate) bus_file: Option<PathBuf>,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) alerts: Alerts,
}

/// Who hears of alerts, and of which.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    pub(crate) ways: Ways,
    pub(crate) settings: AlertSettings,
}

impl Config {
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        // Without a home there are no contexts and no file of the user; a context that is named is missed by its name.
        let lies = places(Hive::default()).map(|places| ConfigPlaces::of(&places));
        let files = config::Config::load(args.config.as_ref(), lies.unwrap_or_default())?;
        for why in files.passed_over() {
            tracing::warn!("passed over: {why}");
        }
        let said = || files.coordinator_listen().map(|said| said.value);
        let listen = args.listen.or_else(said);
        if let Some(open) = listen.filter(|address| !address.ip().is_loopback()) {
            return Err(Failure::NotLoopback(open));
        }
        let hive = args.hive.clone().or_else(|| files.hive().map(|said| said.value));
        let hive = hive.unwrap_or_default();
        let own_tokens = || places(hive.clone()).ok().map(|places| TokenFiles::of(&places));
        let tokens = args.token_file.clone().map(TokenFiles::with_operator);
        Ok(Self {
            tokens: tokens.or_else(own_tokens),
            rate: Rate(args.rate),
            bus_file: args.bus_file.clone(),
            bus: settings(args, places(hive.clone()), &files)?,
            hive,
            listen,
            ready_file: args.ready_file.clone(),
            alerts: alerts(args, &files)?,
        })
    }
}

/// Options beat files, key by key.
fn alerts(args: &Args, files: &config::Config) -> Result<Alerts, Failure> {
    let said = files.alerts();
    let bad = |error: String| Failure::Alerts(error);
    let webhook = match (&args.alert_webhook, said.webhook) {
        (Some(webhook), _) => Some(webhook.clone()),
        (None, Some(said)) => Some(
            said.value
                .parse()
                .map_err(|error: BadWebhook| bad(error.to_string()))?,
        ),
        (None, None) => None,
    };
    let command = match (&args.alert_command, said.command) {
        (Some(command), _) => Some(command.clone()),
        (None, Some(words)) => Some(Command::new(words.value).map_err(|error| bad(error.to_string()))?),
        (None, None) => None,
    };
    let chosen = said
        .limits
        .iter()
        .map(|(rule, seconds)| Limit::new(rule, *seconds));
    let mut limits_ms = BTreeMap::new();
    for limit in chosen.chain(args.alert_limit.iter().map(|limit| Ok(*limit))) {
        let Limit { rule, ms } = limit.map_err(bad)?;
        limits_ms.insert(rule, ms);
    }
    Ok(Alerts {
        settings: AlertSettings {
            limits_ms,
            message: args.alert_message || said.message.is_some_and(|said| said.value),
            sinks: webhook.is_some() || command.is_some(),
        },
        ways: Ways { webhook, command },
    })
}

fn places(hive: Hive) -> Result<Places, NoPlace> {
    Places::from_env(hive, rustix::process::getuid().as_raw())
}

/// Where NATS is and who we are there: the bus that is named, else the running `up` of this user (DESIGN 6).
fn settings(
    args: &Args,
    places: Result<Places, NoPlace>,
    files: &config::Config,
) -> Result<Settings, Failure> {
    let options = BusOptions {
        server: args.server.clone(),
        context: args.context.clone(),
        nkey: args.nkey.clone(),
        creds: args.creds.clone(),
        api_prefix: args.api_prefix.clone(),
        ..BusOptions::default()
    };
    let contexts = places.as_ref().map(Places::nats_context_dir).unwrap_or_default();
    let stock = match options.named_here(contexts, files)? {
        Some(named) => named,
        None => running(&places?)?,
    };
    // In an account of others, theirs is the common beginning of replies.
    let inbox_prefix = stock
        .inbox_prefix
        .clone()
        .unwrap_or_else(|| inbox_prefix(&AgentId::coordinator()));
    let mut settings = stock.connection("wagglebus-coordinator");
    settings.inbox_prefix = inbox_prefix;
    settings.jitter_seed = u64::from(std::process::id());
    Ok(settings)
}

/// The running `up`, with the coordinator's key.
fn running(places: &Places) -> Result<StockSettings, Failure> {
    Ok(StockSettings {
        urls: vec![bus_file(places)?.url],
        credentials: Credentials::NkeyFile(BusUser::Coordinator.seed_file(places)),
        ..StockSettings::default()
    })
}

/// What `up` says of itself.
fn bus_file(places: &Places) -> Result<BusFile, Failure> {
    let path = places.bus_file();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Failure::NoBus { path }),
        Err(source) => return Err(Failure::BusFile { path, source }),
    };
    serde_json::from_slice(&bytes).map_err(|error| Failure::BusFile {
        path,
        source: error.into(),
    })
}
