//! The four priorities, highest first.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// How much a message is worth interrupting for. The order of the variants is the order of hand-over.
    #[derive(Default)]
    Priority, "priority" {
        /// Overtakes everything; at most one `low` is handed over before it.
        Urgent = "urgent",
        /// Before normal work.
        High = "high",
        /// What a message has when nothing is said.
        #[default]
        Normal = "normal",
        /// When nothing else waits; still handed over within 35 hand-overs.
        Low = "low",
    }
}

impl Priority {
    /// How many priorities there are; arrays of lanes have this length.
    pub const COUNT: usize = 4;

    /// Position in [`Priority::ALL`], below [`Priority::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }
}
