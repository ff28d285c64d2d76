//! `auth rm`: takes an agent's way in.

use serde_json::json;
use wagglebus_client::discovery;
use wagglebus_nats::api_tokens::TokenFiles;
use wagglebus_nats::enrol::Unread;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;

use super::own::as_admin;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Take an agent's way in: its connections are cut, its key and API tokens are refused, its record goes
///
/// Refused while it has unread mail, unless that shall become dead letters; their senders are told. What is in the streams
/// stays there until its age. A sidecar that is started here for that name later lets it in anew, with a new key.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent
    #[arg(value_name = "ID")]
    agent: AgentId,
    /// Make dead letters of the mail that it has not read
    #[arg(long)]
    discard_unread: bool,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let (agent, places) = (&args.agent, session.places());
    if *agent == AgentId::operator() {
        return Err(
            Failure::invalid("the operator is the person at this bus and stays")
                .fix("a new key for it: wagglebus auth rotate operator"),
        );
    }
    let unread = if args.discard_unread {
        Unread::Discard
    } else {
        Unread::Keep
    };
    let removed = as_admin(places, async |enroller| enroller.remove(agent, unread).await).await;
    // A run before this one may have ended before it came to the tokens.
    let is_gone = match &removed {
        Ok(_) => true,
        Err(failure) => failure.code() == Some(ErrorCode::UnknownAgent),
    };
    let tokens = if is_gone {
        let revoked = TokenFiles::of(places).revoke_of(agent);
        revoked.map_err(|error| Failure::caused(&error))?
    } else {
        Vec::new()
    };
    let tokens: Vec<String> = tokens.into_iter().map(|token| token.name).collect();
    if !tokens.is_empty() && !output.json() {
        output.line(format!("revoked {}", tokens.join(", ")))?;
    }
    let (removed, _) = removed?;
    let sidecar = discovery::sidecar(places, agent).ok().map(|file| file.pid);
    if output.json() {
        output.record(&json!({ "agent": agent, "discarded": removed.discarded, "tokens": tokens, "sidecar_pid": sidecar }))?;
        return Ok(());
    }
    output.line(format!("removed {agent}"))?;
    if removed.discarded > 0 {
        output.line(format!(
            "dead    {} messages: wagglebus dlq ls",
            removed.discarded
        ))?;
    }
    if let Some(pid) = sidecar {
        output.note(format!(
            "its sidecar still runs and is refused; end it: kill {pid}"
        ))?;
    }
    Ok(())
}
