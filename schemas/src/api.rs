//! Bodies of the local API: what a sidecar answers and what it is asked (WIRE, Sidecar API).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::AgentControl;
use crate::id::{AgentId, Id, RoomName};
use crate::level::Level;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

/// Answer to a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SendAnswer {
    /// The message's id.
    pub id: Id,
    /// Its conversation.
    pub conversation_id: Id,
    /// The level reached: `stored` with 201, `accepted` with 202, or the higher one asked for.
    pub level: Level,
    /// Its sequence in `WB_MESSAGES`, once stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_seq: Option<u64>,
    /// True when this id and body were sent before.
    pub duplicate: bool,
    /// `recipient_unverified` when no roster could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// True when no coordinator answered and the agent for a capability was chosen by an old roster; else absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// The value of [`SendAnswer::warning`].
pub const RECIPIENT_UNVERIFIED: &str = "recipient_unverified";

/// A room, as one agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    /// Its name; as a recipient it is written `room:<name>`.
    pub name: RoomName,
    /// Who is in it, by name.
    pub members: Vec<AgentId>,
    /// Last sequence of `WB_MESSAGES` at the asker's join; null when the asker is not in it.
    pub joined_seq: Option<u64>,
}

/// Body of `wb.api.join` and `wb.api.leave`; over HTTP the room stands in the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomRequest {
    /// The room.
    pub room: RoomName,
}

/// Answer to a join or a leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomAnswer {
    /// The room.
    pub name: RoomName,
    /// Posts above this sequence of `WB_MESSAGES` are the member's; null after a leave.
    pub joined_seq: Option<u64>,
}

/// A message in the agent's hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "InboxItem")]
pub struct InboxItem {
    /// The message as published.
    pub message: Message,
    /// Opaque proof that this hand-over is the caller's; needed to settle it.
    pub lease: String,
    /// When the message goes back to its lane unless settled or extended.
    pub lease_expires_at: Timestamp,
    /// Which hand-over this is, from 1.
    pub delivery: u32,
    /// True when it was handed over or fetched before.
    pub redelivered: bool,
}

/// Answer to a long poll of the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InboxAnswer {
    /// The messages, in lane order; empty after the timeout.
    pub messages: Vec<InboxItem>,
}

/// Answer of `GET /v1/inbox/peek`: no slot is taken, no hand-over counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InboxPeek {
    /// What the sidecar has fetched and not settled.
    pub in_hand: Vec<InHand>,
    /// What still lies in the stream, as last told by the server.
    pub pending: PendingCounts,
    /// What still lies in the stream, too, but is never handed over: it has ended, because the agent has read it
    /// elsewhere.
    #[serde(default)]
    pub ended: Vec<MessageKey>,
}

/// What tells a message from all others: ids of different senders may be equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MessageKey {
    /// Who wrote it.
    pub from_agent: AgentId,
    /// Its id.
    pub id: Id,
}

/// A message that was fetched and is not settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InHand {
    /// The message as published.
    pub message: Message,
    /// The lease of its hand-over; absent when it was not handed over by lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The end of that lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_expires_at: Option<Timestamp>,
    /// How often it was handed over.
    pub delivery: u32,
}

/// Messages that wait, by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PendingCounts {
    /// Of the urgent lane.
    pub urgent: u64,
    /// Of the high lane.
    pub high: u64,
    /// Of the normal lane.
    pub normal: u64,
    /// Of the low lane.
    pub low: u64,
}

impl PendingCounts {
    /// Of all lanes.
    pub const fn total(&self) -> u64 {
        self.urgent
            .saturating_add(self.high)
            .saturating_add(self.normal)
            .saturating_add(self.low)
    }
}

/// Body of an ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AckRequest {
    /// The lease of the hand-over.
    pub lease: String,
    /// False: seen, but still worked on; lease and slot stay. Absent: true.
    #[serde(default = "yes")]
    pub done: bool,
}

const fn yes() -> bool {
    true
}

/// Answer to an ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AckAnswer {
    /// The message.
    pub id: Id,
    /// The level reached.
    pub level: Level,
}

/// Body of a `read`: the message was read by another way than a hand-over, such as in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadRequest {
    /// Who wrote the message.
    pub from_agent: AgentId,
}

/// Body of a nak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NakRequest {
    /// The lease of the hand-over.
    pub lease: String,
    /// When to try again, in milliseconds, at most 3,600,000. Absent: 1,000.
    #[serde(default = "one_second")]
    pub delay_ms: u64,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

const fn one_second() -> u64 {
    1_000
}

/// Answer to a nak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NakAnswer {
    /// The message.
    pub id: Id,
}

/// Body of a progress report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressRequest {
    /// The lease of the hand-over.
    pub lease: String,
    /// By how many seconds from now the lease shall last. Absent: 60.
    #[serde(default = "one_minute")]
    pub extend: u64,
}

const fn one_minute() -> u64 {
    60
}

/// Answer to a progress report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressAnswer {
    /// The new end of the lease.
    pub lease_expires_at: Timestamp,
}

/// Answer to a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// The message.
    pub message: Message,
    /// Its receipts in the order of arrival.
    pub receipts: Vec<Receipt>,
    /// The highest level reached.
    pub level: Level,
    /// One sentence that says where it stands and why.
    pub explanation: String,
    /// What the asked sidecar itself knows beside the receipts, in the order of time.
    #[serde(default)]
    pub steps: Vec<TraceStep>,
}

vocabulary! {
    /// What a sidecar did with a message, or was told by its agent.
    TraceStepKind, "step of a trace" {
        /// The stream acknowledged it.
        Stored = "stored",
        /// It was handed to the agent; only the last hand-over is kept.
        HandedOver = "handed_over",
        /// It was given back after a hand-over, by the agent or because nobody held it any more.
        GivenBack = "given_back",
        /// The agent is done with it.
        Done = "done",
        /// It was filed as a dead letter.
        Dead = "dead",
    }
}

/// A step of a trace that no receipt tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TraceStep {
    /// What happened.
    pub step: TraceStepKind,
    /// When, by the sidecar's clock.
    pub at: Timestamp,
    /// Which hand-over, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u32>,
    /// Why it was given back, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Whether every check is `ok`.
    pub ready: bool,
    /// The checks.
    pub checks: ReadinessChecks,
    /// What the operator wants of the agent, as its sidecar knows it; absent: nothing was ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<AgentControl>,
}

/// The checks of [`Readiness`]: each `ok` or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadinessChecks {
    /// Connection to NATS.
    pub bus: String,
    /// The spool's disk and bounds.
    pub spool: String,
    /// The agent's lease.
    pub lease: String,
}

/// Answer of `POST /v1/tickets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// To be sent as the parameter `ticket`, once.
    pub ticket: String,
    /// When it counts no more.
    pub expires_at: Timestamp,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}
