//! From what was typed to what is meant.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use wagglebus_nats::connect::{Credentials, Settings};
use wagglebus_nats::context::StockSettings;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::{BusFile, NoPlace, Places};

use crate::args::Args;
use crate::failure::Failure;

/// A complete and checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) hive: Hive,
    pub(crate) bus: Settings,
    pub(crate) listen: SocketAddr,
    pub(crate) ready_file: Option<PathBuf>,
}

impl Config {
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        if !args.listen.ip().is_loopback() {
            return Err(Failure::NotLoopback(args.listen));
        }
        Ok(Self {
            hive: args.hive.clone(),
            bus: settings(args)?,
            listen: args.listen,
            ready_file: args.ready_file.clone(),
        })
    }
}

/// Where NATS is and who we are there: options, then `NATS_*`, then the running `up` of this user (DESIGN 6).
///
/// Variables that name no server, such as a token for another one, don't keep us from our own.
fn settings(args: &Args) -> Result<Settings, Failure> {
    let options = StockSettings {
        urls: args.server.clone(),
        credentials: own_credentials(args).unwrap_or_default(),
        ..StockSettings::default()
    };
    let places = Places::from_env(args.hive.clone(), rustix::process::getuid().as_raw());
    let stock = match stock(args, &places)? {
        Some(stock) if !(stock.urls.is_empty() && options.urls.is_empty()) => stock,
        Some(_) | None if !options.urls.is_empty() => StockSettings::default(),
        Some(_) | None => running(&places?)?,
    };
    let mut settings = options.over(stock).connection("wagglebus-coordinator");
    settings.jitter_seed = u64::from(std::process::id());
    Ok(settings)
}

fn own_credentials(args: &Args) -> Option<Credentials> {
    let nkey = args.nkey_file.clone().map(Credentials::NkeyFile);
    nkey.or_else(|| args.creds_file.clone().map(Credentials::CredsFile))
}

/// The context that is named, else `NATS_*`.
fn stock(args: &Args, places: &Result<Places, NoPlace>) -> Result<Option<StockSettings>, Failure> {
    // Without a home there are no contexts; a named one is then missed by its name.
    let dir = places.as_ref().map(Places::nats_context_dir).unwrap_or_default();
    let home = std::env::home_dir();
    let read = |path: &Path| std::fs::read_to_string(path);
    if let Some(name) = &args.context {
        return Ok(Some(StockSettings::from_context(
            &dir,
            name,
            home.as_deref(),
            &read,
        )?));
    }
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    Ok(StockSettings::from_environment(
        &variables,
        &dir,
        home.as_deref(),
        &read,
    )?)
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
