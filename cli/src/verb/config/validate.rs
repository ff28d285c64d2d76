//! `config validate`: whether a configuration file is sound, before anything goes by it.

use std::path::{Path, PathBuf};

use serde_json::json;
use wagglebus_nats::config::{self, Config, ConfigChoice, ConfigPlaces, PROJECT_FILE};

use crate::failure::Failure;
use crate::output::Output;
use crate::printable;
use crate::session::Session;

/// Characters of a warning that are shown.
const WARNING_CHARS: usize = 1_000;

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
    let warnings = warnings(loaded, args.file.as_deref(), session)?;
    if output.json() {
        return Ok(output.record(&json!({ "valid": paths, "warnings": warnings }))?);
    }
    if paths.is_empty() {
        output
            .note("no configuration file counts here; `wagglebus config paths` says where one would lie")?;
    }
    for path in paths {
        output.line(format!("{}: valid", path.display()))?;
    }
    for warning in warnings {
        output.line(format!("warning: {}", printable::line(&warning, WARNING_CHARS)))?;
    }
    Ok(())
}

/// What is sound and will not work all the same.
fn warnings(loaded: &Config, file: Option<&Path>, session: &Session) -> Result<Vec<String>, Failure> {
    let missing = loaded.missing().into_iter().map(|(origin, key, file)| {
        let (at, file) = (origin.path.display(), file.display());
        format!("{at}: {key}: {file} is not there")
    });
    let mut warnings: Vec<String> = missing.collect();
    let project = file.filter(|file| file.file_name().is_some_and(|name| name == PROJECT_FILE));
    if let Some(path) = project.and_then(|file| file.canonicalize().ok())
        && config::needs_trust(&ConfigPlaces::of(session.places()).trusted, &path)?
    {
        let path = path.display();
        warnings.push(format!(
            "{path} names a bus and is not trusted as it is now, so it does not count; look at it, then: \
             wagglebus config trust {path}"
        ));
    }
    Ok(warnings)
}
