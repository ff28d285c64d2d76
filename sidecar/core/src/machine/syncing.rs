//! When the disk is told to keep what was written (DESIGN 4, Spool).
//!
//! A sync costs more than the way to the stream and back. While publishes flow, the ack of a stream answers a sender
//! first and proves more; the disk is hurried only where that ack is late or cannot come.

use super::Sidecar;
use crate::context::Context;
use crate::effect::Effect;

/// Longest time that a record stays unsynced, in milliseconds.
const WITHIN_MS: u64 = 50;
/// How long a sender whom the disk could answer waits for the stream alone, in milliseconds.
const STREAM_FIRST_MS: u64 = 5;

/// What is written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Syncing {
    /// Since when.
    since_ms: Option<u64>,
    /// When to look for senders whom the disk alone could answer; never later than it is needed.
    look_ms: Option<u64>,
}

impl Syncing {
    /// What a process finds at its start is not known to be on the disk.
    pub(super) const fn at_start() -> Self {
        Self {
            since_ms: Some(0),
            look_ms: None,
        }
    }

    /// Something was written.
    pub(super) fn wrote(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// A sender waits who would be content with the disk.
    pub(super) fn awaited(&mut self, now_ms: u64) {
        self.look_ms.get_or_insert(now_ms.saturating_add(STREAM_FIRST_MS));
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        let since_ms = self.since_ms?;
        let within_ms = since_ms.saturating_add(WITHIN_MS);
        Some(self.look_ms.map_or(within_ms, |look_ms| look_ms.min(within_ms)))
    }
}

impl Sidecar {
    /// Asks for a sync if it is time.
    pub(super) fn sync(&mut self, cx: &mut Context<'_>) {
        if self.spool_failure.is_some() {
            self.syncing = Syncing::default();
            return;
        }
        let now_ms = cx.now.mono_ms;
        let Some(since_ms) = self.syncing.since_ms else {
            self.syncing.look_ms = None;
            return;
        };
        let flowing = self.bus_up && self.outbox.is_flowing();
        if self
            .syncing
            .look_ms
            .is_some_and(|look_ms| look_ms <= now_ms || !flowing)
        {
            let patience_ms = if flowing { STREAM_FIRST_MS } else { 0 };
            let awaited = self.waiters.disk_awaited_since();
            self.syncing.look_ms = awaited.map(|since_ms| since_ms.saturating_add(patience_ms));
        }
        let hurried = self.syncing.look_ms.is_some_and(|look_ms| look_ms <= now_ms);
        if hurried || since_ms.saturating_add(WITHIN_MS) <= now_ms {
            self.syncing = Syncing::default();
            cx.ask(Effect::Sync);
        }
    }
}
