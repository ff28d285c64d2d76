//! What was heard of tasks: which assignment is this agent's, and which are over.

use std::collections::BTreeMap;

use wagglebus_schemas::{Id, Timestamp};

use super::KEPT_UNBROUGHT_MS;
use crate::record::TaskFact;

/// How many tasks are remembered; those that nothing was heard of for longest go first.
pub(super) const TASKS_MAX: usize = 10_000;

/// The tasks that something was heard of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tasks(BTreeMap<Id, TaskFact>);

impl Tasks {
    pub(super) fn get(&self, id: &Id) -> Option<&TaskFact> {
        self.0.get(id)
    }

    /// Adds what was heard: of each number the highest.
    pub(super) fn merge(&mut self, fact: TaskFact) {
        let known = self.0.entry(fact.task_id).or_insert(fact);
        known.assigned = known.assigned.max(fact.assigned);
        known.over = known.over.max(fact.over);
        known.released = known.released.max(fact.released);
        known.priority = known.priority.max(fact.priority);
        known.at = known.at.max(fact.at);
    }

    /// Whether something that is known of a task was heard by this fact.
    pub(super) fn counts(&self, fact: &TaskFact) -> bool {
        self.0.get(&fact.task_id).is_some_and(|known| {
            let numbers = [
                (known.assigned, fact.assigned),
                (known.over, fact.over),
                (known.released, fact.released),
            ];
            let number = numbers
                .into_iter()
                .any(|(known, heard)| heard > 0 && known == heard);
            number || known.at == fact.at || (fact.priority.is_some() && known.priority == fact.priority)
        })
    }

    /// Forgets tasks whose notices have left the streams, and the oldest of too many.
    pub(super) fn prune(&mut self, wall: Timestamp) {
        let age = |fact: &TaskFact| wall.unix_ms().saturating_sub(fact.at.unix_ms());
        self.0.retain(|_, fact| age(fact) < KEPT_UNBROUGHT_MS);
        let over = self.0.len().saturating_sub(TASKS_MAX);
        if over > 0 {
            let mut ages: Vec<_> = self.0.values().map(|fact| (fact.at, fact.task_id)).collect();
            ages.sort_unstable();
            for (_, id) in ages.into_iter().take(over) {
                self.0.remove(&id);
            }
        }
    }
}
