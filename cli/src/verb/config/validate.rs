//! `config validate`: whether a configuration file is sound, before anything goes by it.

use std::path::PathBuf;

use serde_json::json;
use wagglebus_nats::config::{Config, ConfigChoice, ConfigPlaces};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Check a configuration file, or those that count here; a mistake is told with its line, exit code 6
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file; else those that count here
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let given = args.file.clone().map(ConfigChoice::File);
    let loaded = match (&given, session.config_failure()) {
        (Some(_), _) => &Config::load(given.as_ref(), ConfigPlaces::default())?,
        (None, Some(failure)) => return Err(failure.clone().into()),
        (None, None) => session.config(),
    };
    let paths: Vec<_> = loaded.origins().map(|origin| &origin.path).collect();
    if output.json() {
        return Ok(output.record(&json!({ "valid": paths }))?);
    }
    if paths.is_empty() {
        output
            .note("no configuration file counts here; `wagglebus config paths` says where one would lie")?;
    }
    for path in paths {
        output.line(format!("{}: valid", path.display()))?;
    }
    Ok(())
}
