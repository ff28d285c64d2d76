//! Who exists, as far as this sidecar knows: asked of the coordinator, remembered when known, never when unknown.

mod choice;
mod fresh;
mod machines;
mod resolve;
mod tasks;

pub(crate) use resolve::Resolved;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wagglebus_nats::bus::Bus;
use wagglebus_nats::error::RequestError;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::{ErrorBody, ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::subject::{ApiMethod, Subject};
use wagglebus_schemas::{AgentId, Hive, RoomName, decode};

/// How long a sender waits for an answer about an unknown recipient (DESIGN 4).
const RESOLVE_WITHIN: Duration = Duration::from_millis(250);
/// How long the roster paths of the API wait for the coordinator.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How long a change of rooms may take: the agent's lanes are changed one after the other.
const CHANGE_WITHIN: Duration = Duration::from_secs(5);
/// How long a send does not ask again after nobody answered: each one would wait for nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// How long a room counts as peopled after the coordinator said so.
const PEOPLED_FOR: Duration = Duration::from_secs(3);
/// The status of errors that pass by themselves.
const UNAVAILABLE: u16 = 503;
/// Most agents remembered.
const REMEMBERED_MAX: usize = 10_000;

/// The roster as seen from one sidecar. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roster {
    bus: JetStream,
    hive: Hive,
    me: AgentId,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Clone)]
struct Known {
    agent: Arc<Agent>,
    /// When it was last heard of, or asked for in vain.
    at: Instant,
    /// Messages that were sent to it as the best for a capability since it was heard of.
    sent: u64,
}

#[derive(Default)]
struct Memory {
    known: BTreeMap<AgentId, Known>,
    /// Rooms that had other members a moment ago, and until when that counts.
    peopled: BTreeMap<RoomName, Instant>,
    /// Until when nobody is taken to answer.
    silent_until: Option<Instant>,
}

impl Roster {
    pub(crate) fn new(bus: JetStream, hive: Hive, me: AgentId) -> Self {
        Self {
            bus,
            hive,
            me,
            memory: Arc::default(),
        }
    }

    /// Who asks.
    pub(crate) const fn me(&self) -> &AgentId {
        &self.me
    }

    /// A page of the roster: at most `limit` agents behind `cursor`, by name.
    ///
    /// # Errors
    /// When nobody answers and nothing is remembered, or the coordinator refuses.
    pub(crate) async fn agents(&self, limit: usize, cursor: Option<&AgentId>) -> Result<Value, ErrorDetail> {
        let query = json!({ "limit": limit, "cursor": cursor });
        match self.request(ApiMethod::Agents, &query, ASK_WITHIN).await {
            Ok(value) => {
                let page: Page<Agent> = read(&value)?;
                page.items.into_iter().for_each(|agent| self.remember(agent));
                Ok(value)
            }
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => shown(&self.remembered_page(limit, cursor).ok_or_else(unavailable)?),
        }
    }

    /// One agent.
    ///
    /// # Errors
    /// When nobody answers and it is not remembered, or the coordinator does not know it.
    pub(crate) async fn agent(&self, agent: &AgentId) -> Result<Value, ErrorDetail> {
        let query = json!({ "agent": agent });
        match self.request(ApiMethod::Agent, &query, ASK_WITHIN).await {
            Ok(value) => {
                self.remember(read(&value)?);
                Ok(value)
            }
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => {
                let known = self.remembered(agent).ok_or_else(unavailable)?;
                shown(&stale(&known.agent))
            }
        }
    }

    /// One agent, if somebody can tell at once.
    pub(crate) async fn glance(&self, agent: &AgentId) -> Option<Agent> {
        if !self.is_silent() {
            let query = json!({ "agent": agent });
            match self.request(ApiMethod::Agent, &query, RESOLVE_WITHIN).await {
                Ok(agent) => return Some(agent),
                Err(Refused::Answer(_)) => return None,
                Err(Refused::NoAnswer) => self.lock().silent_until = Instant::now().checked_add(SILENCE),
            }
        }
        Some(Agent::clone(&self.remembered(agent)?.agent))
    }

    /// A page of the rooms that somebody is in: at most `limit` behind `cursor`, by name.
    ///
    /// # Errors
    /// When nobody answers, or the coordinator refuses.
    pub(crate) async fn rooms(&self, limit: usize, cursor: Option<&RoomName>) -> Result<Value, ErrorDetail> {
        let query = json!({ "limit": limit, "cursor": cursor });
        self.ask(ApiMethod::Rooms, &query, ASK_WITHIN, "rooms").await
    }

    /// Puts this agent into a room, or takes it out of it.
    ///
    /// # Errors
    /// When nobody answers, or the coordinator refuses. Without an answer it may be done all the same.
    pub(crate) async fn change_room(&self, room: &RoomName, join: bool) -> Result<Value, ErrorDetail> {
        let method = if join { ApiMethod::Join } else { ApiMethod::Leave };
        self.ask(method, &json!({ "room": room }), CHANGE_WITHIN, "rooms")
            .await
    }

    /// A request that only the coordinator can answer, about `what`.
    async fn ask(
        &self,
        method: ApiMethod,
        body: &Value,
        within: Duration,
        what: &str,
    ) -> Result<Value, ErrorDetail> {
        match self.request(method, body, within).await {
            Ok(value) => Ok(value),
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => Err(ErrorDetail::new(
                ErrorCode::CoordinatorUnavailable,
                format!("no coordinator answers, and {what} are its affair"),
            )
            .hint("start it with `wagglebus up`; the same request again does no harm")),
        }
    }

    /// `None` when nothing at all is remembered.
    fn remembered_page(&self, limit: usize, cursor: Option<&AgentId>) -> Option<Page<Agent>> {
        let memory = self.lock();
        if memory.known.is_empty() {
            return None;
        }
        let behind = cursor.map_or(Bound::Unbounded, |cursor| Bound::Excluded(cursor.clone()));
        let mut rest = memory.known.range((behind, Bound::Unbounded));
        let items: Vec<Agent> = rest
            .by_ref()
            .take(limit)
            .map(|(_, known)| stale(&known.agent))
            .collect();
        let more = rest.next().is_some();
        let next_cursor = items.last().filter(|_| more).map(|last| last.agent.to_string());
        Some(Page { items, next_cursor })
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: ApiMethod,
        body: &Value,
        within: Duration,
    ) -> Result<T, Refused> {
        let subject = Subject::Api {
            method,
            from: self.me.clone(),
        }
        .build(&self.hive);
        let payload = Bytes::from(serde_json::to_vec(body).map_err(|_| Refused::NoAnswer)?);
        match self.bus.request(&subject, payload, within).await {
            Ok(reply) => decode::record("answer", &reply, LINE_BYTES_MAX).map_err(|_| Refused::NoAnswer),
            Err(RequestError::Service { body, .. }) => {
                let error =
                    decode::record::<ErrorBody>("error", &body, LINE_BYTES_MAX).map(|body| body.error);
                // A coordinator that is not ready yet is none.
                let error = error.ok().filter(|error| error.code.status() != UNAVAILABLE);
                Err(error.map_or(Refused::NoAnswer, Refused::Answer))
            }
            Err(RequestError::NoAnswer { .. }) => Err(Refused::NoAnswer),
        }
    }

    fn remembered(&self, agent: &AgentId) -> Option<Known> {
        self.lock().known.get(agent).cloned()
    }

    fn is_peopled(&self, room: &RoomName) -> bool {
        let until = self.lock().peopled.get(room).copied();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn remember_room(&self, room: &RoomName) {
        let now = Instant::now();
        let Some(until) = now.checked_add(PEOPLED_FOR) else {
            return;
        };
        let mut memory = self.lock();
        memory.peopled.retain(|_, until| now < *until);
        if memory.peopled.len() < REMEMBERED_MAX {
            memory.peopled.insert(room.clone(), until);
        }
    }

    fn is_silent(&self) -> bool {
        let until = self.lock().silent_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    fn remember(&self, agent: Agent) {
        let mut memory = self.lock();
        if memory.known.len() < REMEMBERED_MAX || memory.known.contains_key(&agent.agent) {
            let (name, at) = (agent.agent.clone(), Instant::now());
            let agent = Arc::new(agent);
            memory.known.insert(name, Known { agent, at, sent: 0 });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Nothing can panic while it is held, and a poisoned map would still be a map.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is remembered of an agent, while nobody can be asked.
fn stale(known: &Agent) -> Agent {
    Agent {
        stale: true,
        ..known.clone()
    }
}

enum Refused {
    Answer(ErrorDetail),
    NoAnswer,
}

fn shown(answer: &impl Serialize) -> Result<Value, ErrorDetail> {
    serde_json::to_value(answer).map_err(|_| unavailable())
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, ErrorDetail> {
    T::deserialize(value).map_err(|e| {
        ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            format!("the coordinator's answer cannot be read: {e}"),
        )
    })
}

fn unavailable() -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        "no coordinator answers and nothing is remembered",
    )
    .hint("start it with `wagglebus up`; messages between known agents work without it")
}
