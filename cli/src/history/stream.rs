//! History out of the stream, as the inspector.

use std::collections::BTreeSet;

use wagglebus_nats::topology::joined_key;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp, decode, strict_json};

use super::acknowledged::acknowledge;
use super::back::{Found, Look, newest};
use super::{History, Kept};
use crate::failure::Failure;
use crate::filter::{Filter, Whose};
use crate::reader::{ReadError, Reader, Stored};

/// About so many messages are looked at for one answer.
const LOOKS_MAX: usize = 20_000;
/// How much older than its stored copy the time in a fresh id may be: a message may wait in its sender's spool.
const ID_AGE_MS_MAX: i64 = 24 * 3_600_000;

/// How far the clock of a sender and that of the server may be apart for a message to be found at once, and how long it may
/// have waited.
const CLOCKS_MS: i64 = 10 * 60_000;

/// What became of a search for one message.
#[derive(Debug)]
pub(super) enum Search {
    /// It is there.
    Found(Box<Kept>),
    /// It is not there.
    Missing,
    /// It was not looked for among what was stored before then.
    NotFarther(Timestamp),
}

/// The hive's messages as they lie in the stream.
#[derive(Debug)]
pub(crate) struct Archive {
    hive: Hive,
    stream: String,
    reader: Reader,
}

impl Archive {
    pub(super) fn new(places: &Places, reader: Reader) -> Self {
        let hive = places.hive().clone();
        Self {
            stream: Stream::Messages.name(&hive),
            hive,
            reader,
        }
    }

    /// The stream's name.
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    pub(super) async fn of(
        &self,
        agent: &AgentId,
        filter: &Filter,
        limit: usize,
    ) -> Result<History, Failure> {
        let rooms = self.rooms(agent).await?;
        let names: Vec<String> = rooms.iter().map(|room| room.name.clone()).collect();
        let subjects = filter.subjects(&self.hive, Whose::Of(agent, &names));
        let mine = |stored: &Stored, subject: &Subject| match subject {
            Subject::Message { to, from, .. } => to == agent || from == agent,
            // What was said in a room before the agent joined was not said to it.
            Subject::Room { room, from, .. } => {
                let member = rooms.iter().find(|member| member.name == room.as_str());
                from == agent || member.is_some_and(|member| stored.seq > member.joined)
            }
            Subject::Receipt { .. }
            | Subject::Control { .. }
            | Subject::Task { .. }
            | Subject::Event { .. }
            | Subject::Report { .. }
            | Subject::Dlq { .. }
            | Subject::Heartbeat { .. }
            | Subject::Api { .. }
            | Subject::WakeMessage { .. }
            | Subject::WakeReceipt { .. }
            | Subject::WakeControl { .. } => false,
        };
        self.read(&subjects, filter, limit, mine).await
    }

    pub(super) async fn all(&self, filter: &Filter, limit: usize) -> Result<History, Failure> {
        let subjects = filter.subjects(&self.hive, Whose::All);
        self.read(&subjects, filter, limit, |_, _| true).await
    }

    /// The message of this id. Ids that tell their time are looked for about that time first, and no farther back than a
    /// message may be late.
    pub(super) async fn find(&self, id: Id) -> Result<Search, Failure> {
        let Some(born) = born(id) else {
            return self.find_between(id, None, None).await;
        };
        let about = |ms: i64| Timestamp::from_unix_ms(born.saturating_add(ms).max(0)).ok();
        match self.find_between(id, about(-CLOCKS_MS), about(CLOCKS_MS)).await? {
            Search::Missing | Search::NotFarther(_) => {
                self.find_between(id, about(-ID_AGE_MS_MAX), None).await
            }
            found @ Search::Found(_) => Ok(found),
        }
    }

    async fn find_between(
        &self,
        id: Id,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Search, Failure> {
        let everything = Filter::default().subjects(&self.hive, Whose::All);
        let look = Look {
            stream: &self.stream,
            subjects: &everything,
            limit: 1,
            looks_max: LOOKS_MAX,
            since,
            until,
        };
        let text = id.to_string();
        let found = newest(&self.reader, &look, |stored| {
            if stored.msg_id.as_deref() != Some(text.as_str()) {
                return None;
            }
            self.understand(&stored).map(|(_, kept)| kept)
        });
        let mut found = found.await?;
        acknowledge(&self.reader, &self.hive, &mut found.items).await?;
        Ok(match (found.items.pop(), found.searched_to) {
            (Some(kept), _) => Search::Found(Box::new(kept)),
            (None, Some(at)) => Search::NotFarther(at),
            (None, None) => Search::Missing,
        })
    }

    async fn read(
        &self,
        subjects: &[String],
        filter: &Filter,
        limit: usize,
        mine: impl Fn(&Stored, &Subject) -> bool,
    ) -> Result<History, Failure> {
        let look = Look {
            stream: &self.stream,
            subjects,
            limit,
            looks_max: LOOKS_MAX,
            since: filter.since,
            until: filter.until,
        };
        let found = newest(&self.reader, &look, |stored| {
            let (subject, kept) = self.understand(&stored)?;
            (mine(&stored, &subject) && filter.takes(&kept.message, kept.at)).then_some(kept)
        });
        let Found {
            mut items,
            more,
            searched_to,
        } = found.await?;
        // A sidecar that starts again may publish a message once more, and recipients drop the double.
        let mut seen = BTreeSet::new();
        items.retain(|kept| seen.insert((kept.message.from_agent.clone(), kept.message.id)));
        acknowledge(&self.reader, &self.hive, &mut items).await?;
        Ok(History {
            items,
            more,
            searched_to,
        })
    }

    /// What recipients would refuse is no part of any history.
    fn understand(&self, stored: &Stored) -> Option<(Subject, Kept)> {
        let subject = Subject::parse(&self.hive, &stored.subject).ok()?;
        let message = decode::message(&subject, stored.msg_id.as_deref(), &stored.payload).ok()?;
        let body = strict_json::parse(&stored.payload).ok()?;
        let at = stored.time.parse().unwrap_or(message.timestamp);
        Some((subject, Kept { message, body, at }))
    }

    /// The rooms of an agent, as its lanes have them; none of an agent that is not enrolled.
    async fn rooms(&self, agent: &AgentId) -> Result<Vec<Member>, Failure> {
        let consumer = lane_consumer(agent, Priority::Normal);
        let position = match self.reader.position(&self.stream, &consumer).await {
            Ok(Some(position)) => position,
            Ok(None) | Err(ReadError::Refused(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let head = format!("{}.room.", self.hive);
        let rooms = position.filters.iter().filter_map(|filter| {
            let name = filter.strip_prefix(&head)?.split('.').next()?;
            let key = joined_key(&name.parse().ok()?);
            let joined = position.metadata.get(&key).and_then(|seq| seq.parse().ok());
            Some(Member {
                name: name.to_owned(),
                joined: joined.unwrap_or(0),
            })
        });
        Ok(rooms.collect())
    }
}

/// A room, and the sequence up to which it was not the agent's.
struct Member {
    name: String,
    joined: u64,
}

/// When an id was made, in milliseconds since 1970, if it tells: UUID version 7 does.
fn born(id: Id) -> Option<i64> {
    let id: uuid::Uuid = id.to_string().parse().ok()?;
    let (seconds, nanos) = id
        .get_timestamp()
        .filter(|_| id.get_version_num() == 7)?
        .to_unix();
    i64::try_from(seconds)
        .ok()?
        .checked_mul(1_000)?
        .checked_add(i64::from(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_version_7_tell_their_time_and_others_do_not() {
        let v7 = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d".parse().unwrap();
        assert_eq!(born(v7), Some(0x0192_f0c1_7c1e));
        let v4 = "3a0f3b8e-54c6-4d0e-9f9f-1c2d3e4f5a6b".parse().unwrap();
        assert_eq!(born(v4), None);
    }
}
