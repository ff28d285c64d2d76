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

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(n: u64, at_ms: i64) -> TaskFact {
        TaskFact {
            task_id: Id::from_bytes(u128::from(n).to_be_bytes()),
            assigned: 1,
            over: 0,
            released: 0,
            priority: None,
            at: Timestamp::from_unix_ms(at_ms).unwrap(),
        }
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten_and_what_left_the_streams() {
        let mut tasks = Tasks::default();
        let count = u64::try_from(TASKS_MAX).unwrap() + 3;
        for n in 0..count {
            tasks.merge(fact(n, i64::try_from(n).unwrap()));
        }
        tasks.prune(fact(0, 0).at);
        assert_eq!(tasks.0.len(), TASKS_MAX);
        assert_eq!(tasks.get(&fact(2, 0).task_id), None);
        assert!(tasks.get(&fact(3, 0).task_id).is_some());
        tasks.prune(fact(0, KEPT_UNBROUGHT_MS + 9).at);
        assert_eq!(tasks.get(&fact(9, 0).task_id), None, "heard of too long ago");
        assert!(tasks.get(&fact(10, 0).task_id).is_some());
    }

    #[test]
    fn only_what_says_something_is_kept() {
        let mut tasks = Tasks::default();
        let (first, later) = (
            fact(1, 5),
            TaskFact {
                assigned: 2,
                ..fact(1, 6)
            },
        );
        let released = TaskFact {
            assigned: 1,
            released: 1,
            ..fact(1, 3)
        };
        for fact in [first, later, released] {
            tasks.merge(fact);
        }
        assert!(!tasks.counts(&first), "a later one says more");
        assert!(tasks.counts(&later) && tasks.counts(&released));
        assert!(!tasks.counts(&fact(2, 5)), "forgotten");
    }
}
