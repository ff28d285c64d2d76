//! Who takes a message to a capability while no coordinator can be asked: the least loaded of those who are remembered.

use std::cmp::Reverse;

use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{AgentId, CapabilityName};

use super::{Resolved, Roster};

impl Roster {
    /// The best for a capability, by what is remembered.
    pub(super) fn remembered_for(&self, capability: &CapabilityName) -> Result<Resolved, ErrorDetail> {
        let mut memory = self.lock();
        let known = memory.known.values().map(|known| (&*known.agent, known.sent));
        let Some(agent) = choose(known, &self.me, capability).cloned() else {
            let message =
                format!("no coordinator answers, and nobody is remembered who has capability {capability}");
            return Err(ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message)
                .hint("name an agent, or start the coordinator with `wagglebus up`"));
        };
        if let Some(known) = memory.known.get_mut(&agent) {
            known.sent = known.sent.saturating_add(1);
        }
        Ok(Resolved::Stale(agent))
    }
}

/// The place of a candidate; the order of the fields is the order of comparison, and the least is chosen. It is the
/// coordinator's order as far as a remembered record tells.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    /// Whoever asks comes last.
    asker: bool,
    /// Whose heartbeat was late when it was last heard of comes after who was punctual.
    late: bool,
    /// Who waits for a person or its provider comes after who does not.
    held: bool,
    /// Messages in its hands and lanes as remembered, and those that we sent it since.
    load: u64,
    proficiency: Reverse<u8>,
    agent: &'a AgentId,
}

/// The best of `known` for a capability, each with how many messages it got from us since it was heard of. `None`: nobody
/// who was there had it.
pub(super) fn choose<'a>(
    known: impl Iterator<Item = (&'a Agent, u64)>,
    me: &AgentId,
    capability: &CapabilityName,
) -> Option<&'a AgentId> {
    let places = known.filter_map(|(agent, sent)| place(agent, sent, me, capability));
    places.min().map(|place| place.agent)
}

fn place<'a>(agent: &'a Agent, sent: u64, me: &AgentId, capability: &CapabilityName) -> Option<Place<'a>> {
    let declared = agent.capabilities.iter().filter(|able| able.name == *capability);
    let proficiency = declared.map(|able| able.proficiency.get()).max()?;
    let late = match agent.presence {
        Presence::Alive => false,
        Presence::Suspect => true,
        Presence::Lost | Presence::Never => return None,
    };
    let held = match agent.state? {
        SessionState::Starting | SessionState::Idle | SessionState::Busy => false,
        SessionState::BlockedOnHuman | SessionState::RateLimited => true,
        SessionState::Gone | SessionState::Draining | SessionState::Detached => return None,
    };
    Some(Place {
        asker: agent.agent == *me,
        late,
        held,
        load: agent.load.unwrap_or_default().saturating_add(sent),
        proficiency: Reverse(proficiency),
        agent: &agent.agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agent(name: &str, presence: &str, state: &str, load: u64, proficiency: u8) -> Agent {
        serde_json::from_value(json!({
            "agent": name, "presence": presence, "state": state, "fsm": null, "bridges": [],
            "capabilities": [{"name": "rust", "proficiency": proficiency}], "rooms": [], "epoch": 1,
            "version": "1", "ephemeral": false, "enrolled_at": "2026-01-02T03:04:05.678Z",
            "last_seen": "2026-01-02T03:04:05.678Z", "load": load, "stale": false,
        }))
        .unwrap()
    }

    fn chosen(known: &[(Agent, u64)], capability: &str) -> Option<String> {
        let known = known.iter().map(|(agent, sent)| (agent, *sent));
        let chosen = choose(known, &"me".parse().unwrap(), &capability.parse().unwrap());
        chosen.map(ToString::to_string)
    }

    #[test]
    fn the_least_loaded_of_those_who_were_there_is_chosen() {
        let (bob, carol) = (
            agent("bob", "alive", "idle", 3, 5),
            agent("carol", "alive", "idle", 1, 5),
        );
        let known = [(bob.clone(), 0), (carol.clone(), 0)];
        assert_eq!(chosen(&known, "rust").as_deref(), Some("carol"));
        // What we sent meanwhile counts, or everything would go to one.
        let known = [(bob.clone(), 0), (carol, 5)];
        assert_eq!(chosen(&known, "rust").as_deref(), Some("bob"));
        assert_eq!(chosen(&known, "python"), None);
        let better = (agent("dave", "alive", "busy", 3, 9), 0);
        assert_eq!(chosen(&[(bob, 0), better], "rust").as_deref(), Some("dave"));
    }

    #[test]
    fn who_was_away_gets_nothing_and_who_asks_comes_last() {
        for (presence, state) in [
            ("lost", "idle"),
            ("never", "idle"),
            ("alive", "gone"),
            ("alive", "draining"),
        ] {
            assert_eq!(
                chosen(&[(agent("bob", presence, state, 0, 5), 0)], "rust"),
                None,
                "{presence} {state}"
            );
        }
        let me = (agent("me", "alive", "idle", 0, 9), 0);
        let late = (agent("bob", "suspect", "blocked_on_human", 9, 1), 0);
        assert_eq!(chosen(&[me.clone(), late], "rust").as_deref(), Some("bob"));
        assert_eq!(chosen(&[me], "rust").as_deref(), Some("me"));
    }
}
