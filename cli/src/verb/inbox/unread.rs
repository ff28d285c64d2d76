//! What waits for an agent, read from the stream by the inspector: takes nothing, counts no hand-over.

use std::collections::BTreeSet;

use serde_json::Value;
use wagglebus_client::{Client, discovery};
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::topology::joined_key;
use wagglebus_schemas::api::{InboxPeek, MessageKey, PendingCounts};
use wagglebus_schemas::places::Places;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Level, Message, Priority, decode, strict_json};

use crate::failure::Failure;
use crate::reader::{Position, ReadError, Reader, Stored};
use crate::up::furnish::connect_as;

/// Most messages of one lane that are read, on each side of what was delivered.
const LANE_MESSAGES_MAX: usize = 50;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::verb) struct Unread {
    pub(in crate::verb) message: Message,
    /// As published.
    pub(in crate::verb) body: Value,
}

/// What the stream holds for an agent and the agent has not in hand, in lane order. What recipients would refuse is left
/// out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::verb) struct Waiting {
    /// Handed over before and given back. They come again: at once, or when the delay is over that was asked for, which
    /// only the server knows.
    pub(in crate::verb) again: Vec<Unread>,
    /// At most so many more come again; which ones cannot be seen.
    pub(in crate::verb) more_again: u64,
    /// Never handed over, the oldest of each lane.
    pub(in crate::verb) unread: Vec<Unread>,
    /// How many were never handed over.
    pub(in crate::verb) pending: PendingCounts,
}

impl Waiting {
    const fn count_mut(&mut self, lane: Priority) -> &mut u64 {
        match lane {
            Priority::Urgent => &mut self.pending.urgent,
            Priority::High => &mut self.pending.high,
            Priority::Normal => &mut self.pending.normal,
            Priority::Low => &mut self.pending.low,
        }
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

    /// Looks. `peek` must be older than the look: what was in hand then was delivered before.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub(in crate::verb) async fn look(
        &self,
        client: &Client,
        peek: &InboxPeek,
    ) -> Result<Waiting, ReadError> {
        let mut waiting = Waiting::default();
        let in_hand = peek.in_hand.iter().map(|item| &item.message);
        let mut seen: BTreeSet<(AgentId, Id)> = in_hand
            .map(|message| (message.from_agent.clone(), message.id))
            .collect();
        for priority in Priority::ALL {
            let position = self
                .reader
                .position(&self.stream, &lane_consumer(&self.agent, *priority))
                .await?
                .ok_or_else(|| ReadError::Refused("consumer not found".to_owned()))?;
            let mut count = position.waiting;
            let of_lane = peek
                .in_hand
                .iter()
                .filter(|item| item.message.priority == *priority);
            let in_hand = u64::try_from(of_lane.count()).unwrap_or(u64::MAX);
            let given_back = position.unacked.saturating_sub(in_hand);
            if given_back > 0 {
                self.find_given_back(&position, given_back, client, peek, &mut waiting)
                    .await?;
            }
            if position.waiting > 0 {
                let stored = self.lane(&position, position.delivered, u64::MAX).await?;
                let own = stored.iter().filter(|stored| self.is_own_post(stored)).count();
                count = count.saturating_sub(u64::try_from(own).unwrap_or(u64::MAX));
                let unread = stored.iter().filter_map(|stored| self.understand(stored));
                // A sidecar that starts again may publish a message once more; the double is never handed over either.
                let (unread, none): (Vec<_>, Vec<_>) = unread.partition(|unread| {
                    let Message { from_agent, id, .. } = &unread.message;
                    !has_ended(peek, &unread.message) && seen.insert((from_agent.clone(), *id))
                });
                count = count.saturating_sub(u64::try_from(none.len()).unwrap_or(u64::MAX));
                waiting.unread.extend(unread);
            }
            *waiting.count_mut(*priority) = count;
        }
        Ok(waiting)
    }

    /// Looks for the `given_back` messages of a lane among what was delivered. The server does not say which of them
    /// are acknowledged; the sidecar knows what it gave back and what has ended.
    async fn find_given_back(
        &self,
        position: &Position,
        given_back: u64,
        client: &Client,
        peek: &InboxPeek,
        waiting: &mut Waiting,
    ) -> Result<(), ReadError> {
        let stored = self.lane(position, position.acked, position.delivered).await?;
        // Those beyond what was read may be any.
        let mut unknown = if stored.len() < LANE_MESSAGES_MAX {
            0
        } else {
            u64::MAX
        };
        let mut missing = given_back;
        for unread in stored.iter().filter_map(|stored| self.understand(stored)) {
            if missing == 0 {
                break;
            }
            let id = unread.message.id;
            if peek.in_hand.iter().any(|item| item.message.id == id) {
                continue;
            }
            match self.whereabouts(client, &unread.message).await {
                Whereabouts::GivenBack => {
                    missing = missing.saturating_sub(1);
                    waiting.again.push(unread);
                }
                // Its ack may be under way to the server.
                Whereabouts::Ended => {}
                Whereabouts::Unknown => unknown = unknown.saturating_add(1),
            }
        }
        waiting.more_again = waiting.more_again.saturating_add(missing.min(unknown));
        Ok(())
    }

    /// What the agent's sidecar knows of a message that was delivered to it.
    async fn whereabouts(&self, client: &Client, message: &Message) -> Whereabouts {
        let level = client.trace(message.id).await.map(|trace| trace.value.level);
        match level {
            Ok(Level::Done) => Whereabouts::Ended,
            // Of messages to ourselves the sidecar tells how far they went, not what came of them here.
            Ok(Level::Stored) if message.from_agent != self.agent => Whereabouts::GivenBack,
            Ok(Level::Accepted | Level::Stored | Level::Fetched | Level::Injected | Level::Seen) | Err(_) => {
                Whereabouts::Unknown
            }
        }
    }

    /// The messages of all subjects of the lane above `after` and up to `until`, in the order of the stream.
    async fn lane(&self, position: &Position, after: u64, until: u64) -> Result<Vec<Stored>, ReadError> {
        let mut found: Vec<Stored> = Vec::new();
        for filter in &position.filters {
            let mut from = begin(position, filter, after);
            for _ in 0..LANE_MESSAGES_MAX {
                let next = self.reader.next(&self.stream, from, filter).await?;
                let Some(stored) = next.filter(|stored| stored.seq <= until) else {
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

    /// Nobody reads their own posts to a room, though their lanes bring them.
    fn is_own_post(&self, stored: &Stored) -> bool {
        let subject = Subject::parse(self.places.hive(), &stored.subject);
        matches!(subject, Ok(Subject::Room { from, .. }) if from == self.agent)
    }

    fn understand(&self, stored: &Stored) -> Option<Unread> {
        if self.is_own_post(stored) {
            return None;
        }
        let subject = Subject::parse(self.places.hive(), &stored.subject).ok()?;
        let message = decode::message(&subject, stored.msg_id.as_deref(), &stored.payload).ok()?;
        let body = strict_json::parse(&stored.payload).ok()?;
        Some(Unread { message, body })
    }
}

/// What the agent has read elsewhere lies in the lane still, but is never handed over.
fn has_ended(peek: &InboxPeek, message: &Message) -> bool {
    let is = |key: &MessageKey| key.id == message.id && key.from_agent == message.from_agent;
    peek.ended.iter().any(is)
}

/// Where a message is that was delivered and is not in hand.
enum Whereabouts {
    /// It comes again.
    GivenBack,
    /// It never comes again.
    Ended,
    /// Its sidecar cannot tell.
    Unknown,
}

/// Where reading begins that is to find what lies above `after`: what was said in a room up to the agent's joining is
/// not for it (docs/protocol.md 7).
fn begin(position: &Position, filter: &str, after: u64) -> u64 {
    let mut tokens = filter.split('.').skip(1);
    let room = match (tokens.next(), tokens.next()) {
        (Some("room"), Some(room)) => room.parse().ok(),
        _ => None,
    };
    let joined = room.and_then(|room| position.metadata.get(&joined_key(&room))?.parse::<u64>().ok());
    after.max(joined.unwrap_or_default()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_messages_up_to_the_join_are_not_unread() {
        let position = Position {
            acked: 10,
            delivered: 10,
            unacked: 0,
            waiting: 1,
            filters: Vec::new(),
            metadata: [("wagglebus.joined.design".to_owned(), "50".to_owned())].into(),
        };
        assert_eq!(begin(&position, "wb.msg.alice.high.*", 10), 11);
        assert_eq!(begin(&position, "wb.room.design.high.*", 10), 51);
        assert_eq!(begin(&position, "wb.room.other.high.*", 10), 11);
        assert_eq!(begin(&position, "wb.room.design.high.*", 70), 71);
    }
}
