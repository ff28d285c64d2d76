//! How old unread urgent mail is: what lanes were found to have at their heads, and which are to be looked at again.
//!
//! A head is looked at when there may be one, and again when it has grown too old: whoever read it in time is not told of.

use std::collections::BTreeMap;

use wagglebus_schemas::AgentId;

use crate::order::Head;

/// Least time between two looks at one lane, in milliseconds.
pub const LOOK_EVERY_MS: u64 = 2_000;
/// How long what was seen counts as what is so, in milliseconds: two looks.
pub const FRESH_MS: u64 = 5_000;
/// Most looks under way at one time.
pub const LOOKS_MAX: usize = 16;
/// After which a look counts as lost, in milliseconds.
const LOST_MS: u64 = 10_000;

/// What is known of lanes.
#[derive(Debug, Clone, Default)]
pub struct Senses {
    seen: BTreeMap<AgentId, (Option<Head>, u64)>,
    /// Looks under way, since when.
    looks: BTreeMap<AgentId, u64>,
    /// When a lane was asked about last.
    asked: BTreeMap<AgentId, u64>,
}

impl Senses {
    /// A look ended.
    pub fn saw(&mut self, agent: &AgentId, head: Result<Option<Head>, ()>, now_ms: u64) {
        self.looks.remove(agent);
        if let Ok(head) = head {
            self.seen.insert(agent.clone(), (head, now_ms));
        }
    }

    /// What was at the head of a lane at the last look, and when that was; `None`: nobody looked.
    pub fn head(&self, agent: &AgentId) -> Option<(Option<&Head>, u64)> {
        let (head, seen_ms) = self.seen.get(agent)?;
        Some((head.as_ref(), *seen_ms))
    }

    /// Nothing waits, as its sidecar says.
    pub fn nothing_waits(&mut self, agent: &AgentId) {
        self.seen.remove(agent);
    }

    /// Whether a lane may be looked at now; then it counts as asked about.
    pub fn may_look(&mut self, agent: &AgentId, now_ms: u64) -> bool {
        self.looks
            .retain(|_, since_ms| now_ms.saturating_sub(*since_ms) < LOST_MS);
        let asked = self.asked.get(agent);
        let soon = asked.is_some_and(|asked_ms| now_ms.saturating_sub(*asked_ms) < LOOK_EVERY_MS);
        if soon || self.looks.contains_key(agent) || self.looks.len() >= LOOKS_MAX {
            return false;
        }
        self.looks.insert(agent.clone(), now_ms);
        self.asked.insert(agent.clone(), now_ms);
        true
    }

    /// Forgets everybody else.
    pub fn keep(&mut self, stays: impl Fn(&AgentId) -> bool) {
        self.seen.retain(|agent, _| stays(agent));
        self.looks.retain(|agent, _| stays(agent));
        self.asked.retain(|agent, _| stays(agent));
    }

    /// The session is new: looks of the former one have no answer.
    pub fn reconnected(&mut self) {
        self.looks.clear();
    }
}
