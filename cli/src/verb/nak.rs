//! `nak`: gives a message back, to be handed over again after a delay.

use std::time::Duration;

use wagglebus_schemas::api::NakRequest;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;
use crate::verb::settle;

/// Give a message back, to be handed over again; prints its id
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message
    id: String,
    /// The lease under which it was taken; else the current one, else it is taken if it is next
    #[arg(long)]
    lease: Option<String>,
    /// When to try again, at most 1h
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = value::duration)]
    delay: Duration,
    /// Why, for people
    #[arg(long)]
    reason: Option<String>,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.id)?;
    let client = session.client()?;
    let lease = settle::lease(session, &client, id, args.lease).await?;
    let delay_ms = u64::try_from(args.delay.as_millis()).unwrap_or(u64::MAX);
    let answer = client
        .nak(
            id,
            &NakRequest {
                lease,
                delay_ms,
                reason: args.reason,
            },
        )
        .await?;
    if output.json() {
        output.body(&answer.body)?;
    } else {
        output.line(answer.value.id.to_string())?;
    }
    Ok(())
}
