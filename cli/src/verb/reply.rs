//! `reply`: answers a message that the agent got.

use serde_json::Map;
use wagglebus_client::Client;
use wagglebus_schemas::api::{AckRequest, ReadRequest};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::{AgentId, Draft, Message, Priority};

use crate::failure::Failure;
use crate::history::Source;
use crate::output::Output;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;
use crate::verb::sending::{SendArgs, content, deliver, tell};

/// Answer a message: to its sender, in its conversation; prints the reply's id and the level reached
///
/// The message may be in your inbox, in your hands or in your history. The reply is of type `response` and names it in
/// metadata.in_reply_to; its priority is that of the message.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus reply ID 'yes, it is green' --ack
  make test 2>&1 | tail -50 | wagglebus reply ID -")]
pub(crate) struct Args {
    /// The message that is answered
    #[arg(value_name = "ID")]
    message: String,
    /// The text, up to 256 KiB; - or nothing: standard input, as it is
    text: Option<String>,
    /// How much it is worth interrupting for; else as much as the message was
    #[arg(short, long, value_parser = value::words::<Priority>(Priority::ALL.iter().map(|p| p.as_str())))]
    priority: Option<Priority>,
    /// What it is for
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value_t = MessageType::Response, value_parser = value::words::<MessageType>(MessageType::ALL.iter().map(|t| t.as_str())))]
    message_type: MessageType,
    /// You are done with the message: settle it, too
    #[arg(long)]
    ack: bool,
    /// The lease under which the message was taken; else the current one
    #[arg(long, requires = "ack")]
    lease: Option<String>,
    #[command(flatten)]
    send: SendArgs,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let answered = value::id(&args.message)?;
    let id = args.send.identity.id()?;
    let me = session.sender()?;
    let client = session.client()?;
    let content = content(args.text, &format!("wagglebus reply {answered} -"))?;
    let source = Source::open(session, &args.bus, false).await?;
    let message = source.find(session, answered).await?.message;
    check(&message, &me)?;
    let mut about = Map::new();
    about.insert(metadata::IN_REPLY_TO.into(), answered.to_string().into());
    let draft = Draft {
        to_agent: message.from_agent.clone().into(),
        content,
        priority: args.priority.unwrap_or(message.priority),
        message_type: args.message_type,
        conversation_id: Some(message.conversation_id),
        metadata: about,
        id: Some(id),
        from_agent: None,
    };
    let again = format!(
        "to repeat it: the same command with --id {id}; see where it is: {} trace {id}",
        session.wagglebus()?
    );
    let sent = match deliver(&client, id, &draft, args.send.options(), output).await {
        Ok(answer) => tell(&answer, output),
        // The reply is accepted: it is on its way as well as one whose level was reached.
        Err(failure) if failure.code() == Some(ErrorCode::LevelNotReached) => Err(failure.fix(&again)),
        Err(failure) => return Err(failure),
    };
    if !args.ack {
        return sent;
    }
    // Only after the reply is on its way: what is settled comes never again.
    let settled = tokio::select! {
        settled = settle(&client, &message, args.lease) => settled,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    };
    match (sent, settled) {
        (Ok(()), Ok(())) => Ok(output.note(format!("{answered} done"))?),
        (Ok(()), Err(failure)) => Err(failure.why(format!(
            "the reply {id} was sent; only the ack failed: to repeat it, use --id {id}"
        ))),
        (Err(failure), Ok(())) => Err(failure.why(format!(
            "the reply {id} was accepted: do not reply again; {answered} is done"
        ))),
        (Err(failure), Err(ack)) => Err(failure.why(format!(
            "the reply {id} was accepted: do not reply again; the ack failed: {}",
            ack.what()
        ))),
    }
}

/// Only what was said to the agent is answered by it.
fn check(message: &Message, me: &AgentId) -> Result<(), Failure> {
    let id = message.id;
    if message.from_agent == *me {
        let failure = Failure::invalid(format!("{me} wrote message {id} itself"));
        let conversation = message.conversation_id;
        return Err(failure.fix(format!(
            "to add to it: wagglebus send {} --conversation {conversation} TEXT",
            message.to_agent
        )));
    }
    match message.to_agent.agent() {
        Some(to) if to != me => Err(Failure::invalid(format!(
            "message {id} went to {to}, and {me} cannot answer for it"
        ))
        .fix(format!("as {to}: wagglebus --as {to} reply {id} TEXT"))),
        Some(_) | None => Ok(()),
    }
}

/// By the lease that is given, else by the current one, else where it waits.
async fn settle(client: &Client, message: &Message, lease: Option<String>) -> Result<(), Failure> {
    let id = message.id;
    let current = match lease {
        Some(lease) => Some(lease),
        None => {
            let in_hand = client.peek().await?.value.in_hand;
            let mut in_hand = in_hand.into_iter().filter(|item| {
                let found = &item.message;
                found.id == id && found.from_agent == message.from_agent
            });
            in_hand.find_map(|item| item.lease)
        }
    };
    if let Some(lease) = current {
        client.ack(id, &AckRequest { lease, done: true }).await?;
        return Ok(());
    }
    let from_agent = message.from_agent.clone();
    client.read_elsewhere(id, &ReadRequest { from_agent }).await?;
    Ok(())
}
