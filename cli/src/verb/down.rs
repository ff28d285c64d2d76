//! `down`: ends the running `up`, or what one that was killed has left behind.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::up::bus_file;
use crate::up::leftovers::{self, Record};
use crate::up::lock::{self, Acquired};

/// How long an orderly end may take: each of three programs has its own time.
const END_WITHIN: Duration = Duration::from_secs(40);

/// End the bus that `up` runs; agents keep running and wait for it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let ended = end(session.places()).await?;
    if output.json() {
        output.record(&json!({ "ended": ended }))?;
    } else if ended.is_empty() {
        output.note("nothing runs")?;
    } else {
        output.line(format!("ended: {}", ended.join(", ")))?;
    }
    Ok(())
}

/// Ends the running `up`, and what one that was killed has left behind. Returns what was ended.
///
/// # Errors
/// When it does not end.
pub(crate) async fn end(places: &Places) -> Result<Vec<String>, Failure> {
    let mut ended = Vec::new();
    let _lock = match lock::acquire(places)? {
        Acquired::Ours(lock) => lock,
        Acquired::Theirs(Some(pid)) => {
            // Whoever holds the lock wrote this number and still runs, so it is no stranger's.
            leftovers::send(pid, Signal::TERM).map_err(|error| {
                Failure::failed(format!("`up` (process {pid}) cannot be signalled")).why(error.to_string())
            })?;
            let lock = lock::wait(places, END_WITHIN).await?.ok_or_else(|| {
                Failure::failed(format!("`up` (process {pid}) does not end"))
                    .fix(format!("kill -KILL {pid}; wagglebus down"))
            })?;
            ended.push(format!("up (process {pid})"));
            lock
        }
        Acquired::Theirs(None) => {
            return Err(Failure::failed("`up` is just starting").fix("try again: wagglebus down"));
        }
    };
    // With the lock in hand nobody can start anything meanwhile.
    ended.extend(Record::open(places).end().await?);
    bus_file::remove(places)?;
    Ok(ended)
}
