//! What the verbs share that send: the text, the options, and what is said when the answer does not come.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use serde_json::Value;
use wagglebus_client::{Answered, Client, SendOptions};
use wagglebus_schemas::api::SendAnswer;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;
use wagglebus_schemas::limits::CONTENT_BYTES_MAX;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::{AgentId, Draft, Level};

use crate::failure::Failure;
use crate::output::Output;
use crate::value;
use crate::verb::trace;

/// How a message is sent.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SendArgs {
    /// Wait until it has provably come this far
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Stored, value_parser = value::words::<Level>(Level::ALL.iter().map(|l| l.as_str())))]
    wait: Level,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = value::duration)]
    timeout: Duration,
    #[command(flatten)]
    pub(super) identity: IdentityArgs,
}

/// Under which id a message goes, and to whom it may.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct IdentityArgs {
    /// Send under this id: a repeat with the same id and text is the same message
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Accept a recipient that nobody knows yet
    #[arg(long)]
    pub(super) park: bool,
}

impl SendArgs {
    pub(super) const fn options(&self) -> SendOptions {
        SendOptions {
            wait: Some(self.wait),
            timeout: Some(self.timeout),
            park: self.identity.park,
        }
    }
}

impl IdentityArgs {
    /// The id of the message: always one of ours, so that a broken connection can be repeated without ever doubling it.
    ///
    /// # Errors
    /// When the one that was given is none.
    pub(super) fn id(&self) -> Result<Id, Failure> {
        match &self.id {
            Some(id) => value::id(id),
            None => Ok(Id::from_uuid(uuid::Uuid::now_v7())),
        }
    }
}

/// Gives the draft, which has an id, to the sidecar and waits for the answer.
///
/// # Errors
/// As the sidecar refuses it; `interrupted` with what is known of the message.
pub(super) async fn deliver(
    client: &Client,
    id: Id,
    draft: &Draft,
    options: SendOptions,
    output: &mut Output,
) -> Result<Answered<SendAnswer>, Failure> {
    let sent = tokio::select! {
        sent = client.send(draft, options) => sent,
        _ = tokio::signal::ctrl_c() => {
            return Err(Failure::interrupted()
                .why(format!("message {id} may be accepted already: to send it again, use --id {id}"))
                .fix(format!("see where it is: wagglebus trace {id}")));
        }
    };
    let answer = sent.map_err(|error| explain(error.into(), id))?;
    if let Some(warning) = &answer.value.warning {
        output.note(format!(
            "warning: {warning}: no roster could be asked whether {} exists",
            draft.to_agent
        ))?;
    }
    if answer.value.duplicate {
        output.note("note: sent before under this id; it is delivered once")?;
    }
    Ok(answer)
}

/// Says what became of it: `<id> <level>`, or the answer itself as JSON.
pub(super) fn tell(answer: &Answered<SendAnswer>, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        output.body(&answer.body)?;
    } else {
        output.line(format!("{} {}", answer.value.id, answer.value.level))?;
    }
    Ok(())
}

/// A message that was accepted must not be sent again: the next step is to look where it is.
fn explain(failure: Failure, id: Id) -> Failure {
    if failure.code() != Some(ErrorCode::LevelNotReached) {
        return failure;
    }
    let accepted = "it was accepted: do not resend";
    let look = format!("see where it is: wagglebus trace {id}");
    let Some((reason, agent)) = failure.detail("held").and_then(held) else {
        return failure.why(accepted).fix(look);
    };
    let fix = match trace::release(reason, &agent) {
        Some(command) => format!("{look}; to let it go on: {command}"),
        None => look,
    };
    failure.why(format!("{reason} at {agent}; {accepted}")).fix(fix)
}

/// Why it does not move, and where.
fn held(details: &Value) -> Option<(HoldReason, AgentId)> {
    let text = |key: &str| details.get(key)?.as_str();
    Some((text("reason")?.parse().ok()?, text("agent")?.parse().ok()?))
}

/// The text that was given, else standard input. `usage` is the command that takes it from there.
///
/// # Errors
/// When there is none, or it cannot be sent.
pub(super) fn content(text: Option<String>, usage: &str) -> Result<String, Failure> {
    let text = match text {
        Some(text) if text != "-" => text,
        None if io::stdin().is_terminal() => {
            return Err(
                Failure::usage(&"no text").fix(format!("give it as an argument, or pipe it in: … | {usage}"))
            );
        }
        Some(_) | None => read(io::stdin().lock())?,
    };
    // An unset variable of a script, more often than a message.
    if text.trim().is_empty() {
        return Err(Failure::invalid("the text is empty").fix("nothing was sent; give some text"));
    }
    Ok(text)
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
        .fix("convert it first (iconv -t UTF-8), or send a path to it instead")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_level_that_was_not_reached_names_the_hold() {
        let id: Id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31".parse().unwrap();
        let told = |details: Value| {
            let failure = Failure::contract(ErrorCode::LevelNotReached, "x").details(details);
            explain(failure, id).json()["error"].clone()
        };
        let held = |reason: &str| json!({ "held": { "agent": "bob", "reason": reason, "since": null } });
        let dialog = told(held("dialog_open"));
        assert_eq!(
            dialog["message"],
            "x: dialog_open at bob; it was accepted: do not resend"
        );
        assert_eq!(dialog["hint"], format!("see where it is: wagglebus trace {id}"));
        let gone = told(held("agent_gone"))["hint"].to_string();
        assert!(
            gone.contains("to let it go on: wagglebus attach PANE --agent bob"),
            "{gone}"
        );
        let other = told(json!({ "level": "stored" }));
        assert_eq!(other["message"], "x: it was accepted: do not resend");
    }

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
