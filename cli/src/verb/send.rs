//! `send`: gives a message to the sender's sidecar and says how far it came.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use serde_json::Map;
use wagglebus_client::SendOptions;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;
use wagglebus_schemas::limits::CONTENT_BYTES_MAX;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{Draft, Level, Priority, Recipient};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;

/// Send a message; prints its id and the level reached
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An agent, room:NAME or `all` for each member, or capability:NAME for one who has it
    to: String,
    /// The text, up to 256 KiB; - or nothing: standard input, as it is
    text: Option<String>,
    /// How much it is worth interrupting for
    #[arg(short, long, default_value_t, value_parser = value::words::<Priority>(Priority::ALL.iter().map(|p| p.as_str())))]
    priority: Priority,
    /// What it is for
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value_t, value_parser = value::words::<MessageType>(MessageType::ALL.iter().map(|t| t.as_str())))]
    message_type: MessageType,
    /// The conversation it belongs to
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Wait until it has provably come this far
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Stored, value_parser = value::words::<Level>(Level::ALL.iter().map(|l| l.as_str())))]
    wait: Level,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = value::duration)]
    timeout: Duration,
    /// Send under this id: a repeat with the same id and text is the same message
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Accept a recipient that nobody knows yet
    #[arg(long)]
    park: bool,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let to_agent: Recipient = args
        .to
        .parse()
        .map_err(|error: wagglebus_schemas::id::NameError| Failure::invalid(error.to_string()))?;
    let conversation_id = args.conversation.as_deref().map(value::id).transpose()?;
    let id = match &args.id {
        Some(id) => value::id(id)?,
        // Made here, so that a broken connection can be repeated without ever doubling the message.
        None => Id::from_uuid(uuid::Uuid::now_v7()),
    };
    let client = session.client()?;
    let draft = Draft {
        to_agent,
        content: content(args.text)?,
        priority: args.priority,
        message_type: args.message_type,
        conversation_id,
        metadata: Map::new(),
        id: Some(id),
        from_agent: None,
    };
    let options = SendOptions {
        wait: Some(args.wait),
        timeout: Some(args.timeout),
        park: args.park,
    };
    let sent = tokio::select! {
        sent = client.send(&draft, options) => sent,
        _ = tokio::signal::ctrl_c() => {
            return Err(Failure::interrupted()
                .why(format!("message {id} may be accepted already: to send it again, use --id {id}"))
                .fix(format!("see where it is: wagglebus trace {id}")));
        }
    };
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Err(explain(error.into(), id)),
    };
    if let Some(warning) = &answer.value.warning {
        output.note(format!(
            "warning: {warning}: no roster could be asked whether {} exists",
            draft.to_agent
        ))?;
    }
    if answer.value.duplicate {
        output.note("note: sent before under this id; it is delivered once")?;
    }
    if output.json() {
        output.body(&answer.body)?;
    } else {
        output.line(format!("{} {}", answer.value.id, answer.value.level))?;
    }
    Ok(())
}

/// A message that was accepted must not be sent again: the next step is to look where it is.
fn explain(failure: Failure, id: Id) -> Failure {
    if failure.code() == Some(ErrorCode::LevelNotReached) {
        return failure
            .why("it was accepted: do not resend")
            .fix(format!("see where it is: wagglebus trace {id}"));
    }
    failure
}

fn content(text: Option<String>) -> Result<String, Failure> {
    match text {
        Some(text) if text != "-" => Ok(text),
        None if io::stdin().is_terminal() => {
            Err(Failure::usage(&"no text")
                .fix("give it as an argument, or pipe it in: … | wagglebus send TO -"))
        }
        Some(_) | None => read(io::stdin().lock()),
    }
}

/// All of the input, and no more than a message may hold.
fn read(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    input
        .take(CONTENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed("standard input cannot be read").why(error.to_string()))?;
    if bytes.len() > CONTENT_BYTES_MAX {
        return Err(Failure::contract(
            ErrorCode::TooLarge,
            format!("the text is over {CONTENT_BYTES_MAX} bytes"),
        )
        .fix("send a path or a URL to it instead"));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::invalid(format!(
            "the text is no UTF-8: byte {} cannot be read",
            error.utf8_error().valid_up_to()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_taken_as_it_is_up_to_the_bound() {
        assert_eq!(read(&b"a\n"[..]).unwrap(), "a\n");
        assert_eq!(
            read(&vec![b'x'; CONTENT_BYTES_MAX][..]).unwrap().len(),
            CONTENT_BYTES_MAX
        );
        let code = |bytes: &[u8]| read(bytes).unwrap_err().code();
        assert_eq!(
            code(&vec![b'x'; CONTENT_BYTES_MAX + 1]),
            Some(ErrorCode::TooLarge)
        );
        assert_eq!(code(b"a\xff"), Some(ErrorCode::InvalidMessage));
    }
}
