//! `auth add`: lets an agent in without a sidecar.

use serde_json::json;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::subject::agent_api_prefix;

use super::own::{applicant, as_admin};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Let an agent in, without starting a sidecar; says where its key lies and how it is used
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent
    #[arg(value_name = "ID")]
    agent: AgentId,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let who = applicant(&args.agent, false)?;
    let (enrolled, url) = as_admin(places, async |enroller| enroller.enrol(&[who]).await).await?;
    let Some(enrolled) = enrolled.into_iter().next() else {
        return Err(Failure::failed("nobody was let in"));
    };
    let (agent, seed) = (&args.agent, enrolled.seed_file.display());
    let (api, inbox) = (agent_api_prefix(places.hive()), inbox_prefix(agent));
    if output.json() {
        output.record(&json!({
            "agent": agent,
            "nkey": enrolled.enrolment.nkey,
            "seed_file": enrolled.seed_file,
            "server": url,
            "api_prefix": api,
            "inbox_prefix": inbox,
        }))?;
        return Ok(());
    }
    output.line(format!("agent   {agent} {}", enrolled.enrolment.nkey))?;
    output.line(format!("key     {seed}"))?;
    output.line(format!("server  {url}"))?;
    output.note("with a sidecar of this user it needs nothing more; elsewhere, with a copy of the key:")?;
    output.note(format!(
        "  wagglebus sidecar --agent {agent} --server {url} --nkey {seed} --api-prefix {api} http"
    ))?;
    output.note(format!(
        "without one (docs/protocol.md): JetStream API below {api}, replies below {inbox}."
    ))?;
    Ok(())
}
