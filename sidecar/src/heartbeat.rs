//! The heartbeat as it goes on the wire: what the machine tells, and what only the process can see.

use std::num::NonZeroU16;

use wagglebus_schemas::heartbeat::{BridgeProof, Capability, Heartbeat, Hold, SpoolDepth};
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{AgentId, Resources, Timestamp};
use wagglebus_sidecar_core::machine::{HEARTBEAT_MS, View};

use crate::process::{Usage, own_usage, usage_of};

/// What stays the same from one heartbeat to the next.
pub(crate) struct Pulse {
    agent: AgentId,
    declared: Declared,
    seq: u64,
}

/// What the agent declares of itself.
pub(crate) struct Declared {
    /// What it can do.
    pub(crate) capabilities: Vec<Capability>,
    /// What it has for tasks; `None`: that is not said.
    pub(crate) resources: Option<Resources>,
    /// How many tasks it works on at once.
    pub(crate) slots: Option<NonZeroU16>,
}

/// What changes and is not the machine's.
pub(crate) struct Vitals {
    /// Open bridges.
    pub(crate) bridges: Vec<BridgeProof>,
    /// Bytes of the spool's files.
    pub(crate) spool_bytes: u64,
    /// The agent's process, where it is known.
    pub(crate) agent_pid: Option<u32>,
    /// The agent's process is gone and is being started again.
    pub(crate) agent_starting: bool,
    /// Since when the agent's process is gone and left alone, as it keeps ending.
    pub(crate) agent_gone: Option<Timestamp>,
}

impl Pulse {
    pub(crate) const fn new(agent: AgentId, declared: Declared) -> Self {
        Self {
            agent,
            declared,
            seq: 0,
        }
    }

    /// The next heartbeat.
    pub(crate) fn next(&mut self, view: View, vitals: Vitals, at: Timestamp) -> Heartbeat {
        self.seq = self.seq.saturating_add(1);
        let own = own_usage();
        let agent: Option<Usage> = vitals.agent_pid.and_then(usage_of);
        let (state, hold) = stands(&view, &vitals);
        Heartbeat {
            agent: self.agent.clone(),
            epoch: view.epoch,
            seq: self.seq,
            interval_ms: HEARTBEAT_MS,
            state,
            hold,
            bridges: vitals.bridges,
            inbox: view.inbox,
            in_flight: view.in_flight,
            spool: SpoolDepth {
                unstored: u64::try_from(view.unstored.0).unwrap_or(u64::MAX),
                bytes: vitals.spool_bytes,
            },
            agent_cpu_ms: agent.as_ref().map(|usage| usage.cpu_ms),
            agent_rss_bytes: agent.as_ref().map(|usage| usage.rss_bytes),
            cpu_ms: own.cpu_ms,
            rss_bytes: own.rss_bytes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: self.declared.capabilities.clone(),
            resources: self.declared.resources,
            slots: self.declared.slots,
            at,
        }
    }
}

/// What the agent does, and why nothing is handed over: of its process the machine knows nothing.
fn stands(view: &View, vitals: &Vitals) -> (SessionState, Option<Hold>) {
    if !matches!(view.state, SessionState::Idle | SessionState::Busy) {
        return (view.state, view.hold);
    }
    if let Some(since) = vitals.agent_gone {
        // Whatever else is in the way, what the operator wants goes first.
        let paused = view.hold.filter(|hold| hold.reason == HoldReason::Paused);
        let reason = HoldReason::AgentGone;
        return (SessionState::Gone, paused.or(Some(Hold { reason, since })));
    }
    let state = if vitals.agent_starting {
        SessionState::Starting
    } else {
        view.state
    };
    (state, view.hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals(agent_starting: bool, agent_gone: Option<Timestamp>) -> Vitals {
        Vitals {
            bridges: Vec::new(),
            spool_bytes: 0,
            agent_pid: None,
            agent_starting,
            agent_gone,
        }
    }

    #[test]
    fn an_agent_whose_program_is_left_alone_is_gone_and_holds() {
        let since = Timestamp::EPOCH;
        let hold = |reason| Some(Hold { reason, since });
        let idle = crate::metrics::tests::view();
        let of = |state, reason: Option<HoldReason>| View {
            state,
            hold: reason.and_then(hold),
            ..idle.clone()
        };
        let (gone, starting, there) = (
            vitals(false, Some(since)),
            vitals(true, None),
            vitals(false, None),
        );
        let (cannot_wake, paused) = (HoldReason::CannotWake, HoldReason::Paused);
        for (view, vitals, state, held) in [
            (
                of(SessionState::Idle, None),
                &gone,
                SessionState::Gone,
                Some(HoldReason::AgentGone),
            ),
            (
                of(SessionState::Idle, Some(cannot_wake)),
                &gone,
                SessionState::Gone,
                Some(HoldReason::AgentGone),
            ),
            (
                of(SessionState::Busy, Some(paused)),
                &gone,
                SessionState::Gone,
                Some(paused),
            ),
            (
                of(SessionState::Draining, None),
                &gone,
                SessionState::Draining,
                None,
            ),
            (
                of(SessionState::Starting, None),
                &gone,
                SessionState::Starting,
                None,
            ),
            (
                of(SessionState::Idle, Some(cannot_wake)),
                &starting,
                SessionState::Starting,
                Some(cannot_wake),
            ),
            (of(SessionState::Busy, None), &there, SessionState::Busy, None),
        ] {
            assert_eq!(stands(&view, vitals), (state, held.and_then(hold)), "{view:?}");
        }
    }
}
