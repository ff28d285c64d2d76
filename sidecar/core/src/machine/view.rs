//! What the machine shows of itself: heartbeat, readiness, messages in hand.

use wagglebus_schemas::control::AgentControl;
use wagglebus_schemas::heartbeat::{Hold, LaneDepth, LaneDepths};
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{Id, Priority, Timestamp};

use super::drain::Drain;
use super::{Counts, HEARTBEAT_MS, Sidecar};
use crate::context::Context;
use crate::effect::Effect;
use crate::inbox::Hand;
use crate::ledger::Ledger;
use crate::now::Now;

/// Least time between two heartbeats, in milliseconds: an agent that works off a backlog turns busy and idle with each
/// message.
const HEARTBEAT_GAP_MS: u64 = 250;

/// What of a heartbeat is sent at once when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    state: SessionState,
    hold: Option<HoldReason>,
    since: Timestamp,
    epoch: u64,
    sent_ms: u64,
}

/// What the machine tells of itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Epoch of the lease; 0 while it is not held.
    pub epoch: u64,
    /// Whether the lease is held now.
    pub lease_held: bool,
    /// Whether the bus is connected.
    pub bus_up: bool,
    /// Why nothing comes out of a consumer, in the server's words.
    pub consumer_failure: Option<String>,
    /// Why the spool takes nothing more.
    pub spool_failure: Option<String>,
    /// What the agent does.
    pub state: SessionState,
    /// Why nothing is handed over.
    pub hold: Option<Hold>,
    /// What the operator wants of it; `None`: nothing was ever said.
    pub control: Option<AgentControl>,
    /// Messages are announced in the agent's pane, and it takes them by itself; `None`: it has no pane.
    pub nudged: Option<bool>,
    /// The inbox by lane.
    pub inbox: LaneDepths,
    /// Messages in the agent's hands.
    pub in_flight: Vec<Id>,
    /// Records that no stream has acknowledged, and their bytes.
    pub unstored: (usize, u64),
    /// Publishes and settlements without an answer.
    pub under_way: (usize, usize),
    /// What happened so far.
    pub counts: Counts,
}

/// A message in the agent's hands, as shown to its own user.
pub type InHand<'a> = &'a Hand;

impl Sidecar {
    /// What the machine tells of itself now.
    pub fn view(&self, now: Now) -> View {
        let (state, hold) = self.state(now.mono_ms);
        let mut inbox = LaneDepths::default();
        for lane in Priority::ALL.iter().copied() {
            let oldest_ms = self.inbox.oldest_ms(lane, now.mono_ms);
            *inbox.get_mut(lane) = LaneDepth {
                pending: self.lane(lane).pending(),
                oldest_ms,
            };
        }
        let since = self.since(hold, now);
        View {
            epoch: self.fence.epoch(),
            lease_held: self.fence.holds(now),
            bus_up: self.bus_up,
            consumer_failure: self.refused.values().next().cloned(),
            spool_failure: self.spool_failure.clone(),
            state,
            hold: hold.map(|reason| Hold { reason, since }),
            control: self.ledger.controls().state(),
            nudged: self.inbox.pane().map(crate::inbox::pane::Pane::is_nudged),
            inbox,
            in_flight: self.inbox.hands().map(|hand| hand.key.id).collect(),
            unstored: self.ledger.unstored_depth(),
            under_way: (self.outbox.under_way(), self.settlements.len()),
            counts: self.counts,
        }
    }

    /// The fold of the spool.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The messages in the agent's hands.
    pub fn in_hand(&self) -> impl Iterator<Item = InHand<'_>> {
        self.inbox.hands()
    }

    /// Since when the hold that is to be told now is so.
    fn since(&self, hold: Option<HoldReason>, now: Now) -> Timestamp {
        let stopped = self.stopped_since().filter(|_| hold == Some(HoldReason::Paused));
        let told = self.heartbeat_shown.as_ref().filter(|shown| shown.hold == hold);
        stopped.or(told.map(|shown| shown.since)).unwrap_or(now.wall)
    }

    fn state(&self, now_ms: u64) -> (SessionState, Option<HoldReason>) {
        if self.drain == Drain::Over {
            return (SessionState::Gone, None);
        }
        if self.is_draining() {
            return (SessionState::Draining, None);
        }
        let (state, hold) = self.session(now_ms);
        // Whatever else is in the way, this must end first.
        let paused = self.is_stopped().then_some(HoldReason::Paused);
        (state, paused.or(hold))
    }

    fn session(&self, now_ms: u64) -> (SessionState, Option<HoldReason>) {
        if let Some(pane) = self.inbox.pane().filter(|_| self.fence.epoch() != 0) {
            let standing = pane.standing();
            let held = self.inbox.hands().find_map(|hand| hand.held);
            let state = if standing.state == SessionState::Starting {
                SessionState::Idle
            } else {
                standing.state
            };
            return (state, held.or(standing.hold));
        }
        let idle = self.inbox.hands().next().is_none();
        let full = !idle && self.inbox.appetite().0 != crate::inbox::Appetite::Any;
        let state = if self.fence.epoch() == 0 {
            SessionState::Starting
        } else if idle {
            SessionState::Idle
        } else {
            SessionState::Busy
        };
        let hold = if full {
            Some(HoldReason::Busy)
        } else {
            let away = state != SessionState::Starting && self.inbox.is_unattended(now_ms);
            away.then_some(HoldReason::CannotWake)
        };
        (state, hold)
    }

    /// Sends a heartbeat when its time has come; one whose `hold`, epoch or end changed goes at once, unless one went
    /// just before.
    pub(super) fn beat(&mut self, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        self.inbox.notice(now_ms);
        let (state, hold) = self.state(now_ms);
        let epoch = self.fence.epoch();
        let shown = self.heartbeat_shown.as_ref();
        let told = |shown: &Shown| (shown.hold, shown.epoch, shown.state == SessionState::Draining);
        if shown.is_none_or(|shown| told(shown) != (hold, epoch, state == SessionState::Draining)) {
            let soon_ms = shown.map_or(now_ms, |shown| shown.sent_ms.saturating_add(HEARTBEAT_GAP_MS));
            self.heartbeat_at_ms = self.heartbeat_at_ms.min(soon_ms);
        }
        if self.heartbeat_at_ms > now_ms {
            return;
        }
        self.heartbeat_at_ms = now_ms.saturating_add(HEARTBEAT_MS);
        if !self.bus_up || self.fence.is_fenced() {
            return;
        }
        let since = self.since(hold, cx.now);
        self.heartbeat_shown = Some(Shown {
            state,
            hold,
            since,
            epoch,
            sent_ms: now_ms,
        });
        cx.ask(Effect::Heartbeat);
    }
}
