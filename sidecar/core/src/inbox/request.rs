//! A long poll that waits for messages.

use crate::event::{TakeRequest, Token};
use crate::inbox::Appetite;
use crate::record::Key;

/// How long past its time-out a request waits for a fetch that is under way, in milliseconds.
const GRACE_MS: u64 = 2_500;

/// How long after its first message a request goes on collecting at most, in milliseconds: a fetch that is under way ends
/// within that time, so that what it brings need not go back.
const COLLECT_MS: u64 = 2_500;

/// A long poll: waits for a first message, then collects what else waits, up to its `max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    take: TakeRequest,
    until_ms: u64,
    /// When a request that collects is answered at the latest.
    collect_until_ms: Option<u64>,
    collected: Vec<Key>,
    /// Began when all slots were taken: it gets one urgent and no more.
    urgent_only: bool,
}

impl Request {
    pub(super) const fn new(now_ms: u64, take: TakeRequest) -> Self {
        let until_ms = now_ms.saturating_add(take.timeout_ms);
        Self {
            take,
            until_ms,
            collect_until_ms: None,
            collected: Vec::new(),
            urgent_only: false,
        }
    }

    /// Who waits.
    pub const fn token(&self) -> Token {
        self.take.token
    }

    /// How long each of its messages is leased, in milliseconds.
    pub const fn lease_ms(&self) -> u64 {
        self.take.lease_ms
    }

    /// When something about it is due by time alone.
    pub(super) fn next_timer(&self, now_ms: u64) -> u64 {
        let patience = if now_ms < self.until_ms {
            self.until_ms
        } else {
            self.until_ms.saturating_add(GRACE_MS)
        };
        self.collect_until_ms
            .map_or(patience, |until| until.min(patience))
    }

    pub(super) const fn is_collecting(&self) -> bool {
        !self.collected.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.collected.len() >= self.take.max || (self.urgent_only && self.is_collecting())
    }

    pub(super) fn collect(&mut self, now_ms: u64, key: Key, appetite: Appetite) {
        self.collect_until_ms
            .get_or_insert(now_ms.saturating_add(COLLECT_MS));
        self.urgent_only |= appetite == Appetite::UrgentOnly;
        self.collected.push(key);
    }

    pub(super) fn collected(&self) -> &[Key] {
        &self.collected
    }

    pub(super) fn drop_collected(&mut self, key: &Key) {
        self.collected.retain(|collected| collected != key);
        if self.collected.is_empty() {
            // It waits for a first message again.
            (self.collect_until_ms, self.urgent_only) = (None, false);
        }
    }

    /// `quiet`: nothing that this request may take is being fetched or known to wait.
    pub(super) const fn is_answerable(&self, now_ms: u64, quiet: bool) -> bool {
        let over = self.until_ms <= now_ms;
        self.is_full()
            || matches!(self.collect_until_ms, Some(until_ms) if until_ms <= now_ms)
            || (quiet && (self.is_collecting() || over))
            || self.until_ms.saturating_add(GRACE_MS) <= now_ms
    }

    pub(super) fn into_collected(self) -> Vec<Key> {
        self.collected
    }
}
