//! The part of an enrolment that every bus needs: an agent's consumers and its record.

use async_nats::jetstream::Context;
use wagglebus_schemas::enrolment::{Enrolment, RoomMembership};
use wagglebus_schemas::{AgentId, Hive};

use super::record::{self, RecordError};
use super::{Applicant, EnrolError};
use crate::keys::PublicKey;
use crate::plan::Wanted;
use crate::provision::provision;
use crate::topology::agent_consumers;

/// How often an agent may change its rooms while it is enrolled.
const JOINS_MAX: u32 = 10;

/// Makes the consumers and the record of an agent whose key the server accepts, or will. Whoever is enrolled stays so: the
/// rooms and the time of an earlier enrolment are kept.
///
/// # Errors
/// [`EnrolError`]; it may then be repeated.
pub async fn register(
    js: &Context,
    hive: &Hive,
    applicant: &Applicant,
    key: &PublicKey,
) -> Result<Enrolment, EnrolError> {
    let agent = applicant.agent();
    let record_error = |source| EnrolError::Record {
        agent: agent.clone(),
        source,
    };
    let mut found = record::find(js, hive, agent).await.map_err(record_error)?;
    let mut wanted = enrolment(js, hive, applicant, key, found.as_ref()).await?;
    for _ in 0..JOINS_MAX {
        make_lanes(js, hive, agent, &wanted.rooms).await?;
        record::settle(js, hive, found, wanted.clone())
            .await
            .map_err(record_error)?;
        // Whoever changed its rooms meanwhile may have changed the consumers before we did.
        found = record::find(js, hive, agent).await.map_err(record_error)?;
        match &found {
            Some(found) if found.enrolment.rooms != wanted.rooms => {
                wanted.rooms.clone_from(&found.enrolment.rooms);
            }
            Some(_) | None => return Ok(wanted),
        }
    }
    Err(record_error(RecordError::Contended))
}

/// Makes the consumers of an agent that is in these rooms.
pub(super) async fn make_lanes(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
    rooms: &[RoomMembership],
) -> Result<(), EnrolError> {
    let consumers = agent_consumers(hive, agent, rooms);
    let consumers: Vec<Wanted> = consumers.iter().map(Wanted::from).collect();
    let made = provision(js, &consumers).await;
    made.map(|_| ()).map_err(|source| EnrolError::Consumers {
        agent: agent.clone(),
        source,
    })
}

/// What the record shall say.
async fn enrolment(
    js: &Context,
    hive: &Hive,
    applicant: &Applicant,
    key: &PublicKey,
    found: Option<&record::Found>,
) -> Result<Enrolment, EnrolError> {
    let agent = applicant.agent();
    let (rooms, at) = match found {
        Some(found) => (found.enrolment.rooms.clone(), found.enrolment.at),
        None => {
            let room = record::first_room(js, hive, agent).await;
            let room = room.map_err(|source| EnrolError::Consumers {
                agent: agent.clone(),
                source,
            })?;
            let now = record::now().map_err(|source| EnrolError::Record {
                agent: agent.clone(),
                source,
            })?;
            (vec![room], now)
        }
    };
    let (agent, nkey) = (agent.clone(), key.to_string());
    Ok(Enrolment {
        agent,
        nkey,
        ephemeral: applicant.ephemeral(),
        rooms,
        role: None,
        at,
    })
}
