//! Entries of the ledger: what the records of one message add up to.
//!
//! Every merge is commutative and idempotent: records may arrive in any order and twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wagglebus_schemas::Timestamp;

use crate::journal::Location;
use crate::record::{Closed, HandOver, Key, Out, OutKind, Outcome};

/// Everything known of one outgoing record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutEntry {
    /// Its head; `None` while only later facts have been met.
    pub head: Option<Arc<Out>>,
    /// Its body in the spool; `None` once given up.
    pub body: Option<Location>,
    /// Its sequence in the stream, once stored.
    pub seq: Option<u64>,
    /// When that was acknowledged, where it is known.
    pub stored_at: Option<Timestamp>,
    /// Why it needs no further care.
    pub closed: Option<Closed>,
}

impl OutEntry {
    pub(super) fn merge(&mut self, head: Arc<Out>, location: Location) {
        if !head.forgotten {
            self.body = self.body.max(Some(location));
        }
        self.head.get_or_insert(head);
    }

    /// A message of the agent, to an agent or a room.
    pub fn is_message(&self) -> bool {
        self.head.as_ref().is_some_and(|head| match head.kind {
            OutKind::Message | OutKind::Room => true,
            OutKind::Receipt | OutKind::DeadLetter | OutKind::Report | OutKind::Command => false,
        })
    }

    /// Accepted, but acknowledged by no stream yet and not refused.
    pub fn is_unstored(&self) -> bool {
        self.head.is_some() && self.seq.is_none() && self.closed.is_none()
    }

    /// A command about a task.
    pub fn is_command(&self) -> bool {
        self.head
            .as_ref()
            .is_some_and(|head| head.kind == OutKind::Command)
    }

    /// A stored message to an agent of which no receipt of `injected` or more is known, or a stored command without a
    /// verdict.
    pub fn is_unreceipted(&self) -> bool {
        let awaited = self
            .head
            .as_ref()
            .is_some_and(|head| matches!(head.kind, OutKind::Message | OutKind::Command));
        awaited && self.seq.is_some() && self.closed.is_none()
    }

    /// The incoming message whose end it tells.
    pub(super) fn told(&self) -> Option<&Key> {
        self.head.as_ref()?.then_ack.as_ref()?.key.as_ref()
    }

    /// Nothing more will be done for it.
    pub fn is_finished(&self) -> bool {
        self.head.is_some() && !self.is_unstored() && !self.is_unreceipted()
    }
}

/// The end of a hand-over after which a message comes again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GivenBack {
    /// When.
    pub at: Timestamp,
    /// Why, for people.
    pub why: Option<String>,
}

/// Everything known of one incoming message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InEntry {
    /// The latest hand-over; `None` while only later facts have been met.
    pub head: Option<HandOver>,
    /// Its body in the spool; `None` once given up.
    pub body: Option<Location>,
    /// The agent took note of it.
    pub seen: bool,
    /// The last hand-over after which it was given back.
    pub returned: u32,
    /// Until when the server keeps it back after that.
    pub returned_until: Option<Timestamp>,
    /// Hand-overs that came no further than the bridge.
    pub untouched: BTreeSet<u32>,
    /// When and why it was given back after other hand-overs, by their number.
    pub given_back: BTreeMap<u32, GivenBack>,
    /// How and when it ended.
    pub ended: Option<(Outcome, Timestamp)>,
    /// The server confirmed its ack.
    pub acked: bool,
}

impl InEntry {
    pub(super) fn merge(&mut self, head: HandOver, location: Location) {
        if !head.bodiless {
            self.body = self.body.max(Some(location));
        }
        // The hand-over itself breaks the tie of two records with one number, so that order does not matter.
        let rank = |h: &HandOver| (h.delivery, h.at, h.ack.clone());
        if self.head.as_ref().is_none_or(|known| rank(known) < rank(&head)) {
            self.head = Some(head);
        }
    }

    pub(super) fn give_back(&mut self, delivery: u32, until: Option<Timestamp>, untouched: bool) {
        if untouched {
            self.untouched.insert(delivery);
        }
        // One number breaks the tie by the later time, so that order does not matter.
        if (self.returned, self.returned_until) < (delivery, until) {
            (self.returned, self.returned_until) = (delivery, until);
        }
    }

    /// Of two records with one number the later wins, so that order does not matter.
    pub(super) fn remember_return(&mut self, delivery: u32, given_back: GivenBack) {
        let known = self.given_back.entry(delivery);
        let known = known.or_insert_with(|| given_back.clone());
        if *known < given_back {
            *known = given_back;
        }
    }

    /// How often it was handed over.
    pub fn deliveries(&self) -> u32 {
        self.head.as_ref().map_or(0, |head| head.delivery)
    }

    /// How often the agent may have got it: hand-overs that came further than the bridge.
    pub fn attempts(&self) -> u32 {
        let untouched = u32::try_from(self.untouched.len()).unwrap_or(u32::MAX);
        self.deliveries().saturating_sub(untouched)
    }

    /// It is never handed over again.
    pub const fn has_ended(&self) -> bool {
        // Only what has ended is acked, and the record of the end may be forgotten before that of the ack.
        self.ended.is_some() || self.acked
    }

    /// Handed over, and neither given back nor ended since: in the agent's hands, or lost with a former process.
    pub fn is_held(&self) -> bool {
        !self.has_ended() && self.deliveries() > self.returned
    }

    /// Ended and acked: nothing more will be done for it.
    pub const fn is_finished(&self) -> bool {
        self.acked
    }

    /// Something is known of it, and it is not finished.
    pub(super) const fn is_open(&self) -> bool {
        (self.head.is_some() || self.ended.is_some()) && !self.acked
    }
}
