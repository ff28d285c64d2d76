//! A message in the agent's hands.

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::notice::Notice;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::{Message, Priority, Timestamp};

use crate::effect::Handed;
use crate::event::ReaderId;
use crate::record::Key;

/// Who holds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Whoever knows its lease (long poll).
    Lease,
    /// A stream reader: when it goes, the message goes back.
    Reader(ReaderId),
}

/// A message in the agent's hands.
#[derive(Debug, Clone, PartialEq)]
pub struct Hand {
    /// Its name.
    pub key: Key,
    /// The message.
    pub message: Message,
    /// The message exactly as published.
    pub raw: Bytes,
    /// The subject under which it was published.
    pub subject: String,
    /// Its lane.
    pub priority: Priority,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// The reply subject that settles it.
    pub ack: String,
    /// Which hand-over this is, from 1.
    pub delivery: u32,
    /// Handed over or fetched before.
    pub redelivered: bool,
    /// Who holds it.
    pub holder: Holder,
    /// The channel.
    pub bridge: Bridge,
    /// The opaque text that proves that it is in the caller's hands.
    pub lease: String,
    /// When the lease ends; `None`: with its holder.
    pub lease_until_ms: Option<u64>,
    /// The end of the lease as shown.
    pub lease_expires_at: Timestamp,
    /// The bridge proved the hand-over.
    pub injected: bool,
    /// The agent took note of it.
    pub seen: bool,
    /// It lies in the slot that only `urgent` may use.
    pub in_urgent_slot: bool,
    /// The bridge proved the hand-over and proves no more, but the spool had no room for its end: it is written as soon
    /// as there is room, and meanwhile the message goes nowhere.
    pub unwritten_end: bool,
    /// It came through the pane because a better reader was gone.
    pub fallback: bool,
    /// Why its pane cannot be given it, as last reported.
    pub held: Option<HoldReason>,
    /// When the server must next be told that it is being worked on.
    pub progress_at_ms: u64,
    /// Since when it is in hand.
    pub taken_at_ms: u64,
}

impl Hand {
    /// A stream reader's bridge is still writing it.
    pub const fn is_being_written(&self) -> bool {
        matches!(self.holder, Holder::Reader(_)) && !self.injected
    }

    /// The message as handed over.
    pub fn handed(&self) -> Handed {
        Handed {
            raw: self.raw.clone(),
            lease: self.lease.clone(),
            lease_expires_at: self.lease_expires_at,
            delivery: self.delivery,
            redelivered: self.redelivered,
            notice: Notice::of(&self.message).is_some(),
        }
    }
}
