//! `dlq ls`: the dead letters, newest last.

use serde_json::{Value, json};

use super::choice::Choice;
use super::letters;
use super::letters::Found;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;

/// Characters of a detail that a row shows.
const DETAIL_CHARS: usize = 60;

/// List the dead letters, newest last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Only those that were dropped; else only those that were not
    #[arg(long)]
    dropped: bool,
    /// At most this many of the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    last: usize,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let mut letters = letters(&args.bus, session, output).await?;
    letters.retain(|found| found.dropped.is_some() == args.dropped && args.choice.takes(found));
    let newest = letters.split_off(letters.len().saturating_sub(args.last));
    if output.json() {
        let items: Vec<Value> = newest.iter().map(Found::json).collect();
        output.record(&json!({ "items": items, "next_cursor": null }))?;
        return Ok(());
    }
    if newest.is_empty() {
        output.note("no dead letters")?;
        return Ok(());
    }
    let mut rows = table([
        "MESSAGE", "AT", "FROM", "TO", "REASON", "DELIVERY", "RETRIED", "DETAIL",
    ]);
    for found in &newest {
        rows.add_row(row(found, session));
    }
    output.table(&rows)?;
    if !letters.is_empty() {
        output.note(format!("{} older ones: --last N", letters.len()))?;
    }
    output.note("what it said: wagglebus dlq show ID; send it again: … retry ID; put it away: … drop ID")?;
    Ok(())
}

fn row(found: &Found, session: &Session) -> [String; 8] {
    let letter = &found.letter;
    // What could not be read has no id of its own.
    let id = letter.message_id.unwrap_or(letter.id);
    let sender = found.sender(session.places().hive());
    let retried = found.retried.last();
    [
        id.to_string(),
        letter.at.to_string(),
        sender.map_or_else(|| "-".into(), |sender| sender.to_string()),
        letter.agent.to_string(),
        letter.reason.to_string(),
        letter.delivery.to_string(),
        retried.map_or_else(|| "-".into(), |retried| retried.id.to_string()),
        printable::line(&letter.detail, DETAIL_CHARS),
    ]
}
