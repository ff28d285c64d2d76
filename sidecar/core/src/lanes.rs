//! Which lane takes the next turn: by priority, with a count that keeps the lower ones moving.

use wagglebus_schemas::Priority;

/// How often a lane may be passed over while it is not empty before it takes the next turn (DESIGN 3.3). Nothing passes
/// over `urgent`.
const PASSED_OVER_MAX: [u32; Priority::COUNT] = [u32::MAX, 8, 16, 32];

/// A set of lanes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneSet([bool; Priority::COUNT]);

impl LaneSet {
    /// Every lane.
    pub const ALL: Self = Self([true; Priority::COUNT]);

    /// Whether the lane is in the set.
    pub fn has(self, lane: Priority) -> bool {
        self.0.get(lane.index()).copied().unwrap_or(false)
    }

    /// Puts the lane into the set, or takes it out.
    pub fn set(&mut self, lane: Priority, member: bool) {
        if let Some(bit) = self.0.get_mut(lane.index()) {
            *bit = member;
        }
    }

    /// Whether no lane is in the set.
    pub fn is_empty(self) -> bool {
        !self.0.contains(&true)
    }
}

impl FromIterator<Priority> for LaneSet {
    fn from_iter<T: IntoIterator<Item = Priority>>(lanes: T) -> Self {
        let mut set = Self::default();
        for lane in lanes {
            set.set(lane, true);
        }
        set
    }
}

/// The memory of the turn rule: how often each lane was passed over. It counts turns and has no clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turns {
    passed_over: [u32; Priority::COUNT],
}

impl Turns {
    /// The lane whose turn it is among those that are not empty; `None` when all are.
    ///
    /// Asking changes nothing: a turn counts when it was [`taken`](Turns::take).
    pub fn next(&self, waiting: LaneSet) -> Option<Priority> {
        let mut lanes = Priority::ALL.iter().copied().filter(|lane| waiting.has(*lane));
        let overdue = |lane: &Priority| {
            let count = self.passed_over.get(lane.index()).copied().unwrap_or(0);
            count >= PASSED_OVER_MAX.get(lane.index()).copied().unwrap_or(u32::MAX)
        };
        // Among overdue lanes the lowest goes first: a higher one could pass it over for ever otherwise.
        let lowest_overdue = lanes.clone().rev().find(overdue);
        lowest_overdue.or_else(|| lanes.next())
    }

    /// Counts a turn that `lane` took while `waiting` were not empty.
    pub fn take(&mut self, lane: Priority, waiting: LaneSet) {
        for (other, count) in Priority::ALL.iter().zip(&mut self.passed_over) {
            *count = if *other == lane || !waiting.has(*other) {
                0
            } else if *other > lane {
                count.saturating_add(1)
            } else {
                *count
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(turns: &mut Turns, waiting: LaneSet) -> Option<Priority> {
        let lane = turns.next(waiting)?;
        turns.take(lane, waiting);
        Some(lane)
    }

    #[test]
    fn higher_lanes_go_first() {
        let mut turns = Turns::default();
        assert_eq!(run(&mut turns, LaneSet::ALL), Some(Priority::Urgent));
        assert_eq!(
            run(
                &mut turns,
                [Priority::Low, Priority::Normal].into_iter().collect()
            ),
            Some(Priority::Normal)
        );
        assert_eq!(run(&mut turns, LaneSet::default()), None);
    }

    #[test]
    fn the_turns_of_a_full_inbox() {
        // With everything waiting all the time, each lower lane gets exactly one turn per its bound.
        let mut turns = Turns::default();
        let mut taken = [0; Priority::COUNT];
        for _ in 0..10_000 {
            taken[run(&mut turns, LaneSet::ALL).unwrap().index()] += 1;
        }
        assert!(
            taken[0] > taken[1] && taken[1] > taken[2] && taken[2] > taken[3],
            "{taken:?}"
        );
        assert!(taken[3] >= 10_000 / 35, "{taken:?}");
    }

    proptest! {
        /// Whatever arrives, the head of any lane is handed over within 35 turns (DESIGN 3.3).
        #[test]
        fn no_lane_waits_longer_than_35_turns(arrivals in prop::collection::vec(0u8..16, 1..400)) {
            let mut turns = Turns::default();
            let mut waited = [0u32; Priority::COUNT];
            let mut waiting = LaneSet::default();
            for bits in arrivals {
                // A lane that waits keeps waiting until its turn; others come and go.
                for lane in Priority::ALL {
                    let pending = waited[lane.index()] > 0;
                    waiting.set(*lane, pending || bits & (1 << lane.index()) != 0);
                }
                let Some(turn) = run(&mut turns, waiting) else { continue };
                for lane in Priority::ALL {
                    let count = &mut waited[lane.index()];
                    *count = if *lane == turn || !waiting.has(*lane) { 0 } else { *count + 1 };
                    if *lane != Priority::Urgent {
                        prop_assert!(*count < 35, "{lane} waited {count} turns");
                    }
                }
            }
        }

        /// An urgent that has just arrived waits for at most three turns of overdue lanes, at most one of them low.
        #[test]
        fn at_most_one_low_before_an_urgent(lows in 0usize..200) {
            let mut turns = Turns::default();
            for _ in 0..lows {
                run(&mut turns, [Priority::Low, Priority::Normal, Priority::High].into_iter().collect());
            }
            let mut before = Vec::new();
            loop {
                let lane = run(&mut turns, LaneSet::ALL).unwrap();
                if lane == Priority::Urgent { break }
                before.push(lane);
            }
            prop_assert!(before.iter().filter(|lane| **lane == Priority::Low).count() <= 1);
            prop_assert!(before.len() <= 3, "{before:?}");
        }
    }
}
