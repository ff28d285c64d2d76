//! Rooms: an agent's lanes read the posts of the rooms that it is in.
//!
//! Membership stands in two places: in the agent's record, which counts, and in its lanes, which deliver. The lanes come
//! first and once more after the record, so that neither a crash nor an enrolment at the same time leaves them apart.

use async_nats::jetstream::Context;
use wagglebus_schemas::enrolment::{Enrolment, RoomMembership};
use wagglebus_schemas::limits::ROOMS_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Hive, RoomName};

use super::record::{self, RecordError};
use crate::plan::Wanted;
use crate::provision::{ProvisionError, last_sequence, provision};
use crate::topology::agent_consumers;

/// Writers that may come between; each attempt means that somebody else succeeded.
const TRIES: u32 = 10;

/// Why a membership was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Nobody of this name is enrolled.
    #[error("{0} is not enrolled")]
    Stranger(AgentId),
    /// The agent is in as many rooms as it may be.
    #[error("{agent} is in {ROOMS_MAX} rooms already: leave one first")]
    TooMany {
        /// The agent.
        agent: AgentId,
    },
    /// Its lanes cannot be changed.
    #[error("the lanes of {agent} cannot be changed")]
    Lanes {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: ProvisionError,
    },
    /// Its record cannot be read or written.
    #[error("the enrolment of {agent} cannot be changed")]
    Record {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: RecordError,
    },
}

/// Puts an agent into a room, from the present end of the stream on. Whoever is in it stays in it from where it was.
///
/// # Errors
/// [`RoomError`]; the join may then be repeated.
pub async fn join(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
    room: &RoomName,
) -> Result<RoomMembership, RoomError> {
    let rooms = change(js, hive, agent, Edit::Join(room)).await?.rooms;
    let joined = rooms.into_iter().find(|known| known.name == *room);
    joined.ok_or_else(|| RoomError::Record {
        agent: agent.clone(),
        source: RecordError::Contended,
    })
}

/// Takes an agent out of a room. Whoever is not in it stays out.
///
/// # Errors
/// [`RoomError`]; the leave may then be repeated.
pub async fn leave(js: &Context, hive: &Hive, agent: &AgentId, room: &RoomName) -> Result<(), RoomError> {
    change(js, hive, agent, Edit::Leave(room)).await.map(|_| ())
}

#[derive(Debug, Clone, Copy)]
enum Edit<'a> {
    Join(&'a RoomName),
    Leave(&'a RoomName),
}

async fn change(js: &Context, hive: &Hive, agent: &AgentId, edit: Edit<'_>) -> Result<Enrolment, RoomError> {
    let record = |source| RoomError::Record {
        agent: agent.clone(),
        source,
    };
    for _ in 0..TRIES {
        let found = record::find(js, hive, agent).await.map_err(record)?;
        let found = found.ok_or_else(|| RoomError::Stranger(agent.clone()))?;
        let mut wanted = found.enrolment.clone();
        match edit {
            Edit::Join(room) => add(js, hive, &mut wanted, room).await?,
            Edit::Leave(room) => wanted.rooms.retain(|known| known.name != *room),
        }
        let unchanged = wanted == found.enrolment;
        lanes(js, hive, &wanted).await?;
        if unchanged {
            return Ok(wanted);
        }
        if record::replace(js, hive, &found, &wanted).await.map_err(record)? {
            lanes(js, hive, &wanted).await?;
            return Ok(wanted);
        }
    }
    Err(record(RecordError::Contended))
}

async fn add(js: &Context, hive: &Hive, enrolment: &mut Enrolment, room: &RoomName) -> Result<(), RoomError> {
    let (agent, rooms) = (&enrolment.agent, &mut enrolment.rooms);
    if rooms.iter().any(|known| known.name == *room) {
        return Ok(());
    }
    if rooms.len() >= ROOMS_MAX {
        return Err(RoomError::TooMany { agent: agent.clone() });
    }
    let joined_seq = last_sequence(js, &Stream::Messages.name(hive)).await;
    let joined_seq = joined_seq.map_err(|source| RoomError::Lanes {
        agent: agent.clone(),
        source,
    })?;
    rooms.push(RoomMembership {
        name: room.clone(),
        joined_seq,
    });
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

async fn lanes(js: &Context, hive: &Hive, enrolment: &Enrolment) -> Result<(), RoomError> {
    let consumers = agent_consumers(hive, &enrolment.agent, &enrolment.rooms);
    let wanted: Vec<Wanted> = consumers.iter().map(Wanted::from).collect();
    let made = provision(js, &wanted).await;
    made.map(|_| ()).map_err(|source| RoomError::Lanes {
        agent: enrolment.agent.clone(),
        source,
    })
}
