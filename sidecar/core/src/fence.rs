//! The agent's lease: whether this process may hand messages over.

use wagglebus_schemas::Id;
use wagglebus_schemas::lease::Lease;

use crate::event::{Identity, LeaseOutcome};
use crate::now::Now;

/// Life of a written lease, in milliseconds; the bucket's `max_age` (DESIGN 3.6).
pub const LEASE_MS: u64 = 15_000;
/// Time between two renewals, in milliseconds: with every second heartbeat.
pub const RENEW_MS: u64 = 6_000;
/// Time before a touch of the lease that got no answer is repeated, in milliseconds.
const RETRY_MS: u64 = 500;

/// What to do about the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceStep {
    /// Read it.
    Read,
    /// Write it, expecting this last sequence.
    Write {
        /// The value.
        lease: Box<Lease>,
        /// The expected last sequence.
        expected: u64,
    },
    /// It is now ours, under this epoch.
    Acquired {
        /// The epoch.
        epoch: u64,
    },
    /// Another sidecar holds it.
    Fenced {
        /// Its lease.
        holder: Box<Lease>,
    },
}

/// The state of our claim.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Not held; read it when the time has come.
    Idle { retry_at_ms: u64 },
    /// A read is under way.
    Reading,
    /// A write that acquires is under way.
    Acquiring { sent_ms: u64 },
    /// Ours.
    Held {
        epoch: u64,
        seq: u64,
        until_ms: u64,
        renewal: Renewal,
    },
    /// Another's: sticky.
    Fenced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    At(u64),
    Sent(u64),
    /// A renewal was refused or unanswered: read who holds it.
    Verifying,
}

/// The claim on the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    identity: Identity,
    takeover: bool,
    /// Whose lease is taken over.
    taken_from: Option<Id>,
    state: State,
}

impl Fence {
    /// A claim that holds nothing yet. With `takeover` another sidecar's living lease is taken from it.
    pub const fn new(identity: Identity, takeover: bool) -> Self {
        Self {
            identity,
            takeover,
            taken_from: None,
            state: State::Idle { retry_at_ms: 0 },
        }
    }

    /// Whether messages may be handed over now. Judged by the local clock alone, from when the last confirmed write was
    /// *sent*: the server cannot have forgotten it earlier.
    pub fn holds(&self, now: Now) -> bool {
        matches!(self.state, State::Held { until_ms, .. } if now.mono_ms < until_ms)
    }

    /// Whether another sidecar was found to hold the lease.
    pub const fn is_fenced(&self) -> bool {
        matches!(self.state, State::Fenced)
    }

    /// The epoch: the sequence of the write that acquired the lease; 0 while it is not held.
    pub const fn epoch(&self) -> u64 {
        match self.state {
            State::Held { epoch, .. } => epoch,
            State::Idle { .. } | State::Reading | State::Acquiring { .. } | State::Fenced => 0,
        }
    }

    /// What the time asks for, while the bus is connected.
    pub fn due(&mut self, now: Now) -> Option<FenceStep> {
        match &mut self.state {
            State::Idle { retry_at_ms } if *retry_at_ms <= now.mono_ms => {
                self.state = State::Reading;
                Some(FenceStep::Read)
            }
            State::Held {
                seq,
                renewal: renewal @ Renewal::At(_),
                ..
            } if renewal.is_due(now) => {
                let expected = *seq;
                *renewal = Renewal::Sent(now.mono_ms);
                Some(self.write(now, expected))
            }
            State::Idle { .. }
            | State::Reading
            | State::Acquiring { .. }
            | State::Held { .. }
            | State::Fenced => None,
        }
    }

    /// When [`due`](Self::due) next asks for something.
    pub const fn next_due(&self) -> Option<u64> {
        match self.state {
            State::Idle { retry_at_ms } => Some(retry_at_ms),
            State::Held {
                renewal: Renewal::At(at_ms),
                ..
            } => Some(at_ms),
            State::Held {
                renewal: Renewal::Sent(_) | Renewal::Verifying,
                ..
            }
            | State::Reading
            | State::Acquiring { .. }
            | State::Fenced => None,
        }
    }

    /// The connection is gone: answers that were awaited will not come.
    pub const fn disconnected(&mut self, now: Now) {
        match &mut self.state {
            State::Held { renewal, .. } => *renewal = Renewal::At(now.mono_ms),
            State::Reading | State::Acquiring { .. } => {
                self.state = State::Idle {
                    retry_at_ms: now.mono_ms,
                }
            }
            State::Idle { .. } | State::Fenced => {}
        }
    }

    /// The lease was touched.
    pub fn answered(&mut self, now: Now, outcome: LeaseOutcome) -> Option<FenceStep> {
        match outcome {
            LeaseOutcome::Read(found) => self.read(now, found),
            LeaseOutcome::Written(written) => self.written(written),
            LeaseOutcome::Conflict => self.verify(),
            LeaseOutcome::Failed => {
                self.failed(now);
                None
            }
        }
    }

    fn read(&mut self, now: Now, found: Option<(Lease, u64)>) -> Option<FenceStep> {
        if matches!(self.state, State::Fenced) {
            return None;
        }
        let expected = match found {
            None => 0,
            Some((lease, seq)) if lease.instance == self.identity.instance => {
                // Our own write, whose answer was lost.
                return self.adopt(now, seq);
            }
            // The same state folder: its lock is ours, so its former holder is dead.
            Some((lease, seq)) if lease.state_id == self.identity.state_id => seq,
            Some((lease, seq)) if self.takes_over(lease.instance) => seq,
            Some((lease, _)) => {
                self.state = State::Fenced;
                return Some(FenceStep::Fenced {
                    holder: Box::new(lease),
                });
            }
        };
        self.state = State::Acquiring { sent_ms: now.mono_ms };
        Some(self.write(now, expected))
    }

    /// Whether the lease of this holder shall be taken: of the one that was found first, however often it renews
    /// meanwhile, and of no other, or two that take over would take it from each other for ever.
    fn takes_over(&mut self, holder: Id) -> bool {
        self.takeover && *self.taken_from.get_or_insert(holder) == holder
    }

    /// A lease of this very process was found. How old it is cannot be told, so it is renewed before it counts for more.
    fn adopt(&mut self, now: Now, seq: u64) -> Option<FenceStep> {
        match &mut self.state {
            State::Held {
                seq: known, renewal, ..
            } => {
                *known = seq;
                *renewal = Renewal::Sent(now.mono_ms);
            }
            State::Idle { .. } | State::Reading | State::Acquiring { .. } | State::Fenced => {
                let renewal = Renewal::Sent(now.mono_ms);
                self.state = State::Held {
                    epoch: seq,
                    seq,
                    until_ms: now.mono_ms,
                    renewal,
                };
            }
        }
        Some(self.write(now, seq))
    }

    fn written(&mut self, written: u64) -> Option<FenceStep> {
        match &mut self.state {
            State::Held {
                seq,
                until_ms,
                renewal,
                ..
            } => {
                *seq = written;
                // An answer that nobody waits for any more says nothing about time.
                if let Renewal::Sent(sent_ms) = *renewal {
                    *until_ms = sent_ms.saturating_add(LEASE_MS);
                    *renewal = Renewal::At(sent_ms.saturating_add(RENEW_MS));
                }
                None
            }
            State::Acquiring { sent_ms } => {
                let sent_ms = *sent_ms;
                self.state = State::Held {
                    epoch: written,
                    seq: written,
                    until_ms: sent_ms.saturating_add(LEASE_MS),
                    renewal: Renewal::At(sent_ms.saturating_add(RENEW_MS)),
                };
                Some(FenceStep::Acquired { epoch: written })
            }
            State::Idle { .. } | State::Reading | State::Fenced => None,
        }
    }

    fn verify(&mut self) -> Option<FenceStep> {
        match &mut self.state {
            State::Held { renewal, .. } => *renewal = Renewal::Verifying,
            State::Idle { .. } | State::Reading | State::Acquiring { .. } => self.state = State::Reading,
            State::Fenced => return None,
        }
        Some(FenceStep::Read)
    }

    fn failed(&mut self, now: Now) {
        let retry_at_ms = now.mono_ms.saturating_add(RETRY_MS);
        match &mut self.state {
            State::Held { renewal, .. } => *renewal = Renewal::At(retry_at_ms),
            State::Idle { .. } | State::Reading | State::Acquiring { .. } => {
                self.state = State::Idle { retry_at_ms }
            }
            State::Fenced => {}
        }
    }

    fn write(&self, now: Now, expected: u64) -> FenceStep {
        let Identity {
            agent,
            instance,
            state_id,
            host,
            pid,
        } = self.identity.clone();
        FenceStep::Write {
            lease: Box::new(Lease {
                agent,
                instance,
                state_id,
                host,
                pid,
                at: now.wall,
            }),
            expected,
        }
    }
}

impl Renewal {
    const fn is_due(self, now: Now) -> bool {
        matches!(self, Self::At(at_ms) if at_ms <= now.mono_ms)
    }
}

#[cfg(test)]
mod tests;
