//! A candidate while a plan is made: what it already got in this plan counts.

use std::collections::BTreeMap;

use super::candidate::Candidate;
use super::job::Job;

/// A candidate and what this plan gave it.
#[derive(Debug, Clone)]
pub(super) struct Desk<'c> {
    pub(super) who: &'c Candidate,
    /// Milliseconds that each held task will still take.
    pub(super) held_ms: Vec<u64>,
    /// What tasks of this plan take of its resources.
    taken: BTreeMap<&'c str, f64>,
    pub(super) last_turn: Option<u64>,
    pub(super) given: u64,
}

impl<'c> Desk<'c> {
    pub(super) fn of(who: &'c Candidate) -> Self {
        Self {
            who,
            held_ms: who.held_ms.clone(),
            taken: BTreeMap::new(),
            last_turn: who.last_turn,
            given: who.given,
        }
    }

    /// Slots without a task.
    pub(super) fn free_slots(&self) -> usize {
        self.slots().saturating_sub(self.held_ms.len())
    }

    pub(super) fn slots(&self) -> usize {
        usize::try_from(self.who.slots).unwrap_or(usize::MAX)
    }

    /// What is free of a resource; `None` when the agent does not say that it has it.
    pub(super) fn free(&self, resource: &str) -> Option<f64> {
        let free = self.who.resources.get(resource)?.free;
        Some(free - self.taken.get(resource).copied().unwrap_or(0.0))
    }

    /// Milliseconds until each of its slots is free, the earliest first, at most `most` of them.
    pub(super) fn free_in_ms(&self, most: usize) -> Vec<u64> {
        let mut held = self.held_ms.clone();
        held.sort_unstable();
        let mut slots = vec![0_u64; self.slots().min(held.len().saturating_add(most))];
        // It may hold more than it has slots: each task takes the slot that is free first.
        for ms in held {
            if let Some(first) = slots.iter_mut().min() {
                *first = first.saturating_add(ms);
            }
        }
        slots.sort_unstable();
        slots.truncate(most);
        slots
    }

    /// The plan gives it a job that takes `work_ms`, as the `turn`th assignment of the fleet.
    pub(super) fn give(&mut self, job: &Job, work_ms: u64, turn: u64) {
        self.held_ms.push(work_ms);
        self.last_turn = Some(turn);
        self.given = self.given.saturating_add(1);
        for (name, resource) in &self.who.resources {
            if resource.total > 0.0
                && let Some(wanted) = job.resources.get(name)
            {
                *self.taken.entry(name.as_str()).or_default() += wanted.max(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_in_ms(slots: u32, held_ms: &[u64], most: usize) -> Vec<u64> {
        let candidate = Candidate {
            slots,
            held_ms: held_ms.to_vec(),
            ..Candidate::new("a".parse().unwrap())
        };
        Desk::of(&candidate).free_in_ms(most)
    }

    #[test]
    fn slots_become_free_one_after_another() {
        assert_eq!(free_in_ms(1, &[], 4), [0]);
        assert_eq!(free_in_ms(1, &[30, 20], 4), [50]);
        assert_eq!(free_in_ms(3, &[30], 4), [0, 0, 30]);
        assert_eq!(free_in_ms(2, &[10, 20, 30], 4), [20, 40]);
        assert_eq!(free_in_ms(0, &[10], 4), [0_u64; 0]);
        assert_eq!(free_in_ms(u32::MAX, &[10], 2), [0, 0]);
    }
}
