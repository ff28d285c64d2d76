//! `ack`: settles a message as done, or reports it as seen.

use wagglebus_schemas::api::{AckRequest, ReadRequest};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;
use crate::verb::settle;
use crate::verb::settle::Way;

/// Settle a message as done; prints its id and the level reached
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message
    id: String,
    /// The lease under which it was taken; else the current one, else it is settled where it waits
    #[arg(long)]
    lease: Option<String>,
    /// Only seen: you still work on it and keep the lease
    #[arg(long)]
    not_done: bool,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.id)?;
    let client = session.client()?;
    let done = !args.not_done;
    let way = if done {
        settle::way(session, &client, id, args.lease).await?
    } else {
        // To work on it one must have it.
        Way::Lease(settle::lease(session, &client, id, args.lease).await?)
    };
    let (answer, ended) = match way {
        Way::Lease(lease) => (client.ack(id, &AckRequest { lease, done }).await?, false),
        Way::Elsewhere { from, ended } => {
            let request = ReadRequest { from_agent: from };
            (client.read_elsewhere(id, &request).await?, ended)
        }
    };
    if ended {
        output.note(format!(
            "{id} was {} already; nothing changed",
            answer.value.level
        ))?;
    }
    if output.json() {
        output.body(&answer.body)?;
    } else {
        output.line(format!("{} {}", answer.value.id, answer.value.level))?;
    }
    Ok(())
}
