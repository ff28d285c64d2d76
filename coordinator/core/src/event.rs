//! Everything that can happen to the coordinator.

use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::event::Event as LogEvent;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Priority, RoomName};

use crate::fsm::past::KeptLog;
use crate::lead::News;
use crate::liveness::Connection;
use crate::order::{Head, HeldMail, Look, ReplyTo, RoomChange};

/// Something that happened. Made by [`crate::inbound`] from bytes, or by the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The connection to the server is up.
    BusUp,
    /// The connection to the server is gone.
    BusDown,
    /// All enrolments there are; replaces what was known.
    Listed(Vec<Enrolment>),
    /// An enrolment was written.
    Enrolled(Enrolment),
    /// An enrolment was deleted.
    Removed(AgentId),
    /// A heartbeat arrived.
    Heartbeat {
        /// Who sent it, as the subject and thereby the server says.
        from: AgentId,
        /// What it says.
        heartbeat: Box<Heartbeat>,
    },
    /// The server reports that a connection was opened.
    Opened {
        /// Public key of the user that logged in.
        nkey: String,
        /// Which connection.
        connection: Connection,
    },
    /// The server reports that a connection was closed.
    Closed {
        /// Public key of the user that had logged in.
        nkey: String,
        /// Which connection.
        connection: Connection,
    },
    /// Somebody wrote to a room.
    Posted {
        /// The room.
        room: RoomName,
        /// The lane of each member.
        priority: Priority,
        /// Who wrote, as the subject and thereby the server says.
        from: AgentId,
    },
    /// A message came for an agent that is watched.
    Arrived {
        /// Whose mail.
        agent: AgentId,
        /// In which lane.
        priority: Priority,
    },
    /// A look at a lane ended.
    Looked {
        /// Which look.
        look: Look,
        /// The oldest message that nobody fetched, if there is one; or no answer.
        head: Result<Option<Head>, ()>,
    },
    /// A `held` receipt could not be stored.
    Untold(HeldMail),
    /// A change of who is in a room ended.
    RoomChanged {
        /// Which.
        change: RoomChange,
        /// Since when the agent is in it, `None` after a leave; or why nothing changed.
        outcome: Result<Option<u64>, ErrorDetail>,
    },
    /// Lines of the log were read.
    LinesRead {
        /// For which question.
        number: u64,
        /// Those that are there and can be read, in order; or why the log cannot be read.
        lines: Result<Vec<(u64, LogEvent)>, String>,
    },
    /// The snapshots of the log were looked at.
    KeptRead {
        /// For which question.
        number: u64,
        /// What there is; or why it cannot be read.
        kept: Result<KeptLog, String>,
    },
    /// Somebody asks something.
    Request(Request),
    /// Something about the log, the commands or the leader's lease.
    Lead(News),
    /// The promised time has come.
    Wake,
}

/// A call of the request/reply API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: ApiMethod,
    /// Who asks, as the subject says.
    pub from: AgentId,
    /// The query as it came.
    pub body: Vec<u8>,
    /// Where the answer goes.
    pub reply: ReplyTo,
}
