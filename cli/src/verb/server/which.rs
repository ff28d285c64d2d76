//! `server which`: the binary that `up` would run, and why that one.

use std::path::PathBuf;

use serde_json::json;
use wagglebus_nats::server::resolve::{Resolution, ResolveError, Search, Skipped};
use wagglebus_schemas::error::ErrorCode;

use crate::failure::Failure;
use crate::output::Output;

/// Print the path of the nats-server that `up` runs; says why that one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// This binary and no other; else WAGGLEBUS_NATS_SERVER, else the search
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let Resolution { found, skipped } = Search::of_this_process(args.nats_server)
        .resolve()
        .await
        .map_err(not_found)?;
    if output.json() {
        let skipped: Vec<_> = skipped
            .iter()
            .map(|Skipped { path, origin, why }| json!({ "path": path, "origin": origin, "why": why.to_string() }))
            .collect();
        let version = found.version.to_string();
        output.record(
            &json!({ "path": found.path, "version": version, "origin": found.origin, "skipped": skipped }),
        )?;
        return Ok(());
    }
    output.line(found.path.display().to_string())?;
    output.note(format!("nats-server {}, {}", found.version, found.origin))?;
    // Most places are empty on most machines: only what is there and unfit is worth a line.
    for Skipped { path, origin, why } in skipped.into_iter().filter(|skipped| skipped.path.exists()) {
        output.note(format!("passed over: {} ({origin}): {why}", path.display()))?;
    }
    Ok(())
}

fn not_found(error: ResolveError) -> Failure {
    Failure::caused(&error).coded(ErrorCode::NotFound)
}
