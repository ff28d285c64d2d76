//! What the log tells of agents at work: how much each was given, and how well it does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::data::TaskData;
use super::entry::TaskEntry;
use crate::assign::{Estimates, Outcome, Params};

/// A fold of assignments and their ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Practice {
    estimates: Estimates,
    turns: u64,
    agents: BTreeMap<AgentId, Given>,
}

/// What one agent was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Given {
    /// How many tasks.
    pub count: u64,
    /// Number of the last one, of a count over the fleet.
    pub last_turn: Option<u64>,
    /// Which the last one was.
    #[serde(default)]
    pub last: Option<Assignment>,
}

/// A task that was given to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: Id,
    /// Number of the assignment.
    pub epoch: u64,
    /// When it was decided.
    pub at: Timestamp,
}

impl Default for Practice {
    fn default() -> Self {
        Self {
            estimates: Estimates::new(Params::default().mean_task_ms),
            turns: 0,
            agents: BTreeMap::new(),
        }
    }
}

impl Practice {
    /// What outcomes taught.
    pub const fn estimates(&self) -> &Estimates {
        &self.estimates
    }

    /// What an agent was given.
    pub fn given(&self, agent: &AgentId) -> Given {
        self.agents.get(agent).copied().unwrap_or_default()
    }

    /// Forgets an agent that was removed.
    pub(super) fn forget(&mut self, agent: &AgentId) {
        self.agents.remove(agent);
        self.estimates.forget(agent);
    }

    /// Lets an event of a task happen; `entry` is the task before it.
    pub(super) fn apply(&mut self, entry: &TaskEntry, event: &Event, to: TaskState, data: &TaskData) {
        if let (Some(agent), Some(epoch)) = (&data.assigned_to, data.epoch) {
            self.turns += 1;
            let given = self.agents.entry(agent.clone()).or_default();
            given.count += 1;
            given.last_turn = Some(self.turns);
            given.last = Some(Assignment {
                task: entry.task.id,
                epoch,
                at: event.at,
            });
        }
        let failed = data.failed_on.is_some() || to == TaskState::Failed;
        let success = to == TaskState::Completed;
        // What was released, cancelled or refused says nothing about its holder's skill.
        let by_holder = entry.task.assigned_to.as_ref() == Some(&event.actor);
        if data.error.is_some() || !entry.task.state.is_held() || !by_holder || !(success || failed) {
            return;
        }
        let capabilities: BTreeSet<_> = entry.task.capabilities.iter().cloned().collect();
        let took_ms = u64::try_from(event.at.unix_ms() - entry.held_since.unix_ms()).ok();
        let outcome = Outcome {
            agent: &event.actor,
            capabilities: &capabilities,
            success,
            took_ms,
            expected_ms: None,
        };
        // Whoever was given it declares what it needs.
        self.estimates.observe(&outcome, |_| true);
    }
}
