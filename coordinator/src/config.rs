//! From what was typed to what is meant.

use std::net::SocketAddr;
use std::path::PathBuf;

use wagglebus_nats::connect::{Credentials, Settings};
use wagglebus_nats::context::{BusOptions, StockSettings};
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::{BusFile, Places};

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

/// Where NATS is and who we are there: the bus that is named, else the running `up` of this user (DESIGN 6).
fn settings(args: &Args) -> Result<Settings, Failure> {
    let options = BusOptions {
        server: args.server.clone(),
        context: args.context.clone(),
        nkey: args.nkey.clone(),
        creds: args.creds.clone(),
        api_prefix: None,
    };
    let places = Places::from_env(args.hive.clone(), rustix::process::getuid().as_raw());
    // Without a home there are no contexts; a named one is then missed by its name.
    let contexts = places.as_ref().map(Places::nats_context_dir).unwrap_or_default();
    let stock = match options.named_here(contexts)? {
        Some(named) => named,
        None => running(&places?)?,
    };
    let mut settings = stock.connection("wagglebus-coordinator");
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
