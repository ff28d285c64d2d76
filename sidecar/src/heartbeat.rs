//! The heartbeat as it goes on the wire: what the machine tells, and what only the process can see.

use std::num::NonZeroU16;

use wagglebus_schemas::heartbeat::{BridgeProof, Capability, Heartbeat, SpoolDepth};
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
        let gone = vitals.agent_starting && matches!(view.state, SessionState::Idle | SessionState::Busy);
        Heartbeat {
            agent: self.agent.clone(),
            epoch: view.epoch,
            seq: self.seq,
            interval_ms: HEARTBEAT_MS,
            state: if gone { SessionState::Starting } else { view.state },
            hold: view.hold,
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
