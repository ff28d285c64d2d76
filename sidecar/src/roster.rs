//! Who exists, as far as this sidecar knows: asked of the coordinator, remembered when known, never when unknown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use wagglebus_nats::bus::Bus;
use wagglebus_nats::error::RequestError;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::error::{ErrorBody, ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::subject::{ApiMethod, Subject};
use wagglebus_schemas::{AgentId, Draft, Hive, Level, Recipient, decode};

/// How long a sender waits for an answer about an unknown recipient (DESIGN 4).
const RESOLVE_WITHIN: Duration = Duration::from_millis(250);
/// How long the roster paths of the API wait for the coordinator.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How long a send does not ask again after nobody answered: each one would wait for nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// Most agents remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What is known of a recipient.
pub(crate) enum Resolved {
    /// An agent that exists.
    Agent(Box<KnownAgent>),
    /// A room; who is in it matters to nobody here.
    Room,
    /// Nobody could be asked, or the sender wants it parked.
    Unverified,
    /// The sender said that nobody need know it.
    Parked,
}

/// An agent that exists, and the capability it was chosen for.
pub(crate) struct KnownAgent {
    agent: Arc<Agent>,
    capability: Option<String>,
}

impl KnownAgent {
    /// Refuses to wait for a level that none of the recipient's bridges proves.
    pub(crate) fn check_provable(&self, wait: Option<Level>) -> Result<(), ErrorDetail> {
        let Some(wait) = wait.filter(|wait| *wait > Level::Fetched) else {
            return Ok(());
        };
        // Without any bridge the agent is away; what it will prove when it is back is not known.
        let Some(highest) = self.agent.bridges.iter().map(|bridge| bridge.proves).max() else {
            return Ok(());
        };
        if wait <= highest {
            return Ok(());
        }
        let message = format!(
            "{} proves at most {highest}, so {wait} would never be reached",
            self.agent.agent
        );
        Err(ErrorDetail::new(ErrorCode::LevelNotProvable, message)
            .hint(format!("wait for {highest} instead"))
            .details(json!({ "highest": highest })))
    }

    /// Addresses a draft to this agent.
    pub(crate) fn address(&self, draft: &mut Draft) {
        draft.to_agent = Recipient::from(self.agent.agent.clone());
        if let Some(capability) = &self.capability {
            draft
                .metadata
                .insert(metadata::CAPABILITY.into(), capability.clone().into());
        }
    }
}

/// The roster as seen from one sidecar. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roster {
    bus: JetStream,
    hive: Hive,
    me: AgentId,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    known: BTreeMap<AgentId, Arc<Agent>>,
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

    /// Finds out whether a recipient exists. Known agents come from memory; others are asked for within 250 ms.
    pub(crate) async fn resolve(&self, to: &Recipient, park: bool) -> Result<Resolved, ErrorDetail> {
        let capability = match to.kind() {
            RecipientKind::Room(_) => return Ok(Resolved::Room),
            RecipientKind::Agent(agent) => {
                if let Some(agent) = self.remembered(agent) {
                    return Ok(Resolved::Agent(Box::new(KnownAgent {
                        agent,
                        capability: None,
                    })));
                }
                if park {
                    return Ok(Resolved::Parked);
                }
                if self.is_silent() {
                    return Ok(Resolved::Unverified);
                }
                None
            }
            RecipientKind::Capability(name) => Some(name.to_string()),
        };
        match self
            .request(ApiMethod::Resolve, &json!({ "to": to }), RESOLVE_WITHIN)
            .await
        {
            Ok(value) => {
                let agent = Arc::new(read(value.get("agent").cloned().unwrap_or_default())?);
                self.remember(&agent);
                Ok(Resolved::Agent(Box::new(KnownAgent { agent, capability })))
            }
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => {
                self.lock().silent_until = Instant::now().checked_add(SILENCE);
                Ok(Resolved::Unverified)
            }
        }
    }

    /// A page of the roster.
    pub(crate) async fn agents(&self, query: &Value) -> Result<Value, ErrorDetail> {
        self.ask(ApiMethod::Agents, query).await
    }

    /// One agent.
    pub(crate) async fn agent(&self, agent: &AgentId) -> Result<Value, ErrorDetail> {
        match self
            .request(ApiMethod::Agent, &json!({ "agent": agent }), ASK_WITHIN)
            .await
        {
            Ok(value) => Ok(value),
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => {
                let known = self.remembered(agent).ok_or_else(unavailable)?;
                serde_json::to_value(stale(&known)).map_err(|_| unavailable())
            }
        }
    }

    async fn ask(&self, method: ApiMethod, query: &Value) -> Result<Value, ErrorDetail> {
        match self.request(method, query, ASK_WITHIN).await {
            Ok(value) => Ok(value),
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => {
                let agents: Vec<Agent> = self.lock().known.values().map(|known| stale(known)).collect();
                if agents.is_empty() {
                    return Err(unavailable());
                }
                Ok(json!({ "items": agents, "next_cursor": null }))
            }
        }
    }

    async fn request(&self, method: ApiMethod, body: &Value, within: Duration) -> Result<Value, Refused> {
        let subject = Subject::Api {
            method,
            from: self.me.clone(),
        }
        .build(&self.hive);
        let payload = Bytes::from(serde_json::to_vec(body).map_err(|_| Refused::NoAnswer)?);
        match self.bus.request(&subject, payload, within).await {
            Ok(reply) => decode::record("answer", &reply, LINE_BYTES_MAX).map_err(|_| Refused::NoAnswer),
            Err(RequestError::Service { body, .. }) => {
                let error = decode::record::<ErrorBody>("error", &body, LINE_BYTES_MAX);
                Err(error.map_or(Refused::NoAnswer, |body| Refused::Answer(body.error)))
            }
            Err(RequestError::NoAnswer { .. }) => Err(Refused::NoAnswer),
        }
    }

    fn remembered(&self, agent: &AgentId) -> Option<Arc<Agent>> {
        self.lock().known.get(agent).cloned()
    }

    fn is_silent(&self) -> bool {
        let until = self.lock().silent_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    fn remember(&self, agent: &Arc<Agent>) {
        let mut memory = self.lock();
        if memory.known.len() < REMEMBERED_MAX {
            memory.known.insert(agent.agent.clone(), Arc::clone(agent));
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

fn read(value: Value) -> Result<Agent, ErrorDetail> {
    serde_json::from_value(value).map_err(|e| {
        ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            format!("the coordinator's answer is not an agent: {e}"),
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
