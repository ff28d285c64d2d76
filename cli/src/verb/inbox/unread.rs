//! The unread messages of an agent, read from the stream by the inspector: takes nothing, counts no hand-over.

use serde_json::Value;
use wagglebus_client::discovery;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::topology::joined_key;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Message, Priority, decode, strict_json};

use crate::failure::Failure;
use crate::reader::{Position, ReadError, Reader, Stored};
use crate::up::furnish::connect_as;

/// Most messages of one lane that are read.
const LANE_MESSAGES_MAX: usize = 50;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unread {
    pub(super) message: Message,
    /// As published.
    pub(super) body: Value,
}

/// The oldest unread messages of each lane, in lane order. Those that recipients would refuse are left out.
///
/// # Errors
/// When no bus of this user runs here, or it does not answer.
pub(super) async fn read(places: &Places, agent: &AgentId) -> Result<Vec<Unread>, Failure> {
    let bus = discovery::bus(places)?;
    let (connection, _) = connect_as(places, &bus.url, BusUser::Inspector).await?;
    let stream = Stream::Messages.name(places.hive());
    let reader = Reader::new(connection);
    let mut unread = Vec::new();
    for priority in Priority::ALL {
        let position = reader.position(&stream, &lane_consumer(agent, *priority)).await;
        let position = position.map_err(|error| Failure::caused(&error))?;
        if position.open {
            let stored = lane(&reader, &stream, &position)
                .await
                .map_err(|error| Failure::caused(&error))?;
            unread.extend(stored.iter().filter_map(|stored| understand(places, stored)));
        }
    }
    Ok(unread)
}

/// The messages after what is acknowledged, of all subjects of the lane, in the order of the stream.
async fn lane(reader: &Reader, stream: &str, position: &Position) -> Result<Vec<Stored>, ReadError> {
    let mut found: Vec<Stored> = Vec::new();
    for filter in &position.filters {
        let mut from = begin(position, filter);
        for _ in 0..LANE_MESSAGES_MAX {
            let Some(stored) = reader.next(stream, from, filter).await? else {
                break;
            };
            from = stored.seq.saturating_add(1);
            found.push(stored);
        }
    }
    found.sort_by_key(|stored| stored.seq);
    found.truncate(LANE_MESSAGES_MAX);
    Ok(found)
}

/// Where reading begins: what was said in a room before the agent joined is not for it.
fn begin(position: &Position, filter: &str) -> u64 {
    let mut tokens = filter.split('.').skip(1);
    let room = match (tokens.next(), tokens.next()) {
        (Some("room"), Some(room)) => room.parse().ok(),
        _ => None,
    };
    let joined = room.and_then(|room| position.metadata.get(&joined_key(&room))?.parse::<u64>().ok());
    position.acked.saturating_add(1).max(joined.unwrap_or_default())
}

fn understand(places: &Places, stored: &Stored) -> Option<Unread> {
    let subject = Subject::parse(places.hive(), &stored.subject).ok()?;
    let message = decode::message(&subject, stored.msg_id.as_deref(), &stored.payload).ok()?;
    let body = strict_json::parse(&stored.payload).ok()?;
    Some(Unread { message, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_messages_from_before_the_join_are_not_unread() {
        let position = Position {
            acked: 10,
            open: true,
            filters: Vec::new(),
            metadata: [("wagglebus.joined.design".to_owned(), "50".to_owned())].into(),
        };
        assert_eq!(begin(&position, "wb.msg.alice.high.*"), 11);
        assert_eq!(begin(&position, "wb.room.design.high.*"), 50);
        assert_eq!(begin(&position, "wb.room.other.high.*"), 11);
        assert_eq!(
            begin(
                &Position {
                    acked: 70,
                    ..position
                },
                "wb.room.design.high.*"
            ),
            71
        );
    }
}
