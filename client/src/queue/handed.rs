//! What a queue has handed over: to whom, under which lease, and whether that is settled.

use std::collections::{BTreeMap, VecDeque};

use wagglebus_schemas::AgentId;
use wagglebus_schemas::id::Id;

/// Messages that are remembered. A sidecar has far fewer in hand: what is forgotten was settled or has expired.
pub(super) const MESSAGES_MAX: usize = 10_000;

/// Which hand-overs are meant: those of a message, or those of it to one agent. Several agents of one queue may have the
/// same message in hand: a post in a room that they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub id: Id,
    /// Who received it; `None`: every agent of this queue that has.
    pub agent: Option<AgentId>,
}

impl From<Id> for Received {
    fn from(id: Id) -> Self {
        Self { id, agent: None }
    }
}

impl From<(Id, &AgentId)> for Received {
    fn from((id, agent): (Id, &AgentId)) -> Self {
        Self {
            id,
            agent: Some(agent.clone()),
        }
    }
}

/// One hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HandOver {
    pub(super) agent: AgentId,
    /// The message's sender: ids of different senders may be equal.
    pub(super) from: AgentId,
    pub(super) lease: String,
}

/// Agent and sender of a hand-over.
type Between = (AgentId, AgentId);

/// Lease of a hand-over, and whether it is open.
type Standing = (String, bool);

/// The latest hand-over of each message to each agent, the oldest messages first to be forgotten.
#[derive(Debug)]
pub(super) struct HandOvers {
    by_message: BTreeMap<Id, BTreeMap<Between, Standing>>,
    order: VecDeque<Id>,
}

impl HandOvers {
    pub(super) const fn new() -> Self {
        Self {
            by_message: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn insert(&mut self, id: Id, HandOver { agent, from, lease }: HandOver) {
        let known = self.by_message.entry(id).or_default();
        if known.is_empty() {
            self.order.push_back(id);
        }
        known.insert((agent, from), (lease, true));
        if self.order.len() > MESSAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_message.remove(&oldest);
        }
    }

    /// The open ones that are meant; when none is open, all of them: a repeat has the answer of the first time.
    pub(super) fn find(&self, meant: &Received) -> Vec<HandOver> {
        let known = self.by_message.get(&meant.id).into_iter().flatten();
        let known = known.filter(|((agent, _), _)| meant.agent.as_ref().is_none_or(|asked| asked == agent));
        let hand_over = |((agent, from), (lease, _)): (&Between, &Standing)| HandOver {
            agent: agent.clone(),
            from: from.clone(),
            lease: lease.clone(),
        };
        let (open, over): (Vec<_>, Vec<_>) = known.partition(|(_, (_, open))| *open);
        let meant = if open.is_empty() { over } else { open };
        meant.into_iter().map(hand_over).collect()
    }

    /// Settled, or lost to a later hand-over. One that came meanwhile stays open.
    pub(super) fn close(&mut self, id: Id, over: &HandOver) {
        let key = (over.agent.clone(), over.from.clone());
        let known = self.by_message.get_mut(&id).and_then(|known| known.get_mut(&key));
        if let Some((lease, open)) = known
            && *lease == over.lease
        {
            *open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> Id {
        Id::from_uuid(uuid::Uuid::from_u128(n as u128))
    }

    fn over(agent: &str, from: &str, lease: &str) -> HandOver {
        HandOver {
            agent: agent.parse().unwrap(),
            from: from.parse().unwrap(),
            lease: lease.into(),
        }
    }

    #[test]
    fn the_oldest_messages_are_forgotten_first_and_a_repeat_is_no_new_one() {
        let mut handed = HandOvers::new();
        let bob = |lease: &str| over("bob", "alice", lease);
        for n in 0..MESSAGES_MAX {
            handed.insert(id(n), bob("1.1"));
        }
        handed.insert(id(0), bob("1.2"));
        assert_eq!(handed.find(&id(0).into()), [bob("1.2")]);
        handed.insert(id(MESSAGES_MAX), bob("9.1"));
        assert_eq!(handed.find(&id(0).into()), []);
        assert_eq!(handed.find(&id(1).into()).len(), 1);
        assert_eq!(handed.find(&id(MESSAGES_MAX).into()).len(), 1);
        assert_eq!(handed.order.len(), handed.by_message.len());
    }

    #[test]
    fn hand_overs_of_one_id_are_told_apart_by_agent_and_sender() {
        let mut handed = HandOvers::new();
        let all = [
            over("bob", "alice", "1.1"),
            over("bob", "dora", "1.2"),
            over("carol", "alice", "2.1"),
        ];
        for one in &all {
            handed.insert(id(1), one.clone());
        }
        assert_eq!(handed.find(&id(1).into()), all);
        let carol: AgentId = "carol".parse().unwrap();
        assert_eq!(handed.find(&(id(1), &carol).into()), all[2..]);
        assert_eq!(handed.find(&id(2).into()), []);

        handed.close(id(1), &all[0]);
        assert_eq!(handed.find(&id(1).into()), all[1..], "only open ones");
        handed.close(id(1), &all[1]);
        handed.close(id(1), &all[2]);
        assert_eq!(handed.find(&id(1).into()), all, "a repeat");
        let again = over("carol", "alice", "2.2");
        handed.insert(id(1), again.clone());
        handed.close(id(1), &all[2]);
        assert_eq!(handed.find(&id(1).into()), [again], "handed over once more");
    }
}
