//! The peek: what waits for an agent, without taking any of it.

use serde::{Deserialize, Serialize};
use wagglebus_schemas::{Message, Timestamp};

/// Answer of `GET /v1/inbox/peek`: no slot is taken, no hand-over counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxPeek {
    /// What the sidecar has fetched and not settled.
    pub in_hand: Vec<InHand>,
    /// What still lies in the stream, as last told by the server.
    pub pending: PendingCounts,
}

/// A message that was fetched and is not settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
