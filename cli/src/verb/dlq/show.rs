//! `dlq show`: one dead letter, and what its message said.

use serde_json::{Value, json};
use wagglebus_schemas::Message;

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
        let items: Vec<Value> = found.iter().map(|found| found.json()).collect();
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
    for retried in &found.retried {
        output.line(format!("retried  {}: sent again as {}", retried.at, retried.id))?;
    }
    match found.original() {
        Some(bytes) => output.line(said(&bytes))?,
        None => output.line("the original bytes were not kept: they are over the bound")?,
    }
    match renew::subject_of(session.places().hive(), letter) {
        Ok(_) => {
            let (once_more, again) = match found.retried.is_empty() {
                true => ("again", ""),
                false => ("once more", "--again "),
            };
            let id = letter.message_id.unwrap_or(letter.id);
            output.note(format!("send it {once_more}: wagglebus dlq retry {again}{id}"))?;
        }
        Err(why) => output.note(format!("it cannot be sent again: {why}"))?,
    }
    Ok(())
}

/// What the message said, as the agent would have been shown it; bytes that are no message as they are.
fn said(original: &[u8]) -> String {
    let Ok(message) = serde_json::from_slice::<Message>(original) else {
        let text = String::from_utf8_lossy(original);
        return printable::block(&text).trim_end().to_owned();
    };
    let mut text = format!(
        "sent     {} by {} to {} !{} #{}, conversation {}\n",
        message.timestamp,
        message.from_agent,
        message.to_agent,
        message.priority,
        message.message_type,
        message.conversation_id
    );
    if !message.metadata.is_empty() {
        let metadata = Value::Object(message.metadata).to_string();
        text.push_str(&format!("metadata {}\n", printable::line(&metadata, 500)));
    }
    text.push_str(printable::block(&message.content).trim_end());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_by_its_parts_and_other_bytes_as_they_are() {
        let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
        let message = json!({ "id": id, "from_agent": "alice", "to_agent": "bob", "content": "a\nb\u{1b}[A",
            "timestamp": "2026-01-02T03:04:05.000Z", "priority": "high", "message_type": "task",
            "conversation_id": id, "metadata": { "a": 1 } });
        assert_eq!(
            said(message.to_string().as_bytes()),
            format!(
                "sent     2026-01-02T03:04:05.000Z by alice to bob !high #task, conversation {id}\n\
                 metadata {{\"a\":1}}\n| a\n| b\u{fffd}[A"
            )
        );
        assert_eq!(said(b"no {json"), "| no {json");
        assert_eq!(said(b"{\"a\":1}\nerror: x"), "| {\"a\":1}\n| error: x");
    }
}
