//! A queue of messages between agents by their names, over the sidecars that run on this machine.

mod handed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wagglebus_schemas::api::{
    AckAnswer, AckRequest, NakAnswer, NakRequest, ProgressAnswer, ProgressRequest, SendAnswer,
};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Draft, Level, Message, Priority, Recipient};

use crate::client::{Client, Paging, SendOptions, Take};
use crate::discovery;
use crate::endpoint::Endpoint;
use crate::error::ClientError;

pub use handed::Received;
use handed::{HandOver, HandOvers};

/// Longest single poll of a sidecar; a longer wait is several.
const POLL_MAX: Duration = Duration::from_secs(60);

/// Sends, receives and acknowledges for agents by their names. Each call goes to the sidecar of the agent that it is
/// made for, which must run on this machine; the other agent may be anywhere.
///
/// Cheap to share behind a reference or an `Arc`; calls may overlap.
#[derive(Debug)]
pub struct AgentMessageQueue {
    places: Places,
    take: Take,
    clients: Mutex<BTreeMap<AgentId, Arc<Client>>>,
    handed: Mutex<HandOvers>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The message was not sent, or its level is not known. [`QueueError::code`] says which: with `level_not_reached`
    /// it was accepted and will arrive; without a code its fate is unknown.
    #[error("message {id}: {source}")]
    Send {
        /// Its id: a [`Draft`] sent again under it is the same message.
        id: Id,
        /// What happened.
        source: ClientError,
    },
    /// The message was never received through this queue (by the agent that was named).
    #[error("message {id} was not received through this queue")]
    UnknownMessage {
        /// The id that was given.
        id: Id,
    },
    /// Any other failure.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl QueueError {
    /// The code of the contract, where there is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Send { source, .. } | Self::Client(source) => source.code(),
            Self::UnknownMessage { .. } => Some(ErrorCode::NotFound),
        }
    }
}

impl AgentMessageQueue {
    /// A queue over the sidecars of these places. It takes up to 10 messages at once, for five minutes.
    pub const fn new(places: Places) -> Self {
        Self {
            places,
            take: Take {
                max: 10,
                timeout: Duration::ZERO,
                lease: Duration::from_secs(300),
            },
            clients: Mutex::new(BTreeMap::new()),
            handed: Mutex::new(HandOvers::new()),
        }
    }

    /// Takes up to `max` messages at once (1 to 32), which come again unless acknowledged within `lease` (5 s to one
    /// hour).
    #[must_use]
    pub const fn taking(mut self, max: u32, lease: Duration) -> Self {
        self.take.max = max;
        self.take.lease = lease;
        self
    }

    /// Sends a text and returns its id and the level that it provably reached: `stored`, when NATS can be reached.
    ///
    /// # Errors
    /// [`QueueError::Send`] with its id: `unknown_agent` when nobody has that name, `level_not_reached` when the message
    /// is safe in the spool and was not stored within 5 s, and whatever [`Client::send`] gives.
    pub async fn send_message(
        &self,
        from_agent: &AgentId,
        to_agent: &Recipient,
        message: impl Into<String>,
        priority: Priority,
    ) -> Result<SendAnswer, QueueError> {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let draft = Draft {
            id: Some(id),
            // Should another sidecar have taken over the socket, it refuses.
            from_agent: Some(from_agent.clone()),
            priority,
            ..Draft::text(to_agent.clone(), message.into())
        };
        let options = SendOptions {
            wait: Some(Level::Stored),
            ..SendOptions::default()
        };
        let failed = |source| QueueError::Send { id, source };
        let client = self.client(from_agent).map_err(failed)?;
        let answer = client.send(&draft, options).await.map_err(failed)?;
        Ok(answer.value)
    }

    /// Waits up to `timeout` for messages to `agent_id` and returns them, the most urgent first; none when none came.
    /// Each must be acknowledged, else it comes again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn receive_messages(
        &self,
        agent_id: &AgentId,
        timeout: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let client = self.client(agent_id)?;
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            let take = Take {
                timeout: left.min(POLL_MAX),
                ..self.take
            };
            let items = client.inbox(take).await?.value.messages;
            if items.is_empty() && left > POLL_MAX {
                continue;
            }
            let mut handed = locked(&self.handed);
            let received = items.into_iter().map(|item| {
                let over = HandOver {
                    agent: agent_id.clone(),
                    from: item.message.from_agent.clone(),
                    lease: item.lease,
                };
                handed.insert(item.message.id, over);
                item.message
            });
            return Ok(received.collect());
        }
    }

    /// Settles a message that was received through this queue: it is done and never comes again. A repeat has the same
    /// answer. What several agents received, such as a post in a room, is settled for all of them by its id alone, and
    /// for one of them by id and agent: `(id, &agent)`.
    ///
    /// # Errors
    /// [`QueueError::UnknownMessage`], and `lease_lost` when it was not acknowledged in time and was handed over again.
    /// With several, all are tried and the first failure is told.
    pub async fn acknowledge_message(&self, message: impl Into<Received>) -> Result<AckAnswer, QueueError> {
        let message = message.into();
        let id = message.id;
        let ack = |client: Arc<Client>, lease| async move {
            let request = AckRequest { lease, done: true };
            Ok(client.ack(id, &request).await?.value)
        };
        self.each(&message, Ends::Yes, ack).await
    }

    /// Gives a message back unsettled: it comes again after `delay` (at most one hour). `reason` is for people.
    ///
    /// # Errors
    /// As [`AgentMessageQueue::acknowledge_message`].
    pub async fn nak_message(
        &self,
        message: impl Into<Received>,
        delay: Duration,
        reason: Option<&str>,
    ) -> Result<NakAnswer, QueueError> {
        let message = message.into();
        let id = message.id;
        let nak = |client: Arc<Client>, lease| async move {
            let request = NakRequest {
                lease,
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                reason: reason.map(str::to_owned),
            };
            Ok(client.nak(id, &request).await?.value)
        };
        self.each(&message, Ends::Yes, nak).await
    }

    /// Keeps a message that is still worked on for `lease` from now on (5 s to one hour, in whole seconds), and says
    /// until when that is.
    ///
    /// # Errors
    /// As [`AgentMessageQueue::acknowledge_message`].
    pub async fn extend_message(
        &self,
        message: impl Into<Received>,
        lease: Duration,
    ) -> Result<ProgressAnswer, QueueError> {
        let message = message.into();
        let (id, extend) = (message.id, lease.as_secs());
        let progress = |client: Arc<Client>, lease| async move {
            let request = ProgressRequest { lease, extend };
            Ok(client.progress(id, &request).await?.value)
        };
        self.each(&message, Ends::No, progress).await
    }

    /// Makes a call for each hand-over that is meant, whatever becomes of the others. Tells the first failure, else the
    /// first answer.
    async fn each<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        message: &Received,
        ends: Ends,
        call: impl Fn(Arc<Client>, String) -> F,
    ) -> Result<T, QueueError> {
        let meant = locked(&self.handed).find(message);
        let mut told: Option<Result<T, ClientError>> = None;
        for over in meant {
            let answer = match self.client(&over.agent) {
                Ok(client) => call(client, over.lease.clone()).await,
                Err(error) => Err(error),
            };
            let over_now = match &answer {
                Ok(_) => ends == Ends::Yes,
                Err(error) => error.code() == Some(ErrorCode::LeaseLost),
            };
            if over_now {
                locked(&self.handed).close(message.id, &over);
            }
            let failed_first = answer.is_err() && !matches!(told, Some(Err(_)));
            if told.is_none() || failed_first {
                told = Some(answer);
            }
        }
        let told = told.ok_or(QueueError::UnknownMessage { id: message.id })?;
        Ok(told?)
    }

    /// All messages of the last 48 hours between two agents, in both directions, by time. `acknowledged` tells which the
    /// recipient is done with.
    ///
    /// Each sidecar knows what its agent sent and was handed. When both run here, both are asked; otherwise what the
    /// other agent sent and this one has not taken yet is missing.
    ///
    /// # Errors
    /// [`ClientError::NoSidecar`] when neither runs here, and whatever reading a page gives.
    pub async fn get_conversation_history(
        &self,
        agent1: &AgentId,
        agent2: &AgentId,
    ) -> Result<Vec<Message>, QueueError> {
        let (one, other) = tokio::join!(self.seen_by(agent1, agent2), self.seen_by(agent2, agent1));
        Ok(match (one, other) {
            (Ok(one), Ok(other)) => merge(one, other),
            (Ok(found), Err(ClientError::NoSidecar { .. }))
            | (Err(ClientError::NoSidecar { .. }), Ok(found)) => merge(found, Vec::new()),
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        })
    }

    /// What the sidecar of `agent` knows of the messages between the two, page after page.
    async fn seen_by(&self, agent: &AgentId, other: &AgentId) -> Result<Vec<Message>, ClientError> {
        let client = self.client(agent)?;
        let with = Recipient::from(other.clone());
        let between = |message: &Message| {
            let from_to = (Some(&message.from_agent), message.to_agent.agent());
            from_to == (Some(agent), Some(other)) || from_to == (Some(other), Some(agent))
        };
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let paging = Paging {
                cursor: cursor.as_deref(),
                ..Paging::default()
            };
            let page = client.messages(Some(&with), paging).await?.value;
            found.extend(page.items.into_iter().filter(between));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// The client of the agent's running sidecar, with its open connections.
    fn client(&self, agent: &AgentId) -> Result<Arc<Client>, ClientError> {
        let socket = discovery::sidecar(&self.places, agent)?.socket;
        let mut clients = locked(&self.clients);
        if let Some(known) = clients.get(agent)
            && matches!(known.endpoint(), Endpoint::Unix(path) if *path == socket)
        {
            return Ok(Arc::clone(known));
        }
        let client = Arc::new(Client::new(Endpoint::Unix(socket)));
        clients.insert(agent.clone(), Arc::clone(&client));
        Ok(client)
    }
}

/// What two sidecars know of the same messages, by time. Equal times keep the order of the stream.
fn merge(mut one: Vec<Message>, other: Vec<Message>) -> Vec<Message> {
    let key = |message: &Message| (message.id, message.from_agent.clone());
    let known: BTreeSet<_> = one.iter().map(key).collect();
    // The recipient's sidecar knows of its ack before the sender's does.
    let done: BTreeSet<_> = other
        .iter()
        .filter(|message| message.acknowledged)
        .map(key)
        .collect();
    for message in &mut one {
        message.acknowledged = message.acknowledged || done.contains(&key(message));
    }
    one.extend(other.into_iter().filter(|message| !known.contains(&key(message))));
    one.sort_by_key(|message| message.timestamp);
    one
}

/// Whether a call that succeeds ends the hand-over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Yes,
    No,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(id: u8, at: &str, acknowledged: bool) -> Message {
        let value = json!({
            "id": Id::from_bytes([id; 16]), "from_agent": "alice", "to_agent": "bob", "content": "hi",
            "timestamp": format!("2026-01-02T03:04:{at}Z"), "acknowledged": acknowledged,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn two_views_of_one_history_become_one() {
        let one = vec![
            message(1, "05.000", false),
            message(2, "05.000", true),
            message(4, "07.000", false),
        ];
        let other = vec![
            message(3, "06.000", false),
            message(1, "05.000", true),
            message(2, "05.000", false),
        ];
        let merged = merge(one, other);
        let seen: Vec<_> = merged
            .iter()
            .map(|message| (message.id.as_bytes()[0], message.acknowledged))
            .collect();
        assert_eq!(seen, [(1, true), (2, true), (3, false), (4, false)]);
    }
}
