//! The fold of the spool's records: what was sent, handed over and settled.
//!
//! The same code runs at start, over every record that the spool holds, and afterwards over each new one.

mod entry;
mod places;
mod retention;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::page::Place;
use wagglebus_schemas::{Id, Level, Timestamp};

pub use entry::{GivenBack, InEntry, OutEntry};
use places::relocate;
pub use places::{Direction, Side, Stretch, Told};
pub use retention::{
    COUNT_MAX, HISTORY_BYTES_MAX, KEPT_MS, KEPT_UNBROUGHT_MS, Keep, UNRECEIPTED_BYTES_MAX, UNRECEIPTED_MS_MAX,
};
use tasks::Tasks;

use crate::control::Controls;
use crate::journal::Location;
use crate::record::{Key, Out, Record, TaskFact, ThenAck};

/// A receipt that arrived about one of our messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptEntry {
    /// Its body in the spool.
    pub body: Location,
    /// What it says.
    pub level: ReceiptLevel,
    /// When it arrived.
    pub at: Timestamp,
}

/// What the ledger remembers under one name, in the order of age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Out(Id),
    In(Key),
}

/// The fold of all records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    out: BTreeMap<Id, OutEntry>,
    inn: BTreeMap<Key, InEntry>,
    /// Incoming messages that are not finished.
    open: BTreeSet<Key>,
    /// Incoming messages whose end waits in an outgoing record to be stored.
    telling: BTreeSet<(Key, Id)>,
    receipts: BTreeMap<Id, BTreeMap<Id, ReceiptEntry>>,
    /// Outgoing records that no stream has acknowledged, in the order of acceptance.
    unstored: BTreeMap<u64, Id>,
    unstored_bytes: u64,
    /// Stored messages without a receipt, in the order of acceptance.
    unreceipted: BTreeMap<u64, Id>,
    unreceipted_bytes: u64,
    /// Messages whose body is kept, in the order of the stream.
    places: BTreeSet<(Place, Name)>,
    /// Everything, oldest first.
    ages: VecDeque<(Timestamp, Name)>,
    /// Finished entries whose body is still kept, oldest first.
    history: VecDeque<Name>,
    history_bytes: u64,
    next_order: u64,
    idempotency: BTreeMap<String, Id>,
    tasks: Tasks,
    controls: Controls,
}

impl Ledger {
    /// Folds the records of a spool, in any order.
    pub fn fold(records: impl IntoIterator<Item = (Record, Location)>) -> Self {
        let mut ledger = Self::default();
        for (record, location) in records {
            ledger.apply(record, location);
        }
        ledger.settle_after_fold();
        ledger
    }

    /// Adds one fact. `location` is where its body lies.
    pub fn apply(&mut self, record: Record, location: Location) {
        match record {
            Record::Out(head) => self.apply_out(head, location),
            Record::OutStored { id, seq, at } => self.change_out(id, |entry| {
                entry.seq = entry.seq.max(Some(seq));
                entry.stored_at = entry.stored_at.max(at);
            }),
            Record::OutClosed { id, why } => {
                self.change_out(id, |entry| entry.closed = entry.closed.max(Some(why)))
            }
            Record::HandOver(head) => {
                let (key, at) = (head.key.clone(), head.at);
                if !self.inn.contains_key(&key) {
                    self.ages.push_back((at, Name::In(key.clone())));
                }
                self.change_in(key, |entry| entry.merge(head, location));
            }
            Record::Returned {
                key,
                delivery,
                until,
                untouched,
                at,
                why,
            } => self.change_in(key, |entry| {
                entry.give_back(delivery, until, untouched);
                if let Some(at) = at.filter(|_| !untouched) {
                    entry.remember_return(delivery, GivenBack { at, why });
                }
            }),
            Record::Task(fact) => self.tasks.merge(fact),
            Record::Control(fact) => self.controls.merge(fact),
            Record::Seen { key } => self.change_in(key, |entry| entry.seen = true),
            Record::Acked { key } => self.change_in(key, |entry| entry.acked = true),
            Record::ReceiptIn {
                id,
                message_id,
                level,
                at,
            } => {
                let in_history = self.out.get(&message_id).is_some_and(OutEntry::is_finished);
                let receipts = self.receipts.entry(message_id).or_default();
                if in_history && !receipts.contains_key(&id) {
                    self.history_bytes = self.history_bytes.saturating_add(u64::from(location.len));
                }
                let entry = receipts.entry(id).or_insert(ReceiptEntry {
                    body: location,
                    level,
                    at,
                });
                entry.body = entry.body.max(location);
            }
        }
    }

    fn apply_out(&mut self, head: Arc<Out>, location: Location) {
        let (id, at) = (head.id, head.at);
        if let Some(key) = &head.idempotency_key {
            self.idempotency.insert(key.clone(), id);
        }
        self.next_order = self.next_order.max(head.order.saturating_add(1));
        if self.out.get(&id).is_none_or(|entry| entry.head.is_none()) {
            self.ages.push_back((at, Name::Out(id)));
        }
        if let Some(ThenAck {
            key: Some(key),
            outcome: Some(outcome),
            ..
        }) = &head.then_ack
        {
            if !self.inn.contains_key(key) {
                self.ages.push_back((at, Name::In(key.clone())));
            }
            self.change_in(key.clone(), |entry| {
                entry.ended = entry.ended.max(Some((*outcome, at)));
            });
        }
        self.change_out(id, |entry| entry.merge(head, location));
    }

    /// Changes an outgoing entry and keeps the indexes that follow from it.
    fn change_out(&mut self, id: Id, change: impl FnOnce(&mut OutEntry)) {
        let entry = self.out.entry(id).or_default();
        let (before, place) = (OutStanding::of(entry), entry.place());
        change(entry);
        let after = OutStanding::of(entry);
        relocate(&mut self.places, (place, entry.place()), || Name::Out(id));
        if before == after {
            return;
        }
        let told = entry.told().cloned();
        if before.unstored {
            self.unstored.remove(&before.order);
            self.unstored_bytes = self.unstored_bytes.saturating_sub(before.bytes);
        }
        if before.unreceipted {
            self.unreceipted.remove(&before.order);
            self.unreceipted_bytes = self.unreceipted_bytes.saturating_sub(before.bytes);
        }
        if after.unstored {
            self.unstored.insert(after.order, id);
            self.unstored_bytes = self.unstored_bytes.saturating_add(after.bytes);
        }
        if after.unreceipted {
            self.unreceipted.insert(after.order, id);
            self.unreceipted_bytes = self.unreceipted_bytes.saturating_add(after.bytes);
        }
        if let Some(told) = told {
            if after.unstored {
                self.telling.insert((told, id));
            } else {
                self.telling.remove(&(told, id));
            }
        }
        if after.finished && !before.finished {
            self.remember(Name::Out(id));
        }
    }

    fn change_in(&mut self, key: Key, change: impl FnOnce(&mut InEntry)) {
        let entry = self.inn.entry(key.clone()).or_default();
        let (before, place) = (entry.is_finished(), entry.place());
        change(entry);
        relocate(&mut self.places, (place, entry.place()), || Name::In(key.clone()));
        if entry.is_open() {
            self.open.insert(key.clone());
        } else {
            self.open.remove(&key);
        }
        if entry.is_finished() && !before {
            self.remember(Name::In(key));
        }
    }

    fn remember(&mut self, name: Name) {
        self.history_bytes = self.history_bytes.saturating_add(self.bytes_of(&name));
        self.history.push_back(name);
    }

    /// An outgoing record.
    pub fn sent(&self, id: &Id) -> Option<&OutEntry> {
        self.out.get(id).filter(|entry| entry.head.is_some())
    }

    /// The message that was sent under a caller's idempotency key.
    pub fn sent_under(&self, idempotency_key: &str) -> Option<Id> {
        self.idempotency.get(idempotency_key).copied()
    }

    /// The highest level that a sent message provably reached.
    pub fn level(&self, id: &Id) -> Option<Level> {
        let entry = self.sent(id)?;
        let stored = if entry.seq.is_some() {
            Level::Stored
        } else {
            Level::Accepted
        };
        let receipts = self.receipts(id).filter_map(|(_, receipt)| receipt.level.level());
        Some(receipts.fold(stored, Level::max))
    }

    /// An incoming message.
    pub fn received(&self, key: &Key) -> Option<&InEntry> {
        self.inn.get(key)
    }

    /// The incoming messages of this id; normally at most one sender used it.
    pub fn received_under(&self, id: Id) -> impl Iterator<Item = (&Key, &InEntry)> {
        // Keys are ordered by sender: one look per sender instead of one per message.
        let mut from = self.inn.first_key_value().map(|(key, _)| key.from.clone());
        let found = std::iter::from_fn(move || {
            let key = Key {
                from: from.take()?,
                id,
            };
            let last = Key {
                id: Id::from_bytes([0xff; 16]),
                ..key.clone()
            };
            let beyond = (Bound::Excluded(last), Bound::Unbounded);
            from = self.inn.range(beyond).next().map(|(next, _)| next.from.clone());
            Some(self.inn.get_key_value(&key))
        });
        found.flatten()
    }

    /// Receipts about one of our messages, by receipt id.
    pub fn receipts(&self, message_id: &Id) -> impl Iterator<Item = (&Id, &ReceiptEntry)> {
        self.receipts.get(message_id).into_iter().flatten()
    }

    /// The verdict on a command; should there be several, the first.
    pub fn verdict(&self, command_id: &Id) -> Option<Location> {
        let verdict = |level| matches!(level, ReceiptLevel::Done | ReceiptLevel::Dead);
        self.receipts(command_id)
            .filter(|(_, receipt)| verdict(receipt.level))
            .min_by_key(|(id, receipt)| (receipt.at, **id))
            .map(|(_, receipt)| receipt.body)
    }

    /// What was heard of a task.
    pub fn task(&self, id: &Id) -> Option<&TaskFact> {
        self.tasks.get(id)
    }

    /// What the operator wants of this agent.
    pub const fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Whether a receipt was taken before.
    pub fn has_receipt(&self, message_id: &Id, id: &Id) -> bool {
        self.receipts
            .get(message_id)
            .is_some_and(|receipts| receipts.contains_key(id))
    }

    /// Outgoing records that no stream has acknowledged, in the order of acceptance.
    pub fn unstored(&self) -> impl Iterator<Item = (u64, Id)> + '_ {
        self.unstored.iter().map(|(order, id)| (*order, *id))
    }

    /// How many outgoing records no stream has acknowledged, and their bodies' bytes.
    pub fn unstored_depth(&self) -> (usize, u64) {
        (self.unstored.len(), self.unstored_bytes)
    }

    /// Stored messages without a receipt and commands without a verdict, in the order of acceptance.
    pub fn unreceipted(&self) -> impl DoubleEndedIterator<Item = Id> + '_ {
        self.unreceipted.values().copied()
    }

    /// Incoming messages that have not ended or whose ack is not confirmed: what a restart must settle.
    pub fn unfinished(&self) -> impl Iterator<Item = (&Key, &InEntry)> {
        self.open.iter().filter_map(|key| self.inn.get_key_value(key))
    }

    /// Whether the end of an incoming message is in the spool, but waits to be stored: it must not be acked before.
    pub fn is_telling(&self, key: &Key) -> bool {
        let first = (key.clone(), Id::from_bytes([0; 16]));
        self.telling
            .range(first..)
            .next()
            .is_some_and(|(told, _)| told == key)
    }

    /// The number that the next outgoing record takes in the order of acceptance.
    pub const fn next_order(&self) -> u64 {
        self.next_order
    }
}

/// What an outgoing entry counts as in the indexes.
#[derive(PartialEq, Eq)]
struct OutStanding {
    order: u64,
    bytes: u64,
    unstored: bool,
    unreceipted: bool,
    finished: bool,
}

impl OutStanding {
    fn of(entry: &OutEntry) -> Self {
        Self {
            order: entry.head.as_ref().map_or(0, |head| head.order),
            bytes: entry.body.map_or(0, |body| u64::from(body.len)),
            unstored: entry.is_unstored(),
            unreceipted: entry.is_unreceipted(),
            finished: entry.is_finished(),
        }
    }
}
