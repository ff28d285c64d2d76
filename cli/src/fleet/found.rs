//! What there is: who is enrolled, which sidecars run, and whom the file named before.

use wagglebus_client::discovery;
use wagglebus_nats::enrol::Enroller;
use wagglebus_schemas::places::Places;

use super::Fleet;
use super::kept::Kept;
use super::plan::Found;
use crate::attachment;
use crate::failure::Failure;
use crate::verb::own;

/// Looks at everything that the fleet is about.
///
/// # Errors
/// When the bus or a file cannot be read.
pub(crate) async fn look(places: &Places, enroller: &Enroller<'_>, fleet: &Fleet) -> Result<Found, Failure> {
    let listed = enroller.list().await.map_err(|error| own::failure(&error))?;
    let (attachments, _) = attachment::all(places);
    let background = attachments
        .into_iter()
        .map(|attachment| (attachment.agent, attachment.asked));
    let mut found = Found {
        enrolled: listed
            .into_iter()
            .map(|(agent, _, record)| (agent, record))
            .collect(),
        background: background.collect(),
        former: Kept::load(places, &fleet.name)?.agents,
        ..Found::default()
    };
    for member in &fleet.agents {
        let agent = &member.agent;
        if !found.background.contains_key(agent)
            && let Ok(file) = discovery::sidecar(places, agent)
        {
            found.elsewhere.insert(agent.clone(), file.pid);
        }
    }
    Ok(found)
}
