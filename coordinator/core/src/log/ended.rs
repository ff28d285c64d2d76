//! Assignments that are over: of which task and to whom they were, so that who replies late is told what became of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::Id;

/// Most that are remembered; the oldest are forgotten first. A reply to a forgotten one is a message like any other.
const KEPT_MAX: usize = 10_000;

/// The latest assignments that are over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// By the notice that told of them.
    by_notice: BTreeMap<Id, Over>,
    /// The notices, in the order in which they ended.
    order: VecDeque<Id>,
}

/// An assignment that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// The task.
    pub task: Id,
    /// Number of the assignment.
    pub epoch: u64,
}

impl Ended {
    /// The assignment that this notice told of.
    pub fn get(&self, notice: &Id) -> Option<Over> {
        self.by_notice.get(notice).copied()
    }

    /// The assignment of this notice is over.
    pub(super) fn add(&mut self, notice: Id, over: Over) {
        if self.by_notice.insert(notice, over).is_none() {
            self.order.push_back(notice);
        }
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_notice.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut ended = Ended::default();
        let id = |n: usize| Id::from_bytes((n as u128).to_be_bytes());
        for n in 0..=KEPT_MAX {
            let over = Over {
                task: id(n),
                epoch: 1,
            };
            ended.add(id(n), over);
            ended.add(id(n), over);
        }
        assert_eq!((ended.by_notice.len(), ended.order.len()), (KEPT_MAX, KEPT_MAX));
        assert_eq!(ended.get(&id(0)), None);
        assert_eq!(ended.get(&id(KEPT_MAX)).map(|over| over.task), Some(id(KEPT_MAX)));
    }
}
