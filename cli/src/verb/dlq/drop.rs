//! `dlq drop`: puts dead letters away. Nothing is deleted: a letter of the operator about the letter hides it (ADR 26).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Id;

use super::choice::Choice;
use super::letters::{Found, with_id};
use super::{letters, mark};
use crate::failure::Failure;
use crate::filter::now;
use crate::output::Output;
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;

/// Longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_000;

/// Put dead letters away: `dlq ls` shows them no more
///
/// Nothing is deleted: the letter stays in the stream until it is 90 days old, `dlq ls --dropped` lists it, and show,
/// retry and export still know it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus dlq drop ID --why 'sent again by hand'
  wagglebus dlq drop --all --reason expired --older 7d --yes")]
pub(crate) struct Args {
    /// The messages, or the dead letters themselves
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All that the options below leave
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    choice: Choice,
    /// Why, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// Only say what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Drop several
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    if args.why.len() > WHY_BYTES_MAX {
        let failure = Failure::invalid(format!("--why is over {WHY_BYTES_MAX} bytes"));
        return Err(failure.fix("say it shorter, or refer to where it is written"));
    }
    let letters = letters(&args.bus, session, output).await?;
    let chosen = chosen(&args, &letters)?;
    if chosen.len() > 1 && !args.yes && !args.dry_run {
        return Err(
            Failure::usage(&format!("{} dead letters would be dropped", chosen.len()))
                .fix("see them with --dry-run; drop them with --yes"),
        );
    }
    let mut items = Vec::new();
    let done = if args.dry_run {
        for found in &chosen {
            tell(found, "would be dropped", &mut items, output)?;
        }
        Ok(())
    } else {
        put_away(&args, session, &chosen, &mut items, output).await
    };
    // Also when a later one failed: what was dropped is dropped.
    if output.json() {
        output.record(&json!({ "items": items }))?;
    }
    if chosen.is_empty() {
        output.note("nothing to drop")?;
    }
    done
}

/// Those that are not dropped yet.
fn chosen<'a>(args: &Args, letters: &'a [Found]) -> Result<Vec<&'a Found>, Failure> {
    let mut chosen: BTreeMap<u64, &Found> = BTreeMap::new();
    if args.all {
        chosen.extend(letters.iter().map(|found| (found.seq, found)));
    }
    for id in &args.ids {
        let found = with_id(letters, value::id(id)?)?;
        chosen.extend(found.into_iter().map(|found| (found.seq, found)));
    }
    let chosen = chosen.into_values();
    Ok(chosen
        .filter(|found| found.dropped.is_none() && args.choice.takes(found))
        .collect())
}

async fn put_away(
    args: &Args,
    session: &Session,
    chosen: &[&Found],
    items: &mut Vec<Value>,
    output: &mut Output,
) -> Result<(), Failure> {
    if chosen.is_empty() {
        return Ok(());
    }
    let hive = session.places().hive();
    let connection = args.bus.connect(session, BusUser::Admin).await?;
    let (bus, _late) = JetStream::new(connection.clone());
    for found in chosen {
        let mark = mark::drop_of(hive, found, &args.why, Id::from_uuid(uuid::Uuid::now_v7()), now());
        mark::put(&bus, hive, &mark).await.map_err(|failed| {
            failed
                .failure()
                .fix("repeat it: what is dropped already stays so; what runs: wagglebus doctor")
        })?;
        tell(found, "dropped", items, output)?;
    }
    connection.close().await;
    Ok(())
}

fn tell(found: &Found, what: &str, items: &mut Vec<Value>, output: &mut Output) -> Result<(), Failure> {
    let letter = &found.letter;
    let id = letter.message_id.unwrap_or(letter.id);
    items.push(json!({ "letter": letter.id, "message_id": letter.message_id, "agent": letter.agent, "reason": letter.reason }));
    if !output.json() {
        output.line(format!("{id} {what}"))?;
        output.note(format!(
            "{} for {}: {}",
            letter.reason,
            letter.agent,
            printable::line(&letter.detail, 120)
        ))?;
    }
    Ok(())
}
