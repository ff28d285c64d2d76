//! Shutting down: what is not finished goes back, what was accepted gets a moment to be stored.

use super::Sidecar;
use crate::context::Context;
use crate::effect::{Answer, Effect};

/// How long a drain waits for publishes, settlements and senders, in milliseconds.
const DRAIN_MS: u64 = 10_000;

/// How far the shutting down has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Drain {
    /// Not asked for.
    #[default]
    No,
    /// Under way, until then at the latest.
    Until(u64),
    /// Over: told to the shell, once.
    Over,
}

impl Drain {
    pub(super) const fn next_timer(self) -> Option<u64> {
        match self {
            Self::Until(until_ms) => Some(until_ms),
            Self::No | Self::Over => None,
        }
    }
}

const WHY: &str = "the sidecar is shutting down";

impl Sidecar {
    pub(super) fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    pub(super) fn begin_drain(&mut self, cx: &mut Context<'_>) {
        if self.is_draining() {
            return;
        }
        self.drain = Drain::Until(cx.now.mono_ms.saturating_add(DRAIN_MS));
        for (token, keys) in self.inbox.close_requests() {
            self.return_all(cx, keys, WHY);
            cx.ask(Effect::Answer {
                token,
                answer: Answer::Messages(Vec::new()),
            });
        }
        self.return_parked(cx);
        // What a bridge is writing just now may arrive whole: it goes back only if it does not.
        let settled = self.inbox.hands().filter(|hand| !hand.is_being_written());
        let keys: Vec<_> = settled.map(|hand| hand.key.clone()).collect();
        self.return_all(cx, keys, WHY);
    }

    pub(super) fn finish_drain(&mut self, cx: &mut Context<'_>) {
        let Drain::Until(until_ms) = self.drain else {
            return;
        };
        let late = until_ms <= cx.now.mono_ms;
        if late {
            let keys: Vec<_> = self.inbox.hands().map(|hand| hand.key.clone()).collect();
            self.return_all(cx, keys, WHY);
        }
        let bus_up = self.bus_up;
        // Without a bus nothing is stored any more; a sync of the disk may still come.
        self.waiters.give_up(cx, &self.ledger, |waiter| {
            late || (!bus_up && !waiter.is_content_with_accepted())
        });
        // A message that is being fetched goes back first; else it would be lost until the next start.
        let bus_is_done =
            !bus_up || (self.outbox.is_empty() && self.settlements.is_empty() && !self.is_fetching());
        let hands_are_done = !self.inbox.hands().any(crate::inbox::Hand::is_being_written);
        let all_is_written = !self.spool_wait.is_blocked();
        if late || (bus_is_done && hands_are_done && all_is_written && self.waiters.is_empty()) {
            self.drain = Drain::Over;
            if bus_up {
                // The last one, which says so: the agent is lost at once.
                cx.ask(Effect::Heartbeat);
            }
            cx.ask(Effect::Drained);
        }
    }
}
