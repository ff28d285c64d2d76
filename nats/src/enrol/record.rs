//! The record of an enrolment in `WB_enrolments`, written by compare-and-set.

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::KeyValueError;
use async_nats::jetstream::kv::{
    CreateError, CreateErrorKind, EntryError, Operation, Store, UpdateError, UpdateErrorKind,
};
use wagglebus_schemas::enrolment::{Enrolment, RoomMembership};
use wagglebus_schemas::stream::{Bucket, Stream, lane_consumer};
use wagglebus_schemas::{AgentId, Hive, Priority, RoomName, Timestamp};

use crate::provision::{ProvisionError, lane, last_sequence};
use crate::topology::joined_key;

/// Writers that may come between before we give up; each attempt means that somebody else succeeded.
const TRIES: u32 = 10;

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bucket is not there or cannot be reached.
    #[error("the bucket of enrolments cannot be opened")]
    Bucket(#[from] KeyValueError),
    /// It cannot be read.
    #[error("the record cannot be read")]
    Read(#[from] EntryError),
    /// It is there and is none.
    #[error(
        "the record in the bucket is no enrolment: look at it with `nats kv get`, then repair or purge it"
    )]
    Malformed(#[source] serde_json::Error),
    /// It cannot be written.
    #[error("the record cannot be written")]
    Create(#[from] CreateError),
    /// It cannot be changed.
    #[error("the record cannot be changed")]
    Update(#[from] UpdateError),
    /// Others changed it each time.
    #[error("others changed the record {TRIES} times while it was written")]
    Contended,
    /// The clock cannot be right.
    #[error("the system's clock is outside the years 1970 to 9999: set it")]
    Clock,
}

/// A record with its revision.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) enrolment: Enrolment,
    revision: u64,
}

/// The record of an agent, if there is one.
pub(super) async fn find(js: &Context, hive: &Hive, agent: &AgentId) -> Result<Option<Found>, RecordError> {
    entry(&store(js, hive).await?, agent).await
}

/// Makes the record be `wanted`; an agent's rooms, role and time stay those of a record that somebody else wrote meanwhile.
pub(super) async fn settle(
    js: &Context,
    hive: &Hive,
    mut found: Option<Found>,
    mut wanted: Enrolment,
) -> Result<Enrolment, RecordError> {
    let store = store(js, hive).await?;
    for _ in 0..TRIES {
        if let Some(found) = &found {
            wanted.rooms.clone_from(&found.enrolment.rooms);
            wanted.role.clone_from(&found.enrolment.role);
            wanted.at = found.enrolment.at;
            if found.enrolment == wanted {
                return Ok(wanted);
            }
        }
        let value = serde_json::to_vec(&wanted)
            .map_err(RecordError::Malformed)?
            .into();
        let agent = wanted.agent.as_str();
        let refused = match &found {
            None => match store.create(agent, value).await {
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => true,
                result => result.map(|_| false)?,
            },
            Some(Found { revision, .. }) => match store.update(agent, value, *revision).await {
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => true,
                result => result.map(|_| false)?,
            },
        };
        if !refused {
            return Ok(wanted);
        }
        found = entry(&store, &wanted.agent).await?;
    }
    Err(RecordError::Contended)
}

/// Writes `wanted` in the place of `found`. False when somebody else wrote meanwhile.
pub(super) async fn replace(
    js: &Context,
    hive: &Hive,
    found: &Found,
    wanted: &Enrolment,
) -> Result<bool, RecordError> {
    let value = serde_json::to_vec(wanted).map_err(RecordError::Malformed)?;
    let store = store(js, hive).await?;
    match store
        .update(wanted.agent.as_str(), value.into(), found.revision)
        .await
    {
        Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
        result => Ok(result.map(|_| true)?),
    }
}

/// Makes there be no record of an agent; its history stays.
pub(super) async fn remove(js: &Context, hive: &Hive, agent: &AgentId) -> Result<(), RecordError> {
    let store = store(js, hive).await?;
    for _ in 0..TRIES {
        let Some(found) = entry(&store, agent).await? else {
            return Ok(());
        };
        match store
            .delete_expect_revision(agent.as_str(), Some(found.revision))
            .await
        {
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
            result => return Ok(result?),
        }
    }
    Err(RecordError::Contended)
}

/// The room that everybody is in, joined now; or when a former run that did not finish made the consumers.
pub(super) async fn first_room(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
) -> Result<RoomMembership, ProvisionError> {
    let (name, stream) = (RoomName::all(), Stream::Messages.name(hive));
    let key = joined_key(&name);
    let mut joined: Option<u64> = None;
    for &priority in Priority::ALL {
        let found = lane(js, &stream, &lane_consumer(agent, priority)).await?;
        let metadata = found.unwrap_or_default().metadata;
        let at = metadata.get(&key).and_then(|value| value.as_str()?.parse().ok());
        joined = [joined, at].into_iter().flatten().min();
    }
    let joined_seq = match joined {
        Some(sequence) => sequence,
        None => last_sequence(js, &stream).await?,
    };
    Ok(RoomMembership { name, joined_seq })
}

/// The time for a new record.
pub(super) fn now() -> Result<Timestamp, RecordError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| RecordError::Clock)?;
    let ms = i64::try_from(since.as_millis()).map_err(|_| RecordError::Clock)?;
    Timestamp::from_unix_ms(ms).map_err(|_| RecordError::Clock)
}

async fn store(js: &Context, hive: &Hive) -> Result<Store, RecordError> {
    Ok(js.get_key_value(Bucket::Enrolments.name(hive)).await?)
}

async fn entry(store: &Store, agent: &AgentId) -> Result<Option<Found>, RecordError> {
    let Some(entry) = store.entry(agent.as_str()).await? else {
        return Ok(None);
    };
    if entry.operation != Operation::Put {
        // `create` knows how to write after a removal.
        return Ok(None);
    }
    let enrolment = serde_json::from_slice(&entry.value).map_err(RecordError::Malformed)?;
    Ok(Some(Found {
        enrolment,
        revision: entry.revision,
    }))
}
