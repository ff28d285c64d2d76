//! The unread messages of an agent, read from the stream by the inspector: takes nothing, counts no hand-over.

use serde_json::Value;
use wagglebus_client::discovery;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::topology::joined_key;
use wagglebus_schemas::api::{InboxPeek, PendingCounts};
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
pub(in crate::verb) struct Unread {
    pub(in crate::verb) message: Message,
    /// As published.
    pub(in crate::verb) body: Value,
}

/// What the stream holds for an agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::verb) struct Waiting {
    /// The oldest of each lane, in lane order, those in hand included. What recipients would refuse is left out.
    pub(in crate::verb) unread: Vec<Unread>,
    /// How many were not fetched yet.
    pub(in crate::verb) pending: PendingCounts,
}

impl Waiting {
    /// The same without what the agent's sidecar has in hand.
    #[must_use]
    pub(in crate::verb) fn without(mut self, peek: &InboxPeek) -> Self {
        let in_hand = |unread: &Unread| {
            peek.in_hand
                .iter()
                .any(|item| item.message.id == unread.message.id)
        };
        self.unread.retain(|unread| !in_hand(unread));
        self
    }
}

/// The inspector's view of one agent's lanes.
#[derive(Debug)]
pub(in crate::verb) struct Lanes<'a> {
    places: &'a Places,
    agent: AgentId,
    stream: String,
    reader: Reader,
}

impl<'a> Lanes<'a> {
    /// Connects as the inspector.
    ///
    /// # Errors
    /// When no bus of this user runs here.
    pub(in crate::verb) async fn open(places: &'a Places, agent: AgentId) -> Result<Self, Failure> {
        let bus = discovery::bus(places)?;
        let (connection, _) = connect_as(places, &bus.url, BusUser::Inspector).await?;
        let stream = Stream::Messages.name(places.hive());
        Ok(Self {
            places,
            agent,
            stream,
            reader: Reader::new(connection),
        })
    }

    /// Looks.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub(in crate::verb) async fn look(&self) -> Result<Waiting, ReadError> {
        let mut waiting = Waiting::default();
        for priority in Priority::ALL {
            let position = self
                .reader
                .position(&self.stream, &lane_consumer(&self.agent, *priority))
                .await?;
            let count = match priority {
                Priority::Urgent => &mut waiting.pending.urgent,
                Priority::High => &mut waiting.pending.high,
                Priority::Normal => &mut waiting.pending.normal,
                Priority::Low => &mut waiting.pending.low,
            };
            *count = position.waiting;
            if position.waiting > 0 || position.in_hand > 0 {
                let stored = lane(&self.reader, &self.stream, &position).await?;
                waiting
                    .unread
                    .extend(stored.iter().filter_map(|stored| understand(self.places, stored)));
            }
        }
        Ok(waiting)
    }
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
            in_hand: 0,
            waiting: 1,
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
