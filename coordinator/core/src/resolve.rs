//! From an address to the agent whose inbox is meant, or an error that names what may have been meant.

use serde_json::json;
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::{AgentId, CapabilityName, Hive, Recipient, RoomName, Timestamp};

use crate::attention::Now;
use crate::capability::{self, Choice};
use crate::rooms;
use crate::roster::Roster;
use crate::similar::similar;
use crate::unknown::unknown_agent;

/// What the coordinator says of itself; it is always a known recipient and never enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Myself {
    /// Our version.
    pub version: String,
    /// When we started.
    pub since: Timestamp,
    /// Whose coordinator it is.
    pub hive: Hive,
    /// Which process, as the log names its leader.
    pub instance: String,
}

impl Myself {
    fn record(&self, now: Now) -> Agent {
        Agent {
            agent: AgentId::coordinator(),
            presence: Presence::Alive,
            state: None,
            fsm: None,
            control: None,
            bridges: Vec::new(),
            capabilities: Vec::new(),
            rooms: Vec::new(),
            epoch: 0,
            version: self.version.clone(),
            ephemeral: false,
            enrolled_at: self.since,
            last_seen: Some(now.wall),
            load: None,
            stale: false,
        }
    }
}

/// Finds an agent by name.
///
/// # Errors
/// `unknown_agent` with close names in `details.similar`.
pub fn agent(roster: &Roster, myself: &Myself, agent: &AgentId, now: Now) -> Result<Agent, ErrorDetail> {
    let coordinator = AgentId::coordinator();
    if *agent == coordinator {
        return Ok(myself.record(now));
    }
    if let Some(member) = roster.member(agent) {
        return Ok(member.record());
    }
    Err(unknown_agent(roster, agent))
}

/// Whom an address means.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// One agent.
    Agent(Box<Agent>),
    /// A room that somebody else is in.
    Room(RoomName),
}

/// Finds whom an address means for `asker`.
///
/// # Errors
/// `unknown_agent`, `unknown_capability`, or `not_found` for a room that nobody else is in, all with `details.similar`.
pub fn resolve(
    roster: &Roster,
    myself: &Myself,
    asker: &AgentId,
    to: &Recipient,
    now: Now,
) -> Result<Resolved, ErrorDetail> {
    let found = match to.kind() {
        RecipientKind::Agent(name) => agent(roster, myself, name, now)?,
        RecipientKind::Capability(name) => match capability::choose(roster, asker, name) {
            Choice::Taken(chosen) => agent(roster, myself, chosen, now)?,
            Choice::Away(who) => return Err(away(name, &who)),
            Choice::Unknown => return Err(unknown_capability(roster, name)),
        },
        RecipientKind::Room(room) => {
            rooms::resolve(roster, asker, room)?;
            return Ok(Resolved::Room(room.clone()));
        }
    };
    Ok(Resolved::Agent(Box::new(found)))
}

fn away(capability: &CapabilityName, who: &[&AgentId]) -> ErrorDetail {
    // The list may be long; the first few say enough.
    let some: Vec<&str> = who.iter().take(3).map(|agent| agent.as_str()).collect();
    let more = if who.len() > some.len() { " and others" } else { "" };
    let some = some.join(", ");
    ErrorDetail::new(
        ErrorCode::UnknownCapability,
        format!("nobody there has capability {capability}: {some}{more} declared it but cannot be reached"),
    )
    .hint("send to one of them by name to leave the message in its inbox")
    .details(json!({ "similar": [] }))
}

fn unknown_capability(roster: &Roster, capability: &CapabilityName) -> ErrorDetail {
    let declared = capability::declared(roster).map(CapabilityName::as_str);
    let similar = similar(capability.as_str(), declared);
    let hint = match similar.first() {
        Some(close) => format!("did you mean capability:{close}?"),
        None => "`wagglebus agents` shows who declares what".to_owned(),
    };
    ErrorDetail::new(
        ErrorCode::UnknownCapability,
        format!("nobody declares capability {capability}"),
    )
    .hint(hint)
    .details(json!({ "similar": similar }))
}
