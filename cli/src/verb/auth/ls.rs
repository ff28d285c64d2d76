//! `auth ls`: who may connect.

use serde_json::json;

use super::own::as_admin;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::session::Session;

/// List who may connect, with their public keys
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let (all, _) = as_admin(places, async |enroller| enroller.list().await).await?;
    if output.json() {
        let items: Vec<_> = all
            .iter()
            .map(|(agent, key, record)| {
                json!({
                    "agent": agent,
                    "nkey": key.as_str(),
                    "enrolled_at": record.as_ref().map(|record| record.at),
                    "rooms": record.as_ref().map(|record| &record.rooms),
                    "seed_file": places.agent_seed_file(agent),
                    "seed_here": places.agent_seed_file(agent).exists(),
                })
            })
            .collect();
        output.record(&json!({ "items": items }))?;
        return Ok(());
    }
    let mut rows = table(["AGENT", "KEY", "SINCE", "SEED"]);
    for (agent, key, record) in &all {
        let since = record
            .as_ref()
            .map_or_else(|| "-".to_owned(), |record| record.at.to_string());
        let seed = places.agent_seed_file(agent);
        let seed = if seed.exists() {
            seed.display().to_string()
        } else {
            "not here".to_owned()
        };
        rows.add_row([agent.to_string(), key.to_string(), since, seed]);
    }
    Ok(output.table(&rows)?)
}
