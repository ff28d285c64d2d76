//! What an agent is there for, written down in its enrolment.

use async_nats::jetstream::Context;
use wagglebus_schemas::{AgentId, Hive};

use super::record::{self, RecordError};
use super::rooms::RoomError;

/// Writers that may come between; each attempt means that somebody else succeeded.
const TRIES: u32 = 10;

/// Writes an agent's role down, or with `None` that it has none.
///
/// # Errors
/// When nobody of this name is enrolled, or the record cannot be changed; it may then be repeated.
pub async fn set(js: &Context, hive: &Hive, agent: &AgentId, role: Option<&str>) -> Result<(), RoomError> {
    let record = |source| RoomError::Record {
        agent: agent.clone(),
        source,
    };
    for _ in 0..TRIES {
        let found = record::find(js, hive, agent).await.map_err(record)?;
        let found = found.ok_or_else(|| RoomError::Stranger(agent.clone()))?;
        let mut wanted = found.enrolment.clone();
        wanted.role = role.map(str::to_owned);
        if wanted == found.enrolment || record::replace(js, hive, &found, &wanted).await.map_err(record)? {
            return Ok(());
        }
    }
    Err(record(RecordError::Contended))
}
