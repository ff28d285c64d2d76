//! `server conf`: the configuration that `up` wrote.

use serde_json::json;
use wagglebus_nats::conf::ServerFiles;
use wagglebus_nats::private_file;
use wagglebus_schemas::error::ErrorCode;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Print the configuration that `up` wrote for nats-server; it holds no secrets
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let files = ServerFiles::of(session.places());
    let path = files.conf();
    let text = private_file::read(&path)
        .map_err(|error| Failure::caused(&error))?
        .ok_or_else(|| {
            Failure::contract(ErrorCode::NotFound, format!("{} does not exist", path.display()))
                .fix("it is written by: wagglebus up")
        })?;
    if output.json() {
        output.record(&json!({ "path": path, "agents": files.agents(), "text": text }))?;
    } else {
        output.note(format!(
            "# {}; the agents are in {}",
            path.display(),
            files.agents().display()
        ))?;
        output.line(text.trim_end())?;
    }
    Ok(())
}
