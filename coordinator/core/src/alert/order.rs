//! What alerts ask of the shell, and what the shell tells.

use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{AgentId, Timestamp};

use super::fold::Told;
use crate::order::Head;

/// Something to be done for alerts.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertOrder {
    /// Report each dead letter after the first of these sequences of `WB_DLQ` as [`AlertNews::Letter`], and each failure
    /// report after the second one of `WB_TASKS` as [`AlertNews::Report`].
    Listen {
        /// The last dead letter that counts.
        dead_letters: u64,
        /// The last report that counts.
        reports: u64,
    },
    /// Find the oldest urgent message of this agent that nobody fetched, and report it as [`AlertNews::Head`].
    LookAtUrgent(AgentId),
    /// Tell everybody who wants to hear it, then report [`AlertNews::Delivered`], also when it was given up.
    Deliver(Box<Told>),
}

/// What happened that alerts are about.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertNews {
    /// A message became a dead letter.
    Letter {
        /// Its sequence in `WB_DLQ`.
        seq: u64,
        /// Whose mail it was; the writer's where that cannot be read.
        agent: AgentId,
        /// Why.
        reason: DeadReason,
        /// When the stream took it.
        at: Timestamp,
    },
    /// Somebody reported a failure.
    Report {
        /// Its sequence in `WB_TASKS`.
        seq: u64,
        /// What it says, or nothing where it cannot be read.
        failure: Option<Box<Failure>>,
    },
    /// A look ended: with the head, with nothing that waits, or without an answer.
    Head {
        /// Whose lane.
        agent: AgentId,
        /// What is there.
        head: Result<Option<Head>, ()>,
    },
    /// A change was told to everybody, or was given up.
    Delivered {
        /// The sequence of its line.
        seq: u64,
    },
}
