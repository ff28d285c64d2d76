//! `version`: of every program that takes part.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;
use wagglebus_nats::server::resolve::Search;
use wagglebus_nats::topology;

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::programs::{self, COORDINATOR, SIDECAR};

/// How long a program may think about its version.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Print the versions of everything that takes part
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, output: &mut Output) -> Result<(), Failure> {
    let sidecar = of_program(SIDECAR).await;
    let coordinator = of_program(COORDINATOR).await;
    let server = Search::of_this_process(None).resolve().await.ok();
    let server = server.map(|resolution| resolution.found.version.to_string());
    if output.json() {
        output.record(&json!({
            "wagglebus": env!("CARGO_PKG_VERSION"),
            "sidecar": sidecar,
            "coordinator": coordinator,
            "nats_server": server,
            "topology": topology::VERSION,
        }))?;
        return Ok(());
    }
    let or_none = |version: Option<String>| version.unwrap_or_else(|| "none".into());
    let mut rows = table(["PROGRAM", "VERSION"]);
    rows.add_row(["wagglebus".to_owned(), env!("CARGO_PKG_VERSION").to_owned()]);
    rows.add_row([SIDECAR.to_owned(), or_none(sidecar)]);
    rows.add_row([COORDINATOR.to_owned(), or_none(coordinator)]);
    rows.add_row(["nats-server".to_owned(), or_none(server)]);
    rows.add_row(["topology".to_owned(), topology::VERSION.to_string()]);
    output.table(&rows)?;
    Ok(())
}

/// The last word of what the program beside ours says of its version; `None` when it is not there or does not say.
async fn of_program(name: &str) -> Option<String> {
    let path = programs::beside(name).ok()?;
    let answer = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = timeout(ANSWER_WITHIN, answer).await.ok()?.ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let word = text.split_whitespace().last()?;
    Some(printable::line(word, 40))
}
