//! `auth rotate`: a new key for an agent.

use serde_json::json;
use wagglebus_schemas::AgentId;

use super::own::{applicant, as_admin};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Give an agent a new key; the old one is refused at once, and a running sidecar of this user takes the new one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent
    #[arg(value_name = "ID")]
    agent: AgentId,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let who = applicant(&args.agent, false)?;
    let (rotated, _) = as_admin(places, async |enroller| enroller.rotate(&who).await).await?;
    if output.json() {
        output.record(&json!({
            "agent": args.agent,
            "nkey": rotated.enrolment.nkey,
            "seed_file": rotated.seed_file,
        }))?;
        return Ok(());
    }
    output.line(format!("agent   {} {}", args.agent, rotated.enrolment.nkey))?;
    output.line(format!("key     {}", rotated.seed_file.display()))?;
    output.note("copies of the old key elsewhere are worthless now: bring them the new one")?;
    Ok(())
}
