//! Judges a recorded history: every promise about delivery, as a pure function over the [ledger](crate::ledger).
//!
//! ```
//! # use std::time::Duration;
//! # use wagglebus_harness::checker::check;
//! # use wagglebus_harness::ledger::Ledger;
//! let ledger = Ledger::default();
//! // … a run …
//! let verdict = check(&ledger.history(), Duration::from_secs(30));
//! assert!(verdict.is_clean(), "{verdict}");
//! ```
//!
//! A checker that cannot fail proves nothing: each [`Invariant`] has a self-test with a history that breaks it alone.

mod delivery;
mod order;
mod story;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use wagglebus_schemas::{AgentId, Id, Priority};

use crate::ledger::Entry;
use story::Stories;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// What was accepted was shown to its recipient, or is a dead letter for a reason that the history bears out.
    Delivered,
    /// What was shown was done in the end, and soon after the last fault.
    Finished,
    /// What its receiver is done with is never shown again.
    DoneOnce,
    /// What is shown again says so, and counts up; what is shown first does not claim to be a repeat without cause.
    Marked,
    /// It arrives as it was sent: content, sender, recipient, priority.
    Intact,
    /// Nobody is shown what is not his, or what nobody sent.
    Private,
    /// Each sender is told what became of its message.
    Reported,
    /// What was refused is not delivered.
    Refused,
    /// Of one sender, recipient and priority, the earlier is shown first, unless it is marked as redelivered because
    /// the server had handed it to a connection that a fault had cut (DESIGN 3.3).
    Ordered,
    /// What was given back without delay, or whose lease ran out, comes again before any later one of its kind.
    Returned,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Delivered,
        Self::Finished,
        Self::DoneOnce,
        Self::Marked,
        Self::Intact,
        Self::Private,
        Self::Reported,
        Self::Refused,
        Self::Ordered,
        Self::Returned,
    ];
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which promise.
    pub invariant: Invariant,
    /// About which message.
    pub id: Id,
    /// What happened.
    pub what: String,
}

/// A hand-over that nobody saw: the server, or a sidecar, counted it for a connection that was gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostHandOver {
    /// The message.
    pub id: Id,
    /// Its sender.
    pub from: AgentId,
    /// Its recipient.
    pub to: AgentId,
    /// Its priority.
    pub priority: Priority,
    /// Its place.
    pub seq: u64,
    /// The hand-over at which it was first seen. 1: only the server had counted one before.
    pub delivery: u32,
    /// The places of later messages that were seen before it. Empty: it came back at the head of its lane.
    pub overtaken_by: Vec<u64>,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Messages that were accepted.
    pub accepted: usize,
    /// Messages that were refused for good.
    pub refused: usize,
    /// Attempts without an answer, or with a passing refusal.
    pub repeated_sends: usize,
    /// Messages that were shown.
    pub delivered: usize,
    /// Hand-overs after the first that a receiver saw.
    pub redeliveries: usize,
    /// Messages that were given back, put off, or whose lease ran out.
    pub returned: usize,
    /// Messages among the dead letters.
    pub dead: usize,
    /// Processes that were killed.
    pub killed: usize,
    /// Processes that were stopped.
    pub stopped: usize,
    /// Longest time without a hand-over, in milliseconds.
    pub longest_silence_ms: u64,
    /// From the last fault or acceptance to the end of the last message, in milliseconds.
    pub drained_ms: u64,
}

/// The judgement about a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In numbers.
    pub summary: Summary,
    /// Promises that were not kept. Empty: the history is clean.
    pub violations: Vec<Violation>,
    /// Hand-overs that nobody saw, in the order in which their messages were seen at last. They are no violation.
    pub lost_hand_overs: Vec<LostHandOver>,
}

impl Verdict {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// How often a promise was not kept.
    #[must_use]
    pub fn count(&self, invariant: Invariant) -> usize {
        self.violations
            .iter()
            .filter(|violation| violation.invariant == invariant)
            .count()
    }
}

/// Judges a finished run. `drain` bounds the time from the last fault, or the last acceptance, to the end of the last
/// message.
#[must_use]
pub fn check(history: &[Entry], drain: Duration) -> Verdict {
    let stories = Stories::read(history);
    let drain_us = u64::try_from(drain.as_micros()).unwrap_or(u64::MAX);
    let mut violations = delivery::check(&stories, drain_us);
    let (broken, lost_hand_overs) = order::check(&stories);
    violations.extend(broken);
    Verdict {
        summary: stories.summary(),
        violations,
        lost_hand_overs,
    }
}
