//! `config paths`: every place that wagglebus reads or writes.

use serde_json::json;
use wagglebus_nats::conf::ServerFiles;
use wagglebus_nats::config::{PROJECT_FILE, Scope};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::up::logs;

/// Characters of a path that are shown.
const PATH_CHARS: usize = 400;

/// List every file and folder that wagglebus reads or writes here
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) fn run(_: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let in_use = |scope| session.config().origins().find(|origin| origin.scope == scope);
    let project = in_use(Scope::Project).map(|origin| origin.path.clone());
    let mut listed = Vec::new();
    if let Some(given) = in_use(Scope::Given) {
        listed.push(("configuration that was asked for", given.path.clone()));
    }
    listed.extend([
        (
            "project's configuration",
            project.unwrap_or_else(|| PROJECT_FILE.into()),
        ),
        ("user's configuration", places.user_config_file()),
        ("trust in project files", places.trusted_config_dir()),
        ("contexts of the stock NATS CLI", places.nats_context_dir()),
        ("sockets and who runs", places.run_dir().to_owned()),
        ("address of the running bus", places.bus_file()),
        ("state: keys, spools, streams", places.state_dir().to_owned()),
        (
            "configuration of nats-server",
            ServerFiles::of(places).dir().to_owned(),
        ),
        ("logs", logs::folder(places)),
        ("cache: nats-server", places.cache_dir().to_owned()),
    ]);
    if let Some(failure) = session.config_failure() {
        output.note(format!("note: {failure}"))?;
    }
    if output.json() {
        let listed: Vec<_> = listed
            .iter()
            .map(|(what, path)| json!({"what": what, "path": path, "exists": path.exists()}))
            .collect();
        return Ok(output.record(&listed)?);
    }
    let mut rows = table(["WHAT", "PATH", "EXISTS"]);
    for (what, path) in listed {
        let exists = if path.exists() { "yes" } else { "no" };
        rows.add_row([
            what.to_owned(),
            printable::line(&path.display().to_string(), PATH_CHARS),
            exists.to_owned(),
        ]);
    }
    Ok(output.table(&rows)?)
}
