//! `dlq ls`: the dead letters, newest last.

use serde_json::{Value, json};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::reason::DeadReason;

use super::letters;
use super::letters::Found;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;

/// Characters of a detail that a row shows.
const DETAIL_CHARS: usize = 60;

/// List the dead letters, newest last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this recipient
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,
    /// Only those that are dead for this reason
    #[arg(long, value_name = "REASON", value_parser = value::words::<DeadReason>(DeadReason::ALL.iter().map(|r| r.as_str())))]
    reason: Option<DeadReason>,
    /// At most this many of the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    last: usize,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let mut letters = letters(&args.bus, session, output).await?;
    letters.retain(|found| {
        args.agent
            .as_ref()
            .is_none_or(|agent| found.letter.agent == *agent)
            && args.reason.is_none_or(|reason| found.letter.reason == reason)
    });
    let newest = letters.split_off(letters.len().saturating_sub(args.last));
    if output.json() {
        let items: Vec<Value> = newest.into_iter().map(|found| found.body).collect();
        output.record(&json!({ "items": items, "next_cursor": null }))?;
        return Ok(());
    }
    if newest.is_empty() {
        output.note("no dead letters")?;
        return Ok(());
    }
    let mut rows = table(["MESSAGE", "AT", "FROM", "TO", "REASON", "DELIVERY", "DETAIL"]);
    for found in &newest {
        rows.add_row(row(found, session));
    }
    output.table(&rows)?;
    if !letters.is_empty() {
        output.note(format!("{} older ones: --last N", letters.len()))?;
    }
    output.note("what it said: wagglebus dlq show ID; send it again: wagglebus dlq retry ID")?;
    Ok(())
}

fn row(found: &Found, session: &Session) -> [String; 7] {
    let letter = &found.letter;
    // What could not be read has no id of its own.
    let id = letter.message_id.unwrap_or(letter.id);
    let sender = found.sender(session.places().hive());
    [
        id.to_string(),
        letter.at.to_string(),
        sender.map_or_else(|| "-".into(), |sender| sender.to_string()),
        letter.agent.to_string(),
        letter.reason.to_string(),
        letter.delivery.to_string(),
        printable::line(&letter.detail, DETAIL_CHARS),
    ]
}
