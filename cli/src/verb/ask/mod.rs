//! `ask`: sends a question and waits for its response.

mod watch;

use std::pin::pin;
use std::time::Duration;

use serde_json::{Map, json};
use tokio::time::Instant;
use wagglebus_client::SendOptions;
use wagglebus_schemas::api::ReadRequest;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{Draft, Priority};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;
use crate::verb::sending::{IdentityArgs, content, deliver};
use watch::Watch;

/// Ask a question, wait for the response, and print what it says
///
/// The response is the message of type `response` whose metadata.in_reply_to is the question's id, from the agent that was
/// asked, or from a member of the room. It is settled, unless somebody else works on it already; your other mail, and what
/// others answer, stays where it is. The wait is over after --timeout (exit 4): the
/// question is on its way still, and the same command with --id waits on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus ask worker 'is the build green?'
  git diff | wagglebus ask reviewer - -p high --timeout 30m
  wagglebus --json ask capability:rust 'which edition?' | jq -r .from_agent")]
pub(crate) struct Args {
    /// An agent, a room, or capability:NAME for whoever has it
    to: String,
    /// The text, up to 256 KiB; - or nothing: standard input, as it is
    text: Option<String>,
    /// How much it is worth interrupting for
    #[arg(short, long, default_value_t, value_parser = value::words::<Priority>(Priority::ALL.iter().map(|p| p.as_str())))]
    priority: Priority,
    /// The conversation it belongs to
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// How long to wait for the response
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = value::duration)]
    timeout: Duration,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let to_agent = value::recipient(&args.to)?;
    let conversation_id = args.conversation.as_deref().map(value::id).transpose()?;
    let id = args.identity.id()?;
    let client = session.client()?;
    let draft = Draft {
        to_agent,
        content: content(args.text, "wagglebus ask TO -")?,
        priority: args.priority,
        message_type: MessageType::Question,
        conversation_id,
        metadata: Map::new(),
        id: Some(id),
        from_agent: None,
    };
    let deadline = Instant::now() + args.timeout;
    // Before the question goes: its response may be there before its receipt is.
    let mut watch = Watch::open(session, &args.bus, &client, id, &draft.to_agent).await?;
    let options = SendOptions {
        wait: None,
        timeout: None,
        park: args.identity.park,
    };
    let sent = deliver(&client, id, &draft, options, output).await?.value;
    if let Some(why) = watch.blind() {
        output.note(format!(
            "note: the response is seen only once it was taken from the inbox: {why}"
        ))?;
    }
    watch.begin_at(sent.stream_seq.filter(|_| sent.duplicate));
    let wagglebus = session.wagglebus()?;
    let again = format!("see where it is: {wagglebus} trace {id}; wait on: the same command with --id {id}");
    // One for the whole wait: it also hears what is pressed between two things.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let reply = tokio::select! {
        reply = watch.reply(deadline, output) => reply?,
        _ = &mut interrupted => {
            return Err(Failure::interrupted().why(format!("question {id} is on its way")).fix(again));
        }
    };
    let Some(reply) = reply else {
        let waited = humantime::format_duration(args.timeout);
        return Err(
            Failure::contract(ErrorCode::LevelNotReached, format!("no response within {waited}"))
                .why(format!("question {id} was accepted: do not ask again"))
                .details(json!({ "level": "accepted", "id": id }))
                .fix(again),
        );
    };
    if output.json() {
        output.record(&reply.body)?;
    } else {
        let from = &reply.message.from_agent;
        if draft.to_agent.agent() != Some(from) {
            output.note(format!("{from} answers:"))?;
        }
        output.foreign(&reply.message.content)?;
    }
    // What was asked for is told, whatever becomes of the rest.
    output.finish()?;
    if !reply.waits {
        return Ok(());
    }
    let answer = reply.message.id;
    let request = ReadRequest {
        from_agent: reply.message.from_agent.clone(),
    };
    tokio::select! {
        settled = client.read_elsewhere(answer, &request) => if let Err(error) = settled {
            output.note(format!("note: the response stays in the inbox: {error}"))?;
        },
        _ = &mut interrupted => {
            let why = format!("the response is told above; whether it stays in the inbox is not known: {answer}");
            return Err(Failure::interrupted().why(why));
        }
    }
    Ok(())
}
