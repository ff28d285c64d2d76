//! The agent's hands: who wants messages, who holds which, and until when.
//!
//! Nothing is prefetched. [`Inbox::appetite`] says whether one more message can be handed over right now, and of which
//! lanes; only then is one fetched.

mod hand;
pub mod pane;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wagglebus_schemas::{Id, Priority};

pub use hand::{Hand, Holder};
use pane::Pane;
pub use request::Request;

use crate::event::{ReaderId, ReaderKind, TakeRequest, Token};
use crate::record::Key;

/// How often a message in hand is reported as being worked on, in milliseconds: a third of the server's ack_wait.
pub const PROGRESS_MS: u64 = 10_000;
/// Most long polls that wait at once.
pub const REQUESTS_MAX: usize = 64;

/// Which lanes may be fetched from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Appetite {
    /// None: nobody asks, or all slots are taken.
    None,
    /// Only `urgent`: the slots are taken, but the one that only `urgent` may use is free.
    UrgentOnly,
    /// Any.
    Any,
}

/// For whom the next fetched message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A long poll.
    Request(Token),
    /// A stream reader.
    Reader(ReaderId),
}

/// Time without a reader or a request after which nothing is left that could bring the agent a message, in milliseconds.
/// An agent that asks again and again is not away in between.
pub const UNATTENDED_MS: u64 = 5_000;

/// Readers, waiting requests and messages in hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbox {
    slots: usize,
    requests: VecDeque<Request>,
    readers: BTreeMap<ReaderId, ReaderKind>,
    /// Readers that take nothing new.
    paused: BTreeSet<ReaderId>,
    /// The reader that is a terminal pane.
    pane: Option<Pane>,
    hands: BTreeMap<Key, Hand>,
    /// When somebody last wanted a message, or had one.
    wanted_ms: Option<u64>,
}

impl Inbox {
    /// An inbox whose agent works on at most `slots` messages at once, beside one urgent.
    pub fn new(slots: usize) -> Self {
        Self {
            slots: slots.max(1),
            requests: VecDeque::new(),
            readers: BTreeMap::new(),
            paused: BTreeSet::new(),
            pane: None,
            hands: BTreeMap::new(),
            wanted_ms: None,
        }
    }

    /// Takes note of whether somebody wants a message now, or has one.
    pub fn notice(&mut self, now_ms: u64) {
        let wanted = !self.requests.is_empty() || !self.readers.is_empty() || !self.hands.is_empty();
        if wanted || self.wanted_ms.is_none() {
            self.wanted_ms = Some(now_ms);
        }
    }

    /// Whether nobody has asked for messages for so long that only the agent itself can change that.
    pub fn is_unattended(&self, now_ms: u64) -> bool {
        self.wanted_ms
            .is_some_and(|wanted| now_ms.saturating_sub(wanted) >= UNATTENDED_MS)
    }

    /// A long poll begins to wait.
    ///
    /// # Errors
    /// Gives the request back when too many wait already.
    pub fn ask(&mut self, now_ms: u64, take: TakeRequest) -> Result<(), TakeRequest> {
        if self.requests.len() >= REQUESTS_MAX {
            return Err(take);
        }
        self.requests.push_back(Request::new(now_ms, take));
        Ok(())
    }

    /// A client is gone: its request ends. Returns the messages that it had collected.
    pub fn forget(&mut self, token: Token) -> Vec<Key> {
        let Some(at) = self.requests.iter().position(|request| request.token() == token) else {
            return Vec::new();
        };
        self.requests
            .remove(at)
            .map(Request::into_collected)
            .unwrap_or_default()
    }

    /// A stream reader is there.
    pub fn open(&mut self, reader: ReaderId, kind: ReaderKind) {
        self.readers.insert(reader, kind);
        match kind.pane {
            Some(kind) => self.pane = Some(Pane::new(reader, kind)),
            None => self.pane.iter_mut().for_each(|pane| pane.set_fallback(false)),
        }
    }

    /// A stream reader's connection is gone, or there again.
    pub fn pause(&mut self, reader: ReaderId, paused: bool) {
        if paused && self.readers.contains_key(&reader) {
            self.paused.insert(reader);
        } else {
            self.paused.remove(&reader);
        }
    }

    /// A stream reader is gone. Returns the messages that it held.
    pub fn close(&mut self, reader: ReaderId) -> Vec<Key> {
        let was_there = self.readers.remove(&reader).is_some();
        self.paused.remove(&reader);
        self.pane = self.pane.take().filter(|pane| pane.reader() != reader);
        self.pane
            .iter_mut()
            .filter(|_| was_there)
            .for_each(|pane| pane.set_fallback(true));
        let held = self
            .hands
            .values()
            .filter(|hand| hand.holder == Holder::Reader(reader) && !hand.unwritten_end);
        held.map(|hand| hand.key.clone()).collect()
    }

    /// How a reader takes messages.
    pub fn reader(&self, reader: ReaderId) -> Option<ReaderKind> {
        self.readers.get(&reader).copied()
    }

    /// Every reader that is open.
    pub fn readers(&self) -> impl Iterator<Item = (ReaderId, ReaderKind)> + '_ {
        self.readers.iter().map(|(id, kind)| (*id, *kind))
    }

    /// Which lanes may be fetched from now, and for whom: who may take anything goes before who may only take an urgent.
    pub fn appetite(&self) -> (Appetite, Option<Taker>) {
        let requests = self
            .requests
            .iter()
            .map(|request| (self.request_appetite(request), Taker::Request(request.token())));
        let readers = self.present().map(|(id, kind)| {
            let appetite = self.room(kind.slots, |hand| hand.holder == Holder::Reader(*id));
            (appetite, Taker::Reader(*id))
        });
        let pane = self.pane.as_ref().map(|pane| {
            let appetite = self.pane_room().min(pane.appetite());
            (appetite, Taker::Reader(pane.reader()))
        });
        let mut urgent = None;
        for (appetite, taker) in requests.chain(readers).chain(pane) {
            match appetite {
                Appetite::Any => return (Appetite::Any, Some(taker)),
                Appetite::UrgentOnly => urgent = urgent.or(Some(taker)),
                Appetite::None => {}
            }
        }
        match urgent {
            Some(taker) => (Appetite::UrgentOnly, Some(taker)),
            None => (Appetite::None, None),
        }
    }

    /// Whether `taker` has nothing in the slot that only `urgent` may use.
    pub fn is_urgent_slot_free(&self, taker: Taker) -> bool {
        let mut extra = self.hands.values().filter(|hand| hand.in_urgent_slot);
        !extra.any(|hand| match taker {
            Taker::Request(_) => hand.holder == Holder::Lease,
            Taker::Reader(reader) => hand.holder == Holder::Reader(reader),
        })
    }

    fn request_appetite(&self, request: &Request) -> Appetite {
        if request.is_full() {
            return Appetite::None;
        }
        // A request that began with a free slot may take more than the slots: up to its `max` of what waits now.
        if request.is_collecting() {
            return Appetite::Any;
        }
        self.room(self.slots, |hand| matches!(hand.holder, Holder::Lease))
    }

    /// Readers that take messages as they come: connected, and no panes.
    fn present(&self) -> impl Iterator<Item = (&ReaderId, &ReaderKind)> {
        let present = self.readers.iter().filter(|(id, _)| !self.paused.contains(id));
        present.filter(|(_, kind)| kind.pane.is_none())
    }

    /// What the pane has room for, whatever its screen shows. A better reader goes before it.
    pub fn pane_room(&self) -> Appetite {
        let open = self
            .pane
            .as_ref()
            .filter(|pane| !self.paused.contains(&pane.reader()));
        match open {
            Some(pane) if self.present().next().is_none() => {
                self.room(1, |hand| hand.holder == Holder::Reader(pane.reader()))
            }
            Some(_) | None => Appetite::None,
        }
    }

    /// The pane, if the agent has one.
    pub const fn pane(&self) -> Option<&Pane> {
        self.pane.as_ref()
    }

    /// The pane, to be changed.
    pub const fn pane_mut(&mut self) -> Option<&mut Pane> {
        self.pane.as_mut()
    }

    /// Lets the time take effect.
    pub fn advance(&mut self, now_ms: u64) {
        self.pane.iter_mut().for_each(|pane| pane.advance(now_ms));
    }

    fn room(&self, slots: usize, holds: impl Fn(&Hand) -> bool) -> Appetite {
        let held = self.hands.values().filter(|hand| holds(hand));
        let (extra, regular): (Vec<_>, Vec<_>) = held.partition(|hand| hand.in_urgent_slot);
        if regular.len() < slots {
            Appetite::Any
        } else if extra.is_empty() {
            Appetite::UrgentOnly
        } else {
            Appetite::None
        }
    }

    /// Puts a fetched message into the hands of `taker`, who has this appetite.
    pub fn hold(&mut self, now_ms: u64, taker: Taker, mut hand: Hand, appetite: Appetite) {
        if let Taker::Request(token) = taker
            && let Some(request) = self.requests.iter_mut().find(|request| request.token() == token)
        {
            request.collect(now_ms, hand.key.clone(), appetite);
        }
        hand.in_urgent_slot = appetite == Appetite::UrgentOnly;
        self.hands.insert(hand.key.clone(), hand);
    }

    /// A request that can be answered, with the messages that it collected: it is full, or nothing more waits for it.
    pub fn answerable(&mut self, now_ms: u64, quiet: bool) -> Option<(Token, Vec<Key>)> {
        let at = self
            .requests
            .iter()
            .position(|request| request.is_answerable(now_ms, quiet))?;
        let request = self.requests.remove(at)?;
        Some((request.token(), request.into_collected()))
    }

    /// The messages that waiting requests have collected: they are not handed over yet.
    pub fn collected(&self) -> impl Iterator<Item = &Key> {
        self.requests.iter().flat_map(Request::collected)
    }

    /// How long the messages of a waiting request are leased, in milliseconds.
    pub fn lease_ms(&self, token: Token) -> Option<u64> {
        self.requests
            .iter()
            .find(|request| request.token() == token)
            .map(Request::lease_ms)
    }

    /// Ends every waiting request.
    pub fn close_requests(&mut self) -> Vec<(Token, Vec<Key>)> {
        self.requests
            .drain(..)
            .map(|request| (request.token(), request.into_collected()))
            .collect()
    }

    /// A message in hand.
    pub fn hand(&self, key: &Key) -> Option<&Hand> {
        self.hands.get(key)
    }

    /// A message in hand, to be changed.
    pub fn hand_mut(&mut self, key: &Key) -> Option<&mut Hand> {
        self.hands.get_mut(key)
    }

    /// The message in hand that has this sequence in the stream.
    pub fn hand_at(&mut self, stream_seq: u64) -> Option<&mut Hand> {
        self.hands.values_mut().find(|hand| hand.stream_seq == stream_seq)
    }

    /// The message of this id in hand that a lease belongs to; without a lease the first, as several senders may have
    /// used the id.
    pub fn find(&self, id: Id, lease: Option<&str>) -> Option<&Hand> {
        let mut hands = self.hands.values().filter(|hand| hand.key.id == id);
        match lease {
            Some(lease) => hands.find(|hand| hand.lease == lease),
            None => hands.next(),
        }
    }

    /// Takes a message out of the agent's hands.
    pub fn release(&mut self, key: &Key) -> Option<Hand> {
        for request in &mut self.requests {
            request.drop_collected(key);
        }
        self.hands.remove(key)
    }

    /// All messages in hand.
    pub fn hands(&self) -> impl Iterator<Item = &Hand> {
        self.hands.values()
    }

    /// Messages whose lease is over.
    pub fn expired(&self, now_ms: u64) -> Vec<Key> {
        let over =
            |hand: &&Hand| hand.lease_until_ms.is_some_and(|until| until <= now_ms) && !hand.unwritten_end;
        self.hands
            .values()
            .filter(over)
            .map(|hand| hand.key.clone())
            .collect()
    }

    /// Ack subjects of messages that the server must be told are still being worked on.
    pub fn progress_due(&mut self, now_ms: u64) -> Vec<String> {
        let mut due = Vec::new();
        for hand in self.hands.values_mut() {
            if hand.progress_at_ms <= now_ms {
                hand.progress_at_ms = now_ms.saturating_add(PROGRESS_MS);
                due.push(hand.ack.clone());
            }
        }
        due
    }

    /// When [`progress_due`](Self::progress_due) next returns something.
    pub fn next_progress(&self) -> Option<u64> {
        self.hands.values().map(|hand| hand.progress_at_ms).min()
    }

    /// When a lease or the patience of a request ends next.
    pub fn next_timer(&self, now_ms: u64) -> Option<u64> {
        let leases = self.hands.values().filter(|hand| !hand.unwritten_end);
        let requests = self.requests.iter().map(|request| request.next_timer(now_ms));
        leases
            .filter_map(|hand| hand.lease_until_ms)
            .chain(requests)
            .chain(self.pane.as_ref().and_then(|pane| pane.next_timer(now_ms)))
            .min()
    }

    /// Age of the oldest message in hand of a lane, in milliseconds.
    pub fn oldest_ms(&self, lane: Priority, now_ms: u64) -> Option<u64> {
        let ages = self.hands.values().filter(|hand| hand.priority == lane);
        ages.map(|hand| now_ms.saturating_sub(hand.taken_at_ms)).max()
    }
}
