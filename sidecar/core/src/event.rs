//! Everything that can happen to a sidecar. Results of effects come back here too.

use std::collections::BTreeMap;

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::control::AgentControl;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::{AgentId, Draft, Id, Level, Priority, RoomName, Timestamp};

pub use crate::caller::{ReaderId, Token};
pub use crate::command::CommandRequest;
use crate::effect::Settlement;
pub use crate::inbox::pane::{Inject, PaneKind, Standing};
use crate::record::Key;

/// A message or receipt as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its subject.
    pub subject: String,
    /// Its `Nats-Msg-Id`.
    pub msg_id: Option<String>,
    /// Its body.
    pub payload: Bytes,
    /// The reply subject that settles it.
    pub ack: String,
    /// How often the server delivered it, from 1.
    pub num_delivered: u64,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// How many more wait behind it.
    pub pending: u64,
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// A message.
    Got(Box<Fetched>),
    /// The server said that nothing waits.
    Empty,
    /// No answer, or an error: the server may have counted a delivery that nobody holds.
    Failed,
}

/// What came of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The stream acknowledged it.
    Stored {
        /// Its sequence there.
        seq: u64,
        /// The stream held its id before.
        duplicate: bool,
    },
    /// No answer or a passing refusal: it may or may not be stored; to be published again under its own id.
    Retry,
    /// The server refuses it for good.
    Refused {
        /// Why, for people.
        why: String,
    },
}

/// What came of asking for a lane's consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    /// How many messages wait.
    pub pending: u64,
    /// The ack subjects of deliveries that the server counted but nobody holds (DESIGN 3.3, lost hand-overs).
    pub lost: Vec<String>,
    /// The rooms of the lane, and from which sequence on each counts.
    pub joined: BTreeMap<RoomName, u64>,
    /// The server's time of the answer, where it tells it.
    pub server_time: Option<Timestamp>,
}

/// What came of asking the coordinator how this agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlAnswer {
    /// So.
    Stands(AgentControl),
    /// It answered, but does not keep that.
    Unsaid,
    /// Nobody answered, or nobody who knows this agent yet.
    Silent,
}

/// What came of touching the agent's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The lease as it stands, with its sequence; `None` when nobody has it.
    Read(Option<(Lease, u64)>),
    /// Written, under this sequence.
    Written(u64),
    /// Not written: the key has another last sequence than expected.
    Conflict,
    /// No answer: it may or may not be written.
    Failed,
}

/// A request to send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendRequest {
    /// Who waits for the answer.
    pub token: Token,
    /// What to send, as the agent gave it.
    pub draft: Draft,
    /// The agent that the draft's recipient turned out to be; needed for a capability.
    pub addressee: Option<AgentId>,
    /// A name under which a repeat is the same message.
    pub idempotency_key: Option<String>,
    /// No roster could be asked whether the recipient exists.
    pub unverified: bool,
    /// The level to wait for; `None`: the first of stored and accepted.
    pub wait: Option<Level>,
    /// How long to wait, in milliseconds.
    pub timeout_ms: u64,
}

/// A request for messages (long poll).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeRequest {
    /// Who waits for the answer.
    pub token: Token,
    /// How many messages at most, 1 to 32.
    pub max: usize,
    /// How long to wait for the first, in milliseconds.
    pub timeout_ms: u64,
    /// How long each message is leased, in milliseconds.
    pub lease_ms: u64,
}

/// How a stream reader takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderKind {
    /// Its bridge.
    pub bridge: Bridge,
    /// How many messages it holds at most, beside one urgent.
    pub slots: usize,
    /// The hand-over itself ends the message: the reader gives no sign of its own.
    pub auto: bool,
    /// How long each message is leased, in milliseconds; `None`: as long as the reader lives.
    pub lease_ms: Option<u64>,
    /// It is a terminal pane, which takes only what its screen allows.
    pub pane: Option<PaneKind>,
}

/// What the bridge of a terminal pane tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaneNews {
    /// A look showed this.
    Seen(Standing),
    /// A message that the pane was given cannot be put into it yet, for this reason; `None`: it goes on.
    Holds {
        /// Which.
        key: Key,
        /// Why.
        reason: Option<HoldReason>,
    },
    /// A message that the pane was given comes back.
    Returns {
        /// Which.
        key: Key,
        /// Nothing of it was put in: this was no hand-over.
        untouched: bool,
    },
    /// A nudge was put in.
    Nudged {
        /// Its number; 0 where a former process had begun it.
        number: u64,
    },
}

/// A verb on a message in the agent's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Took note of it, and finished with it when `done`.
    Ack {
        /// Finished.
        done: bool,
    },
    /// Could not work on it; to be tried again.
    Nak {
        /// When, in milliseconds from now.
        delay_ms: u64,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Read it by another way than a hand-over, and is done with it.
    ReadElsewhere {
        /// Who wrote it: it may have been handed over by nobody yet, so the id alone does not name it.
        from: AgentId,
    },
    /// Still works on it.
    Progress {
        /// The lease shall last so long from now, in milliseconds.
        extend_ms: u64,
    },
}

/// Everything that can happen to a sidecar.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The connection to NATS is there (again).
    BusUp,
    /// The connection to NATS is gone, and with it every awaited answer: one that comes nevertheless must be told
    /// before the next [`BusUp`](Event::BusUp), or not at all.
    BusDown,
    /// A lane's consumer answered.
    LaneChecked {
        /// Which lane.
        lane: Priority,
        /// What it said; `None`: no answer.
        state: Option<LaneState>,
    },
    /// The receipts' consumer answered.
    ReceiptsChecked {
        /// What it said; `None`: no answer.
        state: Option<LaneState>,
    },
    /// The coordinator was asked how this agent stands.
    ControlAsked {
        /// What it said.
        answer: ControlAnswer,
    },
    /// The server said no to a question about a consumer, as it does when there is none.
    ConsumerRefused {
        /// Of which lane; `None`: of the receipts.
        lane: Option<Priority>,
        /// In its words.
        why: String,
    },
    /// A wake announced a message.
    Woken {
        /// In which lane.
        lane: Priority,
        /// Its sequence, when the wake says so.
        stream_seq: Option<u64>,
    },
    /// A wake announced a receipt.
    ReceiptWoken {
        /// Its sequence, when the wake says so.
        stream_seq: Option<u64>,
    },
    /// A fetch of a lane ended.
    LaneFetched {
        /// Which lane.
        lane: Priority,
        /// What came of it.
        outcome: FetchOutcome,
    },
    /// A fetch of receipts ended.
    ReceiptFetched {
        /// What came of it.
        outcome: FetchOutcome,
    },
    /// A fetch that had been given up was answered after all.
    FetchedLate {
        /// What it brought.
        fetched: Box<Fetched>,
        /// The lane; `None`: receipts.
        lane: Option<Priority>,
    },
    /// A publish ended.
    Published {
        /// Which record.
        id: Id,
        /// What came of it.
        outcome: PublishOutcome,
    },
    /// A settlement ended.
    Settled {
        /// The reply subject that was used.
        ack: String,
        /// How it was settled.
        settlement: Settlement,
        /// Whether the server confirmed it.
        confirmed: bool,
    },
    /// The lease was touched.
    Lease(LeaseOutcome),
    /// Everything appended up to this position survives a power cut.
    Synced {
        /// See [`crate::journal::Written::position`].
        position: u64,
    },
    /// The disk failed to sync: nothing more can be accepted.
    SpoolFailed {
        /// Why, for people.
        why: String,
    },
    /// The agent sends.
    Send(Box<SendRequest>),
    /// The agent commands something about a task.
    Command(Box<CommandRequest>),
    /// The agent asks for messages.
    Take(TakeRequest),
    /// A request's client is gone: its answer would be read by nobody.
    Gone {
        /// Whose.
        token: Token,
    },
    /// A stream reader is there.
    ReaderOpened {
        /// Which.
        reader: ReaderId,
        /// How it takes messages.
        kind: ReaderKind,
    },
    /// A stream reader's connection is gone, or there again: it keeps what it holds, and takes nothing new meanwhile.
    ReaderPaused {
        /// Which.
        reader: ReaderId,
        /// Gone.
        paused: bool,
    },
    /// A stream reader is gone: what it held goes back. A hand-over that was completed is told before.
    ReaderClosed {
        /// Which.
        reader: ReaderId,
    },
    /// A hand-over to a stream reader was written and verified.
    Injected {
        /// To whom.
        reader: ReaderId,
        /// Which message.
        key: Key,
    },
    /// The agent joined or left a room: since when its posts count must be asked anew.
    RoomChanged {
        /// Which.
        room: RoomName,
    },
    /// A terminal pane tells something.
    Pane {
        /// Whose reader.
        reader: ReaderId,
        /// What.
        news: PaneNews,
    },
    /// The agent settles or extends a message.
    Verb {
        /// Who waits for the answer.
        token: Token,
        /// The message.
        id: Id,
        /// Its lease; `None`: the current one, where the channel itself proves who speaks.
        lease: Option<String>,
        /// What.
        verb: Verb,
    },
    /// Nothing happened but time passing.
    Tick,
    /// Shut down: take nothing new, give back what is not finished.
    Drain,
}

/// Who a sidecar speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The agent.
    pub agent: AgentId,
    /// This life of the process.
    pub instance: Id,
    /// The state folder.
    pub state_id: Id,
    /// Host name, for people.
    pub host: String,
    /// Process id, for people.
    pub pid: u32,
}
