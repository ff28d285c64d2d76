//! Everything that a sidecar can ask of the world. Plain data; each result comes back as an event.

use std::sync::Arc;

use bytes::Bytes;
use wagglebus_schemas::api::{AckAnswer, NakAnswer, ProgressAnswer, SendAnswer};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::{Id, Level, Priority, Timestamp};

use crate::caller::{ReaderId, Token};
use crate::inbox::pane::Nudge;
use crate::journal::Location;
use crate::record::{Key, Out};

/// Where the bytes of a publish are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Here.
    Bytes(Bytes),
    /// In the spool.
    At(Location),
}

/// How to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Something was announced: wait a moment for it to become visible.
    OneShot,
    /// A look: answer at once.
    NoWait,
}

/// How to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is done with.
    Ack,
    /// It shall come again, after this many milliseconds; 0: at once and first in its lane.
    Nak {
        /// The delay in milliseconds.
        delay_ms: u64,
    },
    /// It is still being worked on.
    Progress,
}

/// A message on its way into the agent's hands: an inbox item whose message is still the bytes as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The message exactly as published: fields unknown to us survive.
    pub raw: Bytes,
    /// Proof that this hand-over is the caller's.
    pub lease: String,
    /// When the message goes back unless settled or extended.
    pub lease_expires_at: Timestamp,
    /// Which hand-over this is, from 1.
    pub delivery: u32,
    /// Handed over or fetched before.
    pub redelivered: bool,
    /// It is a notice of the coordinator about a task.
    pub notice: bool,
}

/// What became of a command about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commanded {
    /// The command.
    pub id: Id,
    /// It was given before.
    pub repeat: bool,
    /// It is not decided yet, and came so far. `None`: it is. Its verdict is in the ledger, unless it was given to a
    /// former life of the agent or is no longer kept: then the coordinator knows the task.
    pub undecided: Option<Level>,
}

/// An answer to a request of the agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a send.
    Sent(SendAnswer),
    /// To a take.
    Messages(Vec<Handed>),
    /// To an ack.
    Acked(AckAnswer),
    /// To a nak.
    Naked(NakAnswer),
    /// To a progress report.
    Extended(ProgressAnswer),
    /// To a command about a task.
    Commanded(Commanded),
    /// Refused, or not reached.
    Error(ErrorDetail),
}

/// Everything that a sidecar can ask of the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Publish a record; in the order of the effects, pipelined.
    Publish {
        /// The record.
        out: Arc<Out>,
        /// Its body.
        body: Body,
    },
    /// Fetch one message of a lane.
    FetchLane {
        /// Which.
        lane: Priority,
        /// How.
        shape: Shape,
    },
    /// Fetch one receipt.
    FetchReceipt {
        /// How.
        shape: Shape,
    },
    /// Ask a lane's consumer for its state, before the first fetch after a (re)connect.
    CheckLane {
        /// Which.
        lane: Priority,
        /// Sequences that are in the agent's hands or wait for a delay: not lost.
        held: Vec<u64>,
    },
    /// Ask the receipts' consumer for its state.
    CheckReceipts,
    /// Ask the coordinator how this agent stands, then report [`ControlAsked`](crate::event::Event::ControlAsked).
    AskControl,
    /// Settle a delivery, confirmed by the server.
    Settle {
        /// Its reply subject.
        ack: String,
        /// How.
        settlement: Settlement,
    },
    /// Make everything appended so far survive a power cut, then report [`Synced`](crate::event::Event::Synced).
    Sync,
    /// Write a message to a stream reader, then report [`Injected`](crate::event::Event::Injected), or
    /// [`ReaderClosed`](crate::event::Event::ReaderClosed) when the reader is gone.
    HandOver {
        /// To whom.
        reader: ReaderId,
        /// The message's name.
        key: Key,
        /// The message, with its lease.
        handed: Box<Handed>,
    },
    /// Look at a pane and go on looking for a while, telling each time what it can be given
    /// ([`PaneSeen`](crate::event::Event::PaneSeen)): mail may wait for it.
    Look {
        /// Whose reader.
        reader: ReaderId,
    },
    /// Put a nudge about waiting mail into a pane as soon as that can be, in place of any former one; without mail the
    /// former one is not needed any more.
    Nudge {
        /// Whose reader.
        reader: ReaderId,
        /// What waits.
        nudge: Nudge,
    },
    /// A pane gives back what it was given and has not begun to put in.
    Withdraw {
        /// Whose reader.
        reader: ReaderId,
    },
    /// Tell stream readers of a receipt about a message of theirs.
    Notify {
        /// The receipt.
        receipt: Box<Receipt>,
    },
    /// Answer a request.
    Answer {
        /// Whose.
        token: Token,
        /// What.
        answer: Answer,
    },
    /// Read the agent's lease.
    ReadLease,
    /// Write the agent's lease if its key still has this last sequence (0: no value).
    WriteLease {
        /// The value.
        lease: Box<Lease>,
        /// The expected last sequence.
        expected: u64,
    },
    /// Publish a heartbeat; the shell adds what only it can see.
    Heartbeat,
    /// Another sidecar holds the lease: stop, with exit code 6.
    Fenced {
        /// Its lease.
        holder: Box<Lease>,
    },
    /// Everything is given back: the process may end.
    Drained,
    /// Something went wrong that no answer tells: log it.
    Warn {
        /// What, for people.
        what: String,
        /// The record or message that it is about.
        about: Option<Id>,
    },
}
