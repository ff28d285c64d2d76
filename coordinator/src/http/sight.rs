//! Which messages a caller may see: an agent those that it sent or was sent, and the posts of its rooms; all others
//! everything.

use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, RoomName};

use super::auth::Caller;
use super::state::Api;

/// What a caller may see.
#[derive(Debug)]
pub(super) enum Sight {
    /// Every message.
    Everything,
    /// What concerns this agent.
    Own {
        agent: AgentId,
        /// The rooms that it is in.
        rooms: Vec<RoomName>,
    },
}

impl Sight {
    /// What this caller may see now.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub(super) async fn of(api: &Api, caller: &Caller) -> Result<Self, ErrorDetail> {
        let Some(agent) = caller.agent().cloned() else {
            return Ok(Self::Everything);
        };
        let me = agent.clone();
        let rooms = api.gate.look(move |machine| {
            let member = machine.roster().member(&me);
            let rooms = member.map(|member| member.record().rooms).into_iter().flatten();
            rooms.map(|joined| joined.name).collect()
        });
        let rooms = rooms.await?;
        Ok(Self::Own { agent, rooms })
    }

    /// Whether a message is within it.
    pub(super) fn takes(&self, from: &AgentId, to: &RecipientKind) -> bool {
        match (self, to) {
            (Self::Everything, _) => true,
            (Self::Own { agent, .. }, _) if agent == from => true,
            (Self::Own { agent, .. }, RecipientKind::Agent(to)) => to == agent,
            (Self::Own { rooms, .. }, RecipientKind::Room(room)) => rooms.contains(room),
            // No message of the stream is addressed so.
            (Self::Own { .. }, RecipientKind::Capability(_)) => false,
        }
    }
}

/// From whom and to whom a message goes, by its subject; `None` for a subject of anything else.
pub(super) fn ends(subject: &Subject) -> Option<(AgentId, RecipientKind)> {
    if let Subject::Message { to, from, .. } = subject {
        Some((from.clone(), RecipientKind::Agent(to.clone())))
    } else if let Subject::Room { room, from, .. } = subject {
        Some((from.clone(), RecipientKind::Room(room.clone())))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Recipient;

    #[test]
    fn an_agent_sees_its_own_messages_and_the_posts_of_its_rooms() {
        let own = Sight::Own {
            agent: "bob".parse().unwrap(),
            rooms: vec!["ops".parse().unwrap()],
        };
        let takes = |sight: &Sight, from: &str, to: &str| {
            let to: Recipient = to.parse().unwrap();
            sight.takes(&from.parse().unwrap(), to.kind())
        };
        for (from, to) in [
            ("bob", "alice"),
            ("alice", "bob"),
            ("alice", "room:ops"),
            ("bob", "all"),
        ] {
            assert!(takes(&own, from, to), "{from} {to}");
        }
        for (from, to) in [("alice", "carol"), ("alice", "room:design"), ("alice", "all")] {
            assert!(!takes(&own, from, to), "{from} {to}");
            assert!(takes(&Sight::Everything, from, to), "{from} {to}");
        }
    }
}
