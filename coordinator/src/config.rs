//! From what was typed to what is meant.

use std::net::SocketAddr;
use std::path::PathBuf;

use wagglebus_nats::connect::{Credentials, Settings};
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

/// Where NATS is and who we are there: options, then `NATS_*`, then the running `up` of this user.
fn settings(args: &Args) -> Result<Settings, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut settings = Settings::new(String::new(), "wagglebus-coordinator");
    settings.jitter_seed = u64::from(std::process::id());
    settings.tls.ca = variable("NATS_CA").map(PathBuf::from);
    let mut credentials = own_credentials(args).or_else(|| {
        let nkey = variable("NATS_NKEY").map(|file| Credentials::NkeyFile(file.into()));
        nkey.or_else(|| variable("NATS_CREDS").map(|file| Credentials::CredsFile(file.into())))
    });
    if !args.server.is_empty() {
        settings.urls.clone_from(&args.server);
    } else if let Some(urls) = variable("NATS_URL") {
        settings.urls = urls.split(',').map(str::to_owned).collect();
    } else {
        let uid = rustix::process::getuid().as_raw();
        let places = Places::from_env(args.hive.clone(), uid)?;
        settings.urls = vec![running(&places)?.url];
        credentials = own_credentials(args)
            .or_else(|| Some(Credentials::NkeyFile(BusUser::Coordinator.seed_file(&places))));
    }
    settings.credentials = credentials.unwrap_or_default();
    Ok(settings)
}

fn own_credentials(args: &Args) -> Option<Credentials> {
    let nkey = args.nkey_file.clone().map(Credentials::NkeyFile);
    nkey.or_else(|| args.creds_file.clone().map(Credentials::CredsFile))
}

/// What `up` says of itself.
fn running(places: &Places) -> Result<BusFile, Failure> {
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
