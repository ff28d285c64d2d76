//! Addresses: what may stand in `to_agent`.

use std::str::FromStr;

use crate::id::{AgentId, CapabilityName, NameError, RoomName};
use crate::newtype::string_newtype;

/// To whom a message goes: an agent, a room, everybody, or whoever has a capability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient {
    text: Box<str>,
    kind: RecipientKind,
}

/// The parsed meaning of a [`Recipient`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecipientKind {
    /// One agent's inbox.
    Agent(AgentId),
    /// A room; `all` is the room of that name.
    Room(RoomName),
    /// An agent with this capability; resolved to an agent before publishing.
    Capability(CapabilityName),
}

impl Recipient {
    /// The text as given: `alice`, `room:design`, `all` or `capability:rust`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the text means.
    pub const fn kind(&self) -> &RecipientKind {
        &self.kind
    }

    /// The agent, when one agent is meant.
    pub const fn agent(&self) -> Option<&AgentId> {
        match &self.kind {
            RecipientKind::Agent(agent) => Some(agent),
            RecipientKind::Room(_) | RecipientKind::Capability(_) => None,
        }
    }
}

impl From<AgentId> for Recipient {
    fn from(agent: AgentId) -> Self {
        Self {
            text: agent.as_str().into(),
            kind: RecipientKind::Agent(agent),
        }
    }
}

impl FromStr for Recipient {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let kind = if text == "all" {
            RecipientKind::Room(RoomName::all())
        } else if let Some(room) = text.strip_prefix("room:") {
            RecipientKind::Room(room.parse()?)
        } else if let Some(capability) = text.strip_prefix("capability:") {
            RecipientKind::Capability(capability.parse()?)
        } else {
            RecipientKind::Agent(text.parse()?)
        };
        Ok(Self {
            text: text.into(),
            kind,
        })
    }
}

string_newtype!(
    Recipient,
    "recipient",
    "^((room|capability):)?[a-z0-9][a-z0-9_-]{0,62}$",
    "An agent id, room:<name>, all (= room:all) or capability:<name>."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_an_address() {
        let parse = |text: &str| text.parse::<Recipient>();
        assert!(matches!(parse("alice").unwrap().kind(), RecipientKind::Agent(a) if a.as_str() == "alice"));
        assert!(matches!(parse("all").unwrap().kind(), RecipientKind::Room(r) if r.as_str() == "all"));
        assert!(matches!(parse("room:all").unwrap().kind(), RecipientKind::Room(r) if r.as_str() == "all"));
        assert!(matches!(
            parse("capability:rust").unwrap().kind(),
            RecipientKind::Capability(_)
        ));
        for bad in [
            "",
            "room:",
            "room:a.b",
            "capability:*",
            "team:x",
            "a.b",
            "*",
            "room:room:x",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
