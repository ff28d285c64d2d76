//! `send`: gives a message to the sender's sidecar and says how far it came.

use serde_json::Map;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{Draft, Priority};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;
use crate::verb::sending::{SendArgs, content, deliver, tell};

/// Send a message; prints its id and the level reached
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus send worker 'please look at the build' -p high -t task
  git diff | wagglebus send reviewer - --wait seen --timeout 10m")]
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
    #[command(flatten)]
    send: SendArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let to_agent = value::recipient(&args.to)?;
    let conversation_id = args.conversation.as_deref().map(value::id).transpose()?;
    let id = args.send.identity.id()?;
    let client = session.client()?;
    let draft = Draft {
        to_agent,
        content: content(args.text, "wagglebus send TO -")?,
        priority: args.priority,
        message_type: args.message_type,
        conversation_id,
        metadata: Map::new(),
        id: Some(id),
        from_agent: None,
    };
    let answer = deliver(&client, id, &draft, args.send.options(), output).await?;
    tell(&answer, output)
}
