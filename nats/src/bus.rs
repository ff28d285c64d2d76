//! The bus as sidecars and coordinators use it; the rest of the program knows nothing else of NATS.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use wagglebus_schemas::stream::{Stream, lane_consumer, receipts_consumer};
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp};

pub use crate::connect::Note;
use crate::delivery::{Delivery, Settle};
use crate::error::{FetchError, InfoError, LeaseError, NoAnswer, PublishError, RequestError, SettleError};
use crate::lease::{LeaseRecord, LeaseRef};

/// A bus: NATS JetStream ([`JetStream`](crate::jetstream::JetStream)) or the model in memory
/// ([`Memory`](crate::memory::Memory)). Both pass one suite.
pub trait Bus: Clone + Send + Sync + 'static {
    /// What [`Bus::subscribe`] returns.
    type Notes: Notes;

    /// Hands a record to the connection and returns a future of its ack.
    ///
    /// Records leave in the order of the calls, if each call is awaited before the next one is made; acks may be
    /// awaited later, all at once. The first await is short: it waits for room in the connection's queue, not for the
    /// server.
    ///
    /// After the end of a session every call fails with "not connected" until all acks of that session are awaited or
    /// dropped: whoever publishes learns what was lost before anything can overtake it.
    ///
    /// # Errors
    /// When the record was not handed to the connection, and so is not stored.
    fn send(&self, record: Outgoing) -> impl Future<Output = Result<PubAck, PublishError>> + Send;

    /// Asks a lane for one message; `None` when it has none.
    ///
    /// It may be dropped at any time: what the server hands over after that, or after a
    /// [`NoAnswer::Timeout`], comes as [`Late`].
    ///
    /// # Errors
    /// When it is unknown whether there is a message.
    fn fetch(
        &self,
        lane: &LaneRef,
        shape: FetchShape,
    ) -> impl Future<Output = Result<Option<Delivery>, FetchError>> + Send;

    /// Settles a delivery by its ack subject, in any session, and waits for the confirmation.
    ///
    /// # Errors
    /// When no confirmation came; to repeat it is harmless.
    fn settle(
        &self,
        ack_subject: &str,
        settle: Settle,
    ) -> impl Future<Output = Result<(), SettleError>> + Send;

    /// Asks the server where a lane stands.
    ///
    /// # Errors
    /// When there is no answer, or no such lane.
    fn consumer_info(&self, lane: &LaneRef) -> impl Future<Output = Result<ConsumerState, InfoError>> + Send;

    /// Reads a lease.
    ///
    /// # Errors
    /// When there is no answer.
    fn lease_read(
        &self,
        key: &LeaseRef,
    ) -> impl Future<Output = Result<Option<LeaseRecord>, LeaseError>> + Send;

    /// Writes a lease if its last write is the one with sequence `expected` (0: if there is none), and returns the
    /// sequence of this write.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] when the last write is another one. After a missing answer: read, and compare.
    fn lease_write(
        &self,
        key: &LeaseRef,
        value: Bytes,
        expected: u64,
    ) -> impl Future<Output = Result<u64, LeaseError>> + Send;

    /// Asks a service and waits for its answer.
    ///
    /// # Errors
    /// When there is no answer in time, or the service refused.
    fn request(
        &self,
        subject: &str,
        payload: Bytes,
        within: Duration,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send;

    /// Subscribes to messages that are not stored, across sessions.
    fn subscribe(&self, subject: &str) -> impl Future<Output = Self::Notes> + Send;

    /// Publishes without storage and without an answer (heartbeats).
    ///
    /// # Errors
    /// When there is no session to hand it to.
    fn publish_core(
        &self,
        subject: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), NoAnswer>> + Send;
}

/// A stream of [`Note`]s.
pub trait Notes: Send + 'static {
    /// The next one; `None` once the bus is closed. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Note>> + Send;
}

/// The ack of a publish, to be awaited.
pub type PubAck = Pin<Box<dyn Future<Output = Result<Stored, PublishError>> + Send>>;

/// A record to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub subject: String,
    /// The record's own id, sent as `Nats-Msg-Id`: the same id is stored once within the duplicate window.
    pub id: Id,
    /// The stream that must store it; refused when another one serves the subject.
    pub expected_stream: Option<String>,
    /// Further headers. Values may come from outside: one with a line break is refused.
    pub headers: Vec<(&'static str, String)>,
    /// The record.
    pub payload: Bytes,
    /// Stored only if the subject's last record has this sequence (0: if there is none).
    pub expected_last_subject_seq: Option<u64>,
}

/// Proof that a record is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The stream.
    pub stream: String,
    /// Its place there; for a duplicate that of the first one.
    pub seq: u64,
    /// Whether the id was stored before. At a first attempt that is an alarm: somebody else used the id.
    pub duplicate: bool,
}

/// A durable consumer: one priority of an agent's inbox, or its receipts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneRef {
    /// The stream's name.
    pub stream: String,
    /// The consumer's name.
    pub consumer: String,
}

impl LaneRef {
    /// One priority of an agent's inbox.
    pub fn inbox(hive: &Hive, agent: &AgentId, priority: Priority) -> Self {
        Self {
            stream: Stream::Messages.name(hive),
            consumer: lane_consumer(agent, priority),
        }
    }

    /// An agent's receipts.
    pub fn receipts(hive: &Hive, agent: &AgentId) -> Self {
        Self {
            stream: Stream::Receipts.name(hive),
            consumer: receipts_consumer(agent),
        }
    }
}

impl fmt::Display for LaneRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.consumer)
    }
}

/// How a fetch waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchShape {
    /// Takes what is there, else waits up to `expires` for one message: right after a wake, whose message may be stored
    /// a moment later (TOPOLOGY 4).
    OneShot {
        /// How long; at most [`FetchShape::EXPIRES_MAX`], longer ones are cut.
        expires: Duration,
    },
    /// Takes what is there: for polls.
    NoWait,
}

impl FetchShape {
    /// Longest `expires`: the account import forgets the reply of a longer pull (TOPOLOGY 4).
    pub const EXPIRES_MAX: Duration = Duration::from_secs(5);
    /// Right after a wake.
    pub const AFTER_WAKE: Self = Self::OneShot {
        expires: Duration::from_millis(250),
    };

    pub(crate) fn expires(self) -> Option<Duration> {
        match self {
            Self::OneShot { expires } => Some(expires.min(Self::EXPIRES_MAX)),
            Self::NoWait => None,
        }
    }
}

/// What came of a fetch whose caller had stopped waiting.
///
/// Each fetch that ended in a timeout yields one of these, unless its session ends first.
#[derive(Debug, PartialEq, Eq)]
pub struct Late {
    /// From where.
    pub lane: LaneRef,
    /// The message that was handed over; `None` when the fetch came back empty.
    pub delivery: Option<Delivery>,
}

/// The late answers of a bus.
#[derive(Debug)]
pub struct LateAnswers(pub(crate) mpsc::UnboundedReceiver<Late>);

impl LateAnswers {
    /// The next one; `None` once the bus is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Late> {
        self.0.recv().await
    }
}

/// Where a lane stands, as the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// Stream sequence of the latest message handed over for the first time.
    pub delivered_stream_seq: u64,
    /// Number of the latest hand-over.
    pub delivered_consumer_seq: u64,
    /// Every message up to this stream sequence is settled.
    pub ack_floor_stream_seq: u64,
    /// Every hand-over up to this one is settled.
    pub ack_floor_consumer_seq: u64,
    /// Messages not yet handed over.
    pub num_pending: u64,
    /// Messages handed over and not settled; those with a NAK delay count.
    pub num_ack_pending: u64,
    /// Messages handed over more than once and not settled.
    pub num_redelivered: u64,
    /// The consumer's metadata, such as `wagglebus.joined.<room>`.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// The server's time of the answer, where it tells it.
    pub server_time: Option<Timestamp>,
}
