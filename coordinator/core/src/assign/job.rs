//! A ready task as the router sees it.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, CapabilityName, Id, Priority, Task, Timestamp};

/// Amounts by the name of the resource, such as `memory_mb` or `cpu_cores`. The unit is part of the name; what is not
/// finite or negative counts as 0.
pub type Resources = BTreeMap<String, f64>;

/// A task that could start now: all that it depends on is completed, and nobody holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The task.
    pub id: Id,
    /// What an agent must be able to do, all of it; empty: any agent will do.
    pub capabilities: BTreeSet<CapabilityName>,
    /// How much it matters.
    pub priority: Priority,
    /// When it became ready for the first time, in milliseconds since 1970. Its age counts from here, also after attempts.
    pub ready_at_ms: i64,
    /// When it should be completed, in milliseconds since 1970.
    pub deadline_ms: Option<i64>,
    /// How long it should take an agent of ordinary pace, in milliseconds; `None`: as long as the mean task.
    pub expected_ms: Option<u64>,
    /// How many attempts it has, the next one included; below 2, a failure is the end of it.
    pub attempts_left: u32,
    /// Agents that refused it: never asked again.
    pub refused_by: BTreeSet<AgentId>,
    /// Agents that failed it, lost it or let it time out: asked again only when it is worth more than trying another.
    pub failed_on: BTreeSet<AgentId>,
    /// What it takes of the agent's resources while it runs.
    pub resources: Resources,
    /// The strategy that it names; `None`: that of the fleet.
    pub strategy: Option<Strategy>,
}

impl Job {
    /// A job of priority `normal` that anybody may do, without deadline, for the mean time.
    pub fn new(id: Id, ready_at_ms: i64) -> Self {
        Self {
            id,
            capabilities: BTreeSet::new(),
            priority: Priority::default(),
            ready_at_ms,
            deadline_ms: None,
            expected_ms: None,
            attempts_left: 3,
            refused_by: BTreeSet::new(),
            failed_on: BTreeSet::new(),
            resources: Resources::new(),
            strategy: None,
        }
    }

    /// The job that a task is: ready since `ready_at_ms`, `refused_by` and `failed_on` as the log tells.
    pub fn of(
        task: &Task,
        ready_at_ms: i64,
        refused_by: BTreeSet<AgentId>,
        failed_on: BTreeSet<AgentId>,
    ) -> Self {
        let wanted = task
            .resources
            .each()
            .into_iter()
            .filter(|(_, amount)| !amount.is_zero());
        Self {
            capabilities: task.capabilities.iter().cloned().collect(),
            priority: task.priority,
            deadline_ms: task.deadline.map(Timestamp::unix_ms),
            attempts_left: task.max_attempts.get().saturating_sub(task.attempt),
            refused_by,
            failed_on,
            resources: wanted
                .map(|(name, amount)| (name.to_owned(), amount.get()))
                .collect(),
            strategy: task.strategy,
            ..Self::new(task.id, ready_at_ms)
        }
    }

    /// Milliseconds that it has waited; 0 when the clock went back.
    pub fn age_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms.saturating_sub(self.ready_at_ms)).unwrap_or(0)
    }
}
