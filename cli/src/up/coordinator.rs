//! Where the coordinator listens, as its ready file says.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;
use wagglebus_nats::api_tokens::TokenFiles;
use wagglebus_schemas::places::{CoordinatorAddress, Places};

use crate::failure::Failure;

/// What a coordinator says once it knows the roster.
#[derive(Debug, Deserialize)]
struct Ready {
    pid: u32,
    http: String,
}

/// The file in which it says so.
pub(crate) fn ready_file(places: &Places) -> PathBuf {
    places.run_dir().join("coordinator.ready")
}

/// How it is started: it says there that it is ready, and where it is while it leads.
pub(crate) fn arguments(places: &Places) -> [OsString; 4] {
    let (ready, bus) = (ready_file(places), places.bus_file());
    [
        "--ready-file".into(),
        ready.into(),
        "--bus-file".into(),
        bus.into(),
    ]
}

/// The address of the one that runs as `pid`; `None` until it is ready. A file that another one left says nothing.
pub(crate) fn address(places: &Places, pid: u32) -> Result<Option<CoordinatorAddress>, Failure> {
    let text = std::fs::read(ready_file(places)).unwrap_or_default();
    match serde_json::from_slice::<Ready>(&text) {
        Ok(ready) if ready.pid == pid => Ok(Some(CoordinatorAddress {
            http: ready.http,
            token_file: token_file(places)?,
        })),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Forgets it: nobody shall look for one that has ended.
pub(crate) fn forget(places: &Places) {
    std::fs::remove_file(ready_file(places)).ok();
}

/// The operator's bearer token for the coordinator, made once.
fn token_file(places: &Places) -> Result<PathBuf, Failure> {
    let files = TokenFiles::of(places);
    files.ensure_operator().map_err(|error| Failure::caused(&error))?;
    Ok(files.operator_file().to_owned())
}
