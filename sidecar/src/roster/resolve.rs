//! Finds out whether a recipient exists.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Level, Recipient, RoomName};

use super::{RESOLVE_WITHIN, Refused, Roster, SILENCE, read};

/// How long a send believes that an agent that it knows still exists: somebody may have removed it.
const BELIEVED: Duration = Duration::from_secs(60);

/// What is known of a recipient.
pub(crate) enum Resolved {
    /// An agent that exists: the one that was named, or that has the capability.
    Agent(AgentId),
    /// The one that seems best for a capability, by what is remembered: nobody could be asked.
    Stale(AgentId),
    /// A room that others are in, or that the sender did not want to be asked about.
    Room,
    /// Nobody could be asked whether there is one.
    Unverified,
    /// The sender said that nobody need know it.
    Parked,
}

/// Refuses to wait for a level that none of an agent's bridges proves.
fn check_provable(agent: &Agent, wait: Level) -> Result<(), ErrorDetail> {
    // Without any bridge the agent is away; what it will prove when it is back is not known.
    let Some(highest) = agent.bridges.iter().map(|bridge| bridge.proves).max() else {
        return Ok(());
    };
    if wait <= highest {
        return Ok(());
    }
    let message = format!(
        "{} proves at most {highest}, so {wait} would never be reached",
        agent.agent
    );
    Err(ErrorDetail::new(ErrorCode::LevelNotProvable, message)
        .hint(format!("wait for {highest} instead"))
        .details(json!({ "highest": highest })))
}

impl Roster {
    /// Finds out whether a recipient exists. Agents that are known come from memory, others are asked for within 250 ms.
    /// Whoever waits for a level that depends on the recipient's bridges wants fresh news of them.
    ///
    /// # Errors
    /// When the coordinator knows nobody of that name or capability, or the level would never be reached.
    pub(crate) async fn resolve(
        &self,
        to: &Recipient,
        park: bool,
        wait: Option<Level>,
    ) -> Result<Resolved, ErrorDetail> {
        let beyond_fetched = wait.filter(|wait| *wait > Level::Fetched);
        let known = match to.kind() {
            RecipientKind::Room(room) => return self.resolve_room(room, park).await,
            RecipientKind::Agent(agent) => self.remembered(agent),
            RecipientKind::Capability(name) if self.is_silent() => return self.remembered_for(name),
            RecipientKind::Capability(_) => None,
        };
        if let Some(known) = &known
            && ((beyond_fetched.is_none() && known.at.elapsed() < BELIEVED) || self.is_silent())
        {
            return Ok(Resolved::Agent(known.agent.agent.clone()));
        }
        if matches!(to.kind(), RecipientKind::Agent(_)) && known.is_none() {
            if park {
                return Ok(Resolved::Parked);
            }
            if self.is_silent() {
                return Ok(Resolved::Unverified);
            }
        }
        let query = json!({ "to": to });
        match self
            .request::<Value>(ApiMethod::Resolve, &query, RESOLVE_WITHIN)
            .await
        {
            Ok(value) => {
                let agent: Agent = read(value.get("agent").unwrap_or(&Value::Null))?;
                beyond_fetched.map_or(Ok(()), |wait| check_provable(&agent, wait))?;
                let name = agent.agent.clone();
                self.remember(agent);
                Ok(Resolved::Agent(name))
            }
            Err(Refused::Answer(error)) => {
                if let (ErrorCode::UnknownAgent, Some(known)) = (error.code, &known) {
                    self.lock().known.remove(&known.agent.agent);
                }
                Err(error)
            }
            Err(Refused::NoAnswer) => {
                self.lock().silent_until = Instant::now().checked_add(SILENCE);
                if let RecipientKind::Capability(name) = to.kind() {
                    return self.remembered_for(name);
                }
                Ok(known.map_or(Resolved::Unverified, |known| {
                    // Believed once more for as long: not every send shall wait for nobody.
                    self.remember(Arc::unwrap_or_clone(known.agent.clone()));
                    Resolved::Agent(known.agent.agent.clone())
                }))
            }
        }
    }

    /// Finds out whether anybody else is in a room: a post that nobody gets, also not who joins later, is a mistake.
    async fn resolve_room(&self, room: &RoomName, park: bool) -> Result<Resolved, ErrorDetail> {
        if park || self.is_peopled(room) {
            return Ok(Resolved::Room);
        }
        if self.is_silent() {
            return Ok(Resolved::Unverified);
        }
        let query = json!({ "to": format!("room:{room}") });
        match self
            .request::<IgnoredAny>(ApiMethod::Resolve, &query, RESOLVE_WITHIN)
            .await
        {
            Ok(IgnoredAny) => {
                self.remember_room(room);
                Ok(Resolved::Room)
            }
            Err(Refused::Answer(error)) => Err(error),
            Err(Refused::NoAnswer) => {
                self.lock().silent_until = Instant::now().checked_add(SILENCE);
                Ok(Resolved::Unverified)
            }
        }
    }
}
