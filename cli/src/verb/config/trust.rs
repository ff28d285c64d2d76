//! `config trust` and `config untrust`: whether a project's file may name a bus.

use std::path::PathBuf;

use serde_json::json;
use wagglebus_nats::config::{self, ConfigPlaces, Surroundings};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Let a project's file name a bus, as the file is now: messages and proofs of your keys will go there
#[derive(Debug, clap::Args)]
pub(crate) struct Trust {
    /// The file; else the one that counts here
    file: Option<PathBuf>,
}

/// Let a project's file name a bus no longer
#[derive(Debug, clap::Args)]
pub(crate) struct Untrust {
    /// The file; else the one that counts here
    file: Option<PathBuf>,
}

pub(super) fn trust(args: Trust, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = ConfigPlaces::of(session.places());
    let path = path(args.file, &places)?;
    config::trust(&places.trusted, &path)?;
    if output.json() {
        return Ok(output.record(&json!({ "trusted": path }))?);
    }
    Ok(output.line(format!("{}: trusted until it changes", path.display()))?)
}

pub(super) fn untrust(args: Untrust, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = ConfigPlaces::of(session.places());
    let path = path(args.file, &places)?;
    let was = config::untrust(&places.trusted, &path)?;
    if output.json() {
        return Ok(output.record(&json!({ "untrusted": path, "was_trusted": was }))?);
    }
    let before = if was { "" } else { " (it was not before)" };
    Ok(output.line(format!("{}: not trusted{before}", path.display()))?)
}

/// The file that is meant, as programs in its folder will find it.
fn path(given: Option<PathBuf>, places: &ConfigPlaces) -> Result<PathBuf, Failure> {
    let Some(given) = given else {
        let found = Surroundings::of_process(None, places.clone()).project_file()?;
        return found.ok_or_else(|| {
            Failure::not_found("there is no wagglebus.toml here or above")
                .fix("name the file: wagglebus config trust FILE")
        });
    };
    given.canonicalize().map_err(|error| {
        Failure::not_found(format!("{} cannot be found", given.display()))
            .why(error.to_string())
            .fix("name a file that is there: wagglebus config trust FILE")
    })
}
