//! The recorded history of a run: what every sender, receiver and fault saw, in one order.
//!
//! All parties live in one process, so one list under one lock orders them: what was recorded earlier has happened
//! earlier. Something is recorded *before* it is asked of a sidecar ([`Op::Offered`]) and *after* the answer came
//! ([`Op::Accepted`], [`Op::Shown`], [`Op::Settled`]). The [checker](crate::checker) judges the history afterwards.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{AgentId, Id, Level, Message, Priority};

/// A history that is being written. Shared by all parties of a run.
#[derive(Debug)]
pub struct Ledger {
    started: Instant,
    entries: Mutex<Vec<Entry>>,
    counts: watch::Sender<Counts>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Microseconds since the run began, by the monotonic clock.
    pub at_us: u64,
    /// What happened.
    pub op: Op,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// A sender is about to give a message to its sidecar for the first time.
    Offered(Offer),
    /// The sidecar took responsibility for it.
    Accepted {
        /// Which message.
        id: Id,
        /// How far it had come when the sidecar answered.
        level: Level,
    },
    /// An attempt whose effect is unknown, or that may succeed later: the sender repeats it under the same id.
    Unsettled {
        /// Which message.
        id: Id,
        /// What came instead of an answer.
        why: String,
    },
    /// The sidecar refused it for good.
    Refused {
        /// Which message.
        id: Id,
        /// As what.
        code: ErrorCode,
    },
    /// A receiver was given a message.
    Shown(Show),
    /// A receiver settled a message, or let its lease run out.
    Settled {
        /// Who.
        by: AgentId,
        /// Which message.
        id: Id,
        /// How.
        how: Settle,
        /// Whether the sidecar confirmed it; false: no answer came, or the lease had gone.
        confirmed: bool,
    },
    /// A message was found among the dead letters.
    Dead {
        /// Which message.
        id: Id,
        /// Whose inbox it was for.
        agent: AgentId,
        /// Why.
        reason: DeadReason,
    },
    /// A fault began or ended.
    Fault {
        /// Which.
        kind: FaultKind,
        /// What it struck: an agent's sidecar, or `nats-server`.
        on: String,
        /// Its begin or its end.
        phase: Phase,
    },
}

/// A message as its sender meant it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Its id.
    pub id: Id,
    /// Its sender.
    pub from: AgentId,
    /// Its recipient.
    pub to: AgentId,
    /// Its priority.
    pub priority: Priority,
    /// Its place among the messages of this sender to this recipient with this priority, from 0.
    pub seq: u64,
    /// Of its content.
    pub digest: ContentDigest,
}

/// A message as a receiver was given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Show {
    /// Its id.
    pub id: Id,
    /// Who was given it.
    pub agent: AgentId,
    /// Its sender, as it says.
    pub from: AgentId,
    /// Its recipient, as it says.
    pub to: String,
    /// Its priority, as it says.
    pub priority: Priority,
    /// Of its content.
    pub digest: ContentDigest,
    /// Which hand-over this is.
    pub delivery: u32,
    /// Whether it is marked as handed over or fetched before.
    pub redelivered: bool,
}

/// How a receiver settled a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// Done with it.
    Done,
    /// Gave it back, to come again at once: it stays at the head of its lane.
    GaveBack,
    /// Gave it back, to come again after a delay: it loses its place.
    PutOff,
    /// Lets its lease run out.
    Expired {
        /// In so many milliseconds.
        after_ms: u64,
    },
}

/// What was done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// kill -9, then started again.
    Killed,
    /// SIGSTOP, then SIGCONT.
    Stopped,
}

/// Begin or end of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It strikes.
    Began,
    /// The process is back.
    Ended,
}

/// SHA-256 of a message's content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

/// How much has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were offered.
    pub offered: u64,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Hand-overs.
    pub shown: u64,
    /// Messages that their receiver is done with.
    pub done: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
            counts: watch::Sender::new(Counts::default()),
        }
    }
}

impl Ledger {
    /// Writes down what happened just now.
    pub fn record(&self, op: Op) {
        let tick = |counts: &mut Counts| match &op {
            Op::Offered(_) => counts.offered += 1,
            Op::Accepted { .. } => counts.accepted += 1,
            Op::Shown(_) => counts.shown += 1,
            Op::Settled {
                how: Settle::Done,
                confirmed: true,
                ..
            } => counts.done += 1,
            Op::Settled { .. }
            | Op::Unsettled { .. }
            | Op::Refused { .. }
            | Op::Dead { .. }
            | Op::Fault { .. } => {}
        };
        self.counts.send_modify(tick);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that times and order agree.
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        entries.push(Entry { at_us, op });
    }

    /// How much has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until enough has happened; false when it has not `within` this time.
    pub async fn until(&self, within: Duration, enough: impl FnMut(&Counts) -> bool) -> bool {
        let mut counts = self.counts.subscribe();
        let waited = tokio::time::timeout(within, counts.wait_for(enough)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Everything so far.
    #[must_use]
    pub fn history(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Show {
    /// What `agent` was given.
    #[must_use]
    pub fn new(agent: &AgentId, message: &Message, delivery: u32, redelivered: bool) -> Self {
        Self {
            id: message.id,
            agent: agent.clone(),
            from: message.from_agent.clone(),
            to: message.to_agent.as_str().to_owned(),
            priority: message.priority,
            digest: ContentDigest::of(&message.content),
            delivery,
            redelivered,
        }
    }
}

impl ContentDigest {
    /// Of this content.
    #[must_use]
    pub fn of(content: &str) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl std::fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}
