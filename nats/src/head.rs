//! The head of a lane: the oldest message that nobody fetched yet. Looking takes nothing and counts no hand-over.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamError;
use async_nats::jetstream::stream::{RawMessageError, RawMessageErrorKind, Stream as JetStreamStream};
use wagglebus_schemas::headers::MSG_ID;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp};

use crate::provision::{Lane, ProvisionError, lane};
use crate::topology::joined_key;

/// Own posts that are passed over before the search is given up.
const PASSED_OVER_MAX: usize = 256;

/// A message at the head of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// Its id.
    pub id: Id,
    /// Who sent it.
    pub sender: AgentId,
    /// When the stream took it.
    pub at: Timestamp,
}

/// Why a head cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The lane cannot be asked about.
    #[error("the lane cannot be looked at")]
    Lane(#[from] ProvisionError),
    /// The stream cannot be asked.
    #[error("the stream cannot be opened")]
    Stream(#[from] GetStreamError),
    /// The stream cannot be read.
    #[error("the stream cannot be read")]
    Read(#[from] RawMessageError),
}

/// The head of a lane of `agent`; `None` when everything was fetched, or what is there will never be handed over: posts
/// of its own (of which at most 256 are passed over), and what is no message.
///
/// # Errors
/// When the server does not answer.
pub async fn lane_head(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
    priority: Priority,
) -> Result<Option<Head>, HeadError> {
    let name = Stream::Messages.name(hive);
    let Some(lane) = lane(js, &name, &lane_consumer(agent, priority)).await? else {
        return Ok(None);
    };
    if lane.pending == 0 {
        return Ok(None);
    }
    let stream = js.get_stream_no_info(&name).await?;
    let mut head: Option<Head> = None;
    for filter in &lane.filters {
        let first = first(&stream, hive, agent, &lane, filter).await?;
        head = [head, first]
            .into_iter()
            .flatten()
            .min_by_key(|head| head.stream_seq);
    }
    Ok(head)
}

/// The first message of one subject of the lane that will be handed over.
async fn first<I>(
    stream: &JetStreamStream<I>,
    hive: &Hive,
    agent: &AgentId,
    lane: &Lane,
    filter: &str,
) -> Result<Option<Head>, HeadError> {
    let mut from = begin(lane, hive, filter);
    for _ in 0..PASSED_OVER_MAX {
        let found = match stream.get_first_raw_message_by_subject(filter, from).await {
            Ok(found) => found,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        from = found.sequence.saturating_add(1);
        let id = found.headers.get(MSG_ID).and_then(|id| id.as_str().parse().ok());
        let stored_ms = i64::try_from(found.time.unix_timestamp_nanos() / 1_000_000);
        let at = stored_ms.ok().and_then(|ms| Timestamp::from_unix_ms(ms).ok());
        let sender = match Subject::parse(hive, &found.subject) {
            Ok(Subject::Message { from, .. }) => from,
            Ok(Subject::Room { from, .. }) if from == *agent => continue,
            Ok(Subject::Room { from, .. }) => from,
            // What is no message becomes a dead letter, and its sender hears of it then.
            Ok(_) | Err(_) => continue,
        };
        let (Some(id), Some(at)) = (id, at) else { continue };
        return Ok(Some(Head {
            stream_seq: found.sequence,
            id,
            sender,
            at,
        }));
    }
    Ok(None)
}

/// Where the search begins: above what was handed over, and in a room above the join.
fn begin(lane: &Lane, hive: &Hive, filter: &str) -> u64 {
    let room = filter
        .strip_prefix(hive.as_str())
        .and_then(|rest| rest.strip_prefix(".room."))
        .and_then(|rest| rest.split('.').next()?.parse().ok());
    let joined = room.and_then(|room| lane.metadata.get(&joined_key(&room))?.as_str()?.parse().ok());
    lane.delivered.max(joined.unwrap_or(0)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_searched_from_the_join_on() {
        let lane = Lane {
            delivered: 10,
            metadata: serde_json::from_str(r#"{"wagglebus.joined.design":"50"}"#).unwrap(),
            ..Lane::default()
        };
        for (filter, from) in [
            ("wb.msg.alice.low.*", 11),
            ("wb.room.design.low.*", 51),
            ("wb.room.other.low.*", 11),
        ] {
            assert_eq!(begin(&lane, &Hive::default(), filter), from, "{filter}");
        }
    }
}
