//! What waits for room in the spool: nothing is lost, and nothing is asked for meanwhile.
//!
//! A message that was fetched and cannot be counted is parked rather than given back: each time it comes again counts
//! against the server's `max_deliver`, and a disk may stay full for days.

use std::collections::VecDeque;

use bytes::Bytes;
use wagglebus_schemas::{Id, Priority};

use super::Sidecar;
use super::panes::proof_of;
use crate::context::Context;
use crate::effect::Settlement;
use crate::event::Fetched;
use crate::inbox::PROGRESS_MS;
use crate::journal::JournalError;
use crate::record::{Out, Outcome};
use crate::settle::Follow;

/// Time between two attempts, in milliseconds.
const RETRY_MS: u64 = 2_000;
/// Most records of ours that wait; a full disk stops hand-overs, so there are few.
const OWED_MAX: usize = 1_024;

/// What waits for room in the spool.
#[derive(Debug, Default)]
pub(super) struct SpoolWait {
    /// Fetched messages, at most one of the lanes and one receipt.
    parked: Vec<Parked>,
    /// When the server must next be told that they are not forgotten.
    progress_at_ms: u64,
    /// Receipts and notices of ours, in order.
    owed: VecDeque<(Out, Bytes)>,
    retry_at_ms: Option<u64>,
    /// The reason was logged.
    told: bool,
}

#[derive(Debug)]
struct Parked {
    lane: Option<Priority>,
    fetched: Fetched,
}

impl SpoolWait {
    /// Whether the spool had no room a moment ago.
    pub(super) const fn is_blocked(&self) -> bool {
        self.retry_at_ms.is_some()
    }

    pub(super) const fn next_retry(&self) -> Option<u64> {
        self.retry_at_ms
    }

    pub(super) fn next_progress(&self) -> Option<u64> {
        (!self.parked.is_empty()).then_some(self.progress_at_ms)
    }

    /// Ack subjects of parked messages that the server must be told are not forgotten.
    pub(super) fn progress_due(&mut self, now_ms: u64) -> Vec<String> {
        if self.progress_at_ms > now_ms {
            return Vec::new();
        }
        self.progress_at_ms = now_ms.saturating_add(PROGRESS_MS);
        self.parked
            .iter()
            .map(|parked| parked.fetched.ack.clone())
            .collect()
    }

    /// Sequences of the parked messages.
    pub(super) fn sequences(&self) -> impl Iterator<Item = u64> + '_ {
        let messages = self.parked.iter().filter(|parked| parked.lane.is_some());
        messages.map(|parked| parked.fetched.stream_seq)
    }
}

impl Sidecar {
    /// The spool took nothing: no new message is fetched before it is tried again.
    pub(super) fn spool_blocked(&mut self, cx: &mut Context<'_>, about: Option<Id>, error: &JournalError) {
        self.spool_wait.retry_at_ms = Some(cx.now.mono_ms.saturating_add(RETRY_MS));
        if !std::mem::replace(&mut self.spool_wait.told, true) {
            cx.warn(
                about,
                format!("{error}; nothing is handed over until there is room"),
            );
        }
    }

    /// Keeps a fetched message until the spool can count it.
    pub(super) fn park(
        &mut self,
        cx: &mut Context<'_>,
        lane: Option<Priority>,
        fetched: Fetched,
        error: &JournalError,
    ) {
        if !self.spool_wait.told {
            self.spool_wait.progress_at_ms = cx.now.mono_ms.saturating_add(PROGRESS_MS);
        }
        self.spool_blocked(cx, None, error);
        self.spool_wait.parked.push(Parked { lane, fetched });
    }

    /// Writes a record that others wait for, now or as soon as there is room.
    pub(super) fn owe(&mut self, cx: &mut Context<'_>, out: Out, body: Bytes) {
        if self.spool_wait.owed.is_empty() {
            match self.accept(cx, out.clone(), body.clone()) {
                Ok(_) => return,
                Err(error) => self.spool_blocked(cx, Some(out.id), &error),
            }
        }
        if self.spool_wait.owed.len() < OWED_MAX {
            self.spool_wait.owed.push_back((out, body));
        } else {
            cx.warn(Some(out.id), "too much waits for the spool; a receipt is lost");
        }
    }

    /// Tries what waits, when its time has come.
    pub(super) fn retry_spool(&mut self, cx: &mut Context<'_>) {
        if self
            .spool_wait
            .retry_at_ms
            .is_none_or(|at_ms| at_ms > cx.now.mono_ms)
        {
            return;
        }
        self.spool_wait.retry_at_ms = None;
        while let Some((mut out, body)) = self.spool_wait.owed.pop_front() {
            out.order = self.ledger.next_order();
            if let Err(error) = self.accept(cx, out.clone(), body.clone()) {
                self.spool_wait.owed.push_front((out, body));
                return self.spool_blocked(cx, None, &error);
            }
        }
        let unwritten = self.inbox.hands().filter(|hand| hand.unwritten_end);
        let unwritten: Vec<_> = unwritten.map(|hand| (hand.key.clone(), hand.bridge)).collect();
        for (key, bridge) in unwritten {
            if let Err(error) = self.end(cx, &key, Outcome::Injected, proof_of(bridge)) {
                return self.spool_blocked(cx, Some(key.id), &error);
            }
        }
        // A receipt may be the word of the operator that nothing is to be handed over.
        let mut parked = std::mem::take(&mut self.spool_wait.parked);
        parked.sort_by_key(|parked| parked.lane.is_some());
        for Parked { lane, fetched } in parked {
            match lane {
                Some(lane) => self.take_in(cx, lane, fetched),
                None => self.take_receipt(cx, fetched),
            }
        }
        self.spool_wait.told = self.spool_wait.is_blocked();
    }

    /// Gives parked messages back.
    pub(super) fn return_parked(&mut self, cx: &mut Context<'_>) {
        for Parked { lane, fetched } in std::mem::take(&mut self.spool_wait.parked) {
            let follow = Follow::Comes {
                lane,
                stream_seq: Some(fetched.stream_seq),
            };
            self.settle(cx, &fetched.ack, Settlement::Nak { delay_ms: 0 }, follow);
        }
    }
}
