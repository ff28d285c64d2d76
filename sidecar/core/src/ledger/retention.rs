//! What the ledger keeps and for how long, and so what a compaction of the spool must carry on.

use wagglebus_schemas::{Id, Timestamp};

use super::{Ledger, Name, relocate};
use crate::journal::Location;
use crate::record::{Out, Record};

/// How long sent and done ids are remembered, in milliseconds: 48 h.
pub const KEPT_MS: i64 = 48 * 3_600_000;
/// How long an id is remembered that ended before its lane brought it, in milliseconds: 31 days, after which the streams
/// have no message any more.
pub const KEPT_UNBROUGHT_MS: i64 = 31 * 24 * 3_600_000;
/// How many sent and done ids are remembered together.
pub const COUNT_MAX: usize = 1_000_000;
/// How many bytes of bodies of finished messages are kept for `trace`.
pub const HISTORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a stored message without a receipt is kept for re-publication, in milliseconds: 24 h.
pub const UNRECEIPTED_MS_MAX: i64 = 24 * 3_600_000;
/// How many bytes of stored messages without a receipt are kept for re-publication.
pub const UNRECEIPTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Ledger {
    /// Forgets what is over its time, count or bytes. Unfinished work is never forgotten.
    pub fn prune(&mut self, wall: Timestamp) {
        let mut rounds = self.ages.len();
        while rounds > 0 {
            rounds -= 1;
            let over_count = self.ages.len() > COUNT_MAX;
            let Some((at, _)) = self.ages.front() else { break };
            if !over_count && wall.unix_ms().saturating_sub(at.unix_ms()) < KEPT_MS {
                break;
            }
            let Some((at, name)) = self.ages.pop_front() else {
                break;
            };
            if self.may_forget(&name, at, wall) {
                self.forget(&name);
            } else {
                self.ages.push_back((wall, name));
            }
        }
        self.tasks.prune(wall);
        while self.history_bytes > HISTORY_BYTES_MAX {
            let Some(name) = self.history.pop_front() else {
                break;
            };
            self.forget_body(&name);
        }
    }

    fn may_forget(&self, name: &Name, at: Timestamp, wall: Timestamp) -> bool {
        match name {
            // The record of a message's end goes after the message, or a restart would take it for unfinished.
            Name::Out(id) => self.out.get(id).is_none_or(|entry| {
                entry.is_finished() && entry.told().is_none_or(|key| !self.open.contains(key))
            }),
            // A message that was given back and never came again has left the stream. One that ended and waits for its ack
            // must not be handed over again, however long the bus is away.
            Name::In(key) => self.inn.get(key).is_none_or(|entry| {
                let old = wall.unix_ms().saturating_sub(at.unix_ms()) >= KEPT_MS;
                let left = entry.head.is_none()
                    && entry.ended.is_some_and(|(_, ended)| {
                        wall.unix_ms().saturating_sub(ended.unix_ms()) >= KEPT_UNBROUGHT_MS
                    });
                entry.is_finished() || left || (old && !entry.has_ended())
            }),
        }
    }

    fn forget(&mut self, name: &Name) {
        self.forget_body(name);
        match name {
            Name::Out(id) => {
                let entry = self.out.remove(id);
                let head = entry.and_then(|entry| entry.head);
                if let Some(key) = head.as_ref().and_then(|head| head.idempotency_key.as_ref()) {
                    self.idempotency.remove(key);
                }
                self.receipts.remove(id);
            }
            Name::In(key) => {
                self.inn.remove(key);
                self.open.remove(key);
            }
        }
    }

    pub(super) fn forget_body(&mut self, name: &Name) {
        let bytes = self.bytes_of(name);
        let finished = match name {
            Name::Out(id) => {
                let Some(entry) = self.out.get_mut(id) else { return };
                relocate(&mut self.places, (entry.place(), None), || name.clone());
                entry.body = None;
                self.receipts.remove(id);
                entry.is_finished()
            }
            Name::In(key) => {
                let Some(entry) = self.inn.get_mut(key) else {
                    return;
                };
                relocate(&mut self.places, (entry.place(), None), || name.clone());
                entry.body = None;
                entry.is_finished()
            }
        };
        if finished {
            self.history_bytes = self.history_bytes.saturating_sub(bytes);
        }
    }

    /// The oldest unreceipted message that is over its time or bytes.
    pub fn unreceipted_over_bound(&self, wall: Timestamp) -> Option<Id> {
        let id = self.unreceipted().next()?;
        let at = self.out.get(&id)?.head.as_ref()?.at;
        let old = wall.unix_ms().saturating_sub(at.unix_ms()) >= UNRECEIPTED_MS_MAX;
        (old || self.unreceipted_bytes > UNRECEIPTED_BYTES_MAX).then_some(id)
    }

    /// What a compaction must write again of a record that it is about to delete: nothing, the record as it is, or the
    /// record without its body.
    pub fn keep(&self, record: &Record, location: Location) -> Option<Keep> {
        match record {
            Record::Out(head) => {
                let entry = self.sent(&head.id)?;
                if entry.body == Some(location) {
                    return Some(Keep::Whole);
                }
                // A copy elsewhere carries the head; without any body this one must.
                (entry.body.is_none()).then(|| {
                    let mut head = Out::clone(head);
                    head.forgotten = true;
                    Keep::Head(Box::new(Record::Out(head.into())))
                })
            }
            Record::HandOver(head) => {
                let entry = self.received(&head.key)?;
                if entry.body == Some(location) {
                    return Some(Keep::Whole);
                }
                (entry.head.as_ref() == Some(head) || entry.deliveries() == head.delivery).then(|| {
                    let mut head = head.clone();
                    head.bodiless = true;
                    Keep::Head(Box::new(Record::HandOver(head)))
                })
            }
            Record::OutStored { id, .. } | Record::OutClosed { id, .. } => self.sent(id).map(|_| Keep::Whole),
            Record::Seen { key } | Record::Returned { key, .. } | Record::Acked { key } => {
                self.received(key).map(|_| Keep::Whole)
            }
            Record::Task(fact) => self.tasks.counts(fact).then_some(Keep::Whole),
            Record::Control(fact) => self.controls.counts(fact).then_some(Keep::Whole),
            Record::ReceiptIn { id, message_id, .. } => {
                let receipt = self.receipts.get(message_id)?.get(id)?;
                (receipt.body == location).then_some(Keep::Whole)
            }
        }
    }

    /// Puts what a fold met in the order of the spool into the order of age, and drops facts about records that are gone.
    pub(super) fn settle_after_fold(&mut self) {
        self.out.retain(|_, entry| entry.head.is_some());
        self.inn
            .retain(|_, entry| entry.head.is_some() || entry.ended.is_some());
        let (inn, out) = (&self.inn, &self.out);
        self.open.retain(|key| inn.contains_key(key));
        self.receipts.retain(|message_id, _| out.contains_key(message_id));
        self.idempotency.retain(|_, id| out.contains_key(id));
        let names = self
            .out
            .keys()
            .map(|id| Name::Out(*id))
            .chain(self.inn.keys().cloned().map(Name::In));
        let mut ages: Vec<_> = names
            .filter_map(|name| Some((self.age_of(&name)?, name)))
            .collect();
        ages.sort();
        let history: Vec<_> = ages
            .iter()
            .map(|(_, name)| name)
            .filter(|name| self.is_history(name))
            .cloned()
            .collect();
        self.history_bytes = history.iter().map(|name| self.bytes_of(name)).sum();
        self.ages = ages.into();
        self.history = history.into();
    }

    fn is_history(&self, name: &Name) -> bool {
        match name {
            Name::Out(id) => self.out.get(id).is_some_and(super::OutEntry::is_finished),
            Name::In(key) => self.inn.get(key).is_some_and(super::InEntry::is_finished),
        }
    }

    fn age_of(&self, name: &Name) -> Option<Timestamp> {
        match name {
            Name::Out(id) => self.out.get(id)?.head.as_ref().map(|head| head.at),
            Name::In(key) => {
                let entry = self.inn.get(key)?;
                entry
                    .head
                    .as_ref()
                    .map(|head| head.at)
                    .or(entry.ended.map(|(_, at)| at))
            }
        }
    }

    /// Bytes of a message's body and of the receipts about it.
    pub(super) fn bytes_of(&self, name: &Name) -> u64 {
        let (body, receipts) = match name {
            Name::Out(id) => (
                self.out.get(id).and_then(|entry| entry.body),
                self.receipts.get(id),
            ),
            Name::In(key) => (self.inn.get(key).and_then(|entry| entry.body), None),
        };
        let receipts = receipts
            .into_iter()
            .flat_map(|receipts| receipts.values().map(|receipt| receipt.body));
        body.into_iter()
            .chain(receipts)
            .map(|location| u64::from(location.len))
            .sum()
    }
}

/// What a compaction writes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The record with its body.
    Whole,
    /// This record, without a body.
    Head(Box<Record>),
}
