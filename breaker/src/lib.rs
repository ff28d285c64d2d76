//! A circuit breaker: what keeps failing is left alone for a while, and is then tried once.
//!
//! | state | lets through | until |
//! |---|---|---|
//! | closed | everything | so many failures in a row, within a time if one is set |
//! | open | nothing | its time has come; each probe that fails makes it twice as long, up to a bound |
//! | half-open | one attempt, the probe | that succeeds: closed; or fails: open |
//!
//! No IO, no clock and no chance: who asks says what time it is, and gives random bytes for the jitter. All times are
//! milliseconds of one clock that never goes back.

use std::collections::VecDeque;

#[cfg(test)]
mod tests;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many failures without a success between them open it; 0 counts as 1.
    pub failures: u32,
    /// The time within which they must happen; `None`: however long it takes.
    pub within_ms: Option<u64>,
    /// How long it is open the first time.
    pub open_ms: u64,
    /// The longest that it is open at a time; never less than `open_ms`.
    pub open_max_ms: u64,
}

/// What is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing, up to this time; then whoever asks first is the probe.
    Open {
        /// When it half-opens.
        until_ms: u64,
    },
    /// Nothing but the probe that is under way.
    HalfOpen,
}

/// The answer to who asks whether to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Try. The result is to be reported.
    Go,
    /// Try, and nobody else does: the result decides, so it must be reported.
    Probe,
    /// Do not try.
    No {
        /// When to ask again; `None`: once the probe has ended.
        until_ms: Option<u64>,
    },
}

/// A circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    limits: Limits,
    state: State,
    /// When the last attempts failed, while it is closed: less than it takes to open it.
    failed_at_ms: VecDeque<u64>,
    /// How often it opened since it was closed.
    opened: u32,
}

impl Breaker {
    /// A closed breaker.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Closed,
            failed_at_ms: VecDeque::new(),
            opened: 0,
        }
    }

    /// What it lets through.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether everything is let through.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Somebody wants to try.
    pub const fn ask(&mut self, now_ms: u64) -> Leave {
        match self.state {
            State::Closed => Leave::Go,
            State::Open { until_ms } if now_ms < until_ms => Leave::No {
                until_ms: Some(until_ms),
            },
            State::Open { .. } => {
                self.state = State::HalfOpen;
                Leave::Probe
            }
            State::HalfOpen => Leave::No { until_ms: None },
        }
    }

    /// An attempt succeeded. Returns the new state if it is another one.
    pub fn succeeded(&mut self) -> Option<State> {
        match self.state {
            State::Closed => {
                self.failed_at_ms.clear();
                None
            }
            State::HalfOpen => {
                self.opened = 0;
                self.state = State::Closed;
                Some(self.state)
            }
            // It began before: the probe decides.
            State::Open { .. } => None,
        }
    }

    /// An attempt failed. With two random bytes it is open for between half of its time and all of it, else for all.
    /// Returns the new state if it is another one.
    pub fn failed(&mut self, now_ms: u64, chance: Option<[u8; 2]>) -> Option<State> {
        match self.state {
            State::Closed => {
                if let Some(within_ms) = self.limits.within_ms {
                    self.failed_at_ms
                        .retain(|at_ms| now_ms.saturating_sub(*at_ms) < within_ms);
                }
                self.failed_at_ms.push_back(now_ms);
                let count = u32::try_from(self.failed_at_ms.len()).unwrap_or(u32::MAX);
                (count >= self.limits.failures).then(|| self.open(now_ms, chance))
            }
            State::HalfOpen => Some(self.open(now_ms, chance)),
            // It began before: the probe decides.
            State::Open { .. } => None,
        }
    }

    fn open(&mut self, now_ms: u64, chance: Option<[u8; 2]>) -> State {
        let Limits {
            open_ms, open_max_ms, ..
        } = self.limits;
        let doubled_ms = open_ms.saturating_mul(1_u64 << self.opened.min(62));
        let step_ms = doubled_ms.min(open_max_ms.max(open_ms));
        let wait_ms = chance.map_or(step_ms, |bytes| jittered(step_ms, bytes));
        self.failed_at_ms.clear();
        self.opened = self.opened.saturating_add(1);
        self.state = State::Open {
            until_ms: now_ms.saturating_add(wait_ms),
        };
        self.state
    }
}

/// Between half of a step and all of it, so that those who fail together do not come back together.
fn jittered(step_ms: u64, chance: [u8; 2]) -> u64 {
    let half_ms = step_ms / 2;
    let part = u128::from(step_ms - half_ms) * u128::from(u16::from_be_bytes(chance)) / u128::from(u16::MAX);
    half_ms.saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
}
