//! Everything that the coordinator can ask for.

use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Priority, Timestamp};

use crate::lead::Order;
use crate::lead::election::Errand;
use crate::order::{HeldMail, Look, ReplyTo, RoomChange};

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Reply(Reply),
    /// Tell that an agent's presence changed.
    Presence {
        /// Whose.
        agent: AgentId,
        /// What it was; `None` when it was not enrolled.
        from: Option<Presence>,
        /// What it is; `None` when it is no longer enrolled.
        to: Option<Presence>,
    },
    /// Put an agent into a room or take it out of it, then report
    /// [`RoomChanged`](crate::Event::RoomChanged). One at a time.
    ChangeRoom(RoomChange),
    /// Tell an agent's sidecar that a lane may have mail.
    WakeLane {
        /// Whose lane.
        agent: AgentId,
        /// Which.
        priority: Priority,
    },
    /// Report each message that comes for this agent as [`Arrived`](crate::Event::Arrived), until told otherwise.
    Watch {
        /// Whose mail.
        agent: AgentId,
    },
    /// Report no more of them.
    Unwatch {
        /// Whose mail.
        agent: AgentId,
    },
    /// Find the oldest message of a lane that nobody fetched, and report it as [`Looked`](crate::Event::Looked).
    LookAtHead(Look),
    /// Store a `held` receipt for a sender; if that fails, report [`Untold`](crate::Event::Untold).
    TellHeld(HeldMail),
    /// Read something of the log for an answer about the past.
    Read(Reading),
    /// Something about the tasks and their log.
    Tasks(Order),
    /// Something about the leader's lease.
    Lease(Errand),
    /// We lead from here on, or do not any more.
    Leads(bool),
    /// Tell that an input was ignored.
    Ignored(Ignored),
}

/// What is read for an answer about the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// These lines of the log, without those that are not there any more; then report
    /// [`LinesRead`](crate::Event::LinesRead).
    Lines {
        /// Of which question.
        number: u64,
        /// Their sequences, in order.
        seqs: Vec<u64>,
    },
    /// The newest snapshot that can be used and covers nothing after a time; then report
    /// [`KeptRead`](crate::Event::KeptRead).
    Kept {
        /// Of which question.
        number: u64,
        /// The time.
        at: Timestamp,
    },
}

/// The answer to a [`crate::Request`].
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Where it goes.
    pub to: ReplyTo,
    /// What was asked.
    pub method: ApiMethod,
    /// The encoded answer, or the error.
    pub outcome: Result<Vec<u8>, ErrorDetail>,
}

/// Why an input was ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Its bytes are not what its subject promises.
    #[error("unreadable {what} on {subject:?}: {reason}")]
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// Where it came, shortened.
        subject: String,
        /// What is wrong.
        reason: String,
    },
    /// A record in somebody else's name: the subject beats the body.
    #[error("forged {what}: {sender} speaks as {claimed}")]
    Forged {
        /// The record.
        what: &'static str,
        /// Who sent it, as the subject or key says.
        sender: AgentId,
        /// Who it says it is.
        claimed: AgentId,
    },
    /// A heartbeat of an older epoch, or overtaken by a newer one.
    #[error("stale heartbeat of {agent}: epoch {epoch} seq {seq}")]
    Stale {
        /// Whose.
        agent: AgentId,
        /// Its epoch.
        epoch: u64,
        /// Its number.
        seq: u64,
    },
    /// A heartbeat of somebody who is not enrolled, while too many of these are remembered.
    #[error("heartbeat of {agent}, who is not enrolled")]
    Stranger {
        /// Who.
        agent: AgentId,
    },
}

impl Ignored {
    /// A word for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Forged { .. } => "forged",
            Self::Stale { .. } => "stale",
            Self::Stranger { .. } => "stranger",
        }
    }
}
