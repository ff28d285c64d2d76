//! `dlq show`: one dead letter with the original bytes.

use serde_json::{Value, json};

use super::letters::{Found, with_id};
use super::{letters, renew};
use crate::failure::Failure;
use crate::output::Output;
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;

/// Show a dead letter and what the message said
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message, or the dead letter itself
    id: String,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.id)?;
    let letters = letters(&args.bus, session, output).await?;
    let found = with_id(&letters, id)?;
    if output.json() {
        let items: Vec<&Value> = found.iter().map(|found| &found.body).collect();
        output.record(&json!({ "items": items }))?;
        return Ok(());
    }
    for found in found {
        show(found, session, output)?;
    }
    Ok(())
}

fn show(found: &Found, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let letter = &found.letter;
    let line = |text: &str| printable::line(text, 500);
    output.line(format!("letter   {}", letter.id))?;
    let id = letter
        .message_id
        .map_or_else(|| "none that could be read".into(), |id| id.to_string());
    output.line(format!("message  {id}"))?;
    output.line(format!(
        "subject  {}, {} of {}",
        line(&letter.subject),
        letter.stream_seq,
        line(&letter.stream)
    ))?;
    output.line(format!("dead for {}, since {}", letter.agent, letter.at))?;
    output.line(format!(
        "reason   {}, after {} hand-overs: {}",
        letter.reason,
        letter.delivery,
        line(&letter.detail)
    ))?;
    if let Some(mark) = &found.dropped {
        output.line(format!("dropped  {}: {}", mark.at, line(&mark.detail)))?;
    }
    match found.original() {
        Some(bytes) => output.line(printable::block(&String::from_utf8_lossy(&bytes)).trim_end())?,
        None => output.line("the original bytes were not kept: they are over the bound")?,
    }
    match renew::subject_of(session.places().hive(), letter) {
        Ok(_) => output.note(format!(
            "send it again: wagglebus dlq retry {}",
            letter.message_id.unwrap_or(letter.id)
        ))?,
        Err(why) => output.note(format!("it cannot be sent again: {why}"))?,
    }
    Ok(())
}
