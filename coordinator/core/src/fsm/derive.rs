//! What heartbeats, presence and enrolment say of an agent, and what its numbers say of the hive, as events of the tables.

use wagglebus_schemas::state::{AgentState, Presence, SessionState, SwarmState};

use super::agent::AgentEvent;
use super::swarm::SwarmEvent;
use crate::log::crew::{AgentEntry, Counts};
use crate::roster::Member;

/// Heartbeats without `gone` after which an agent is well again, the one that ended its error not counted.
pub const RECOVERED_AFTER: u8 = 2;

/// What is seen of an agent.
#[derive(Debug, Clone, Copy)]
pub struct Signs<'a> {
    /// Its enrolment and heartbeats.
    pub member: Option<&'a Member>,
    /// It has a task that it took on.
    pub works: bool,
    /// Heartbeats that came since its error ended.
    pub fresh: u8,
    /// A heartbeat came since its last task ended.
    pub rested: bool,
    /// It says that it can do something else than the log tells of it.
    pub declares: bool,
    /// Who was never heard of may still come: we have just begun to listen.
    pub patient: bool,
}

/// The next event of an agent, if there is one. Called until there is none.
pub fn agent_event(entry: Option<&AgentEntry>, signs: &Signs<'_>) -> Option<AgentEvent> {
    use AgentEvent as E;
    use AgentState as S;
    let enrolled = entry.is_some_and(|entry| entry.enrolled);
    let Some(member) = signs.member else {
        return enrolled.then_some(E::Remove);
    };
    let entry = match entry {
        Some(entry) if enrolled => entry,
        Some(_) | None => return Some(E::Enrol),
    };
    let Some(beat) = member.heartbeat() else {
        let was_there = !matches!(entry.state, S::Onboarding | S::Error | S::Shutdown);
        return (was_there && !signs.patient).then_some(E::Lose);
    };
    if beat.state == SessionState::Detached {
        // The last word of a sidecar; another one speaks under another lease.
        return (entry.state != S::Shutdown).then_some(E::Detach);
    }
    let gone = beat.state == SessionState::Gone;
    let lost = gone || member.presence() == Presence::Lost;
    let idle = beat.state == SessionState::Idle;
    let has_lease = beat.epoch > 0;
    let moved = match entry.state {
        S::Shutdown => (!lost && has_lease && beat.epoch != entry.epoch).then_some(E::NewEpoch),
        S::Error => (!lost).then_some(E::Return),
        _ if gone => Some(E::Go),
        _ if lost => Some(E::Lose),
        S::Onboarding if has_lease && entry.paused => Some(E::JoinPaused),
        S::Onboarding => has_lease.then_some(E::Join),
        S::Reset if signs.fresh < RECOVERED_AFTER => None,
        S::Reset if entry.paused => Some(E::RecoverPaused),
        S::Reset => Some(E::Recover),
        S::Active => signs.works.then_some(E::Accept),
        S::SurveyMissionCompleted if signs.works => Some(E::Accept),
        S::SurveyMissionCompleted => (signs.rested && idle).then_some(E::Idle),
        S::ContractExecutionActive => (!signs.works).then_some(E::LetGo),
        S::Paused => None,
    };
    let declares = signs.declares && !lost && entry.state != S::Shutdown;
    moved.or_else(|| declares.then_some(E::Declare))
}

/// The next event of the hive, if there is one. Called until there is none.
pub fn swarm_event(state: SwarmState, counts: Counts) -> Option<SwarmEvent> {
    let degraded = counts.unhealthy.saturating_mul(4) > counts.enrolled;
    match state {
        SwarmState::Idle | SwarmState::Coordinating | SwarmState::Broadcast if degraded => {
            Some(SwarmEvent::Degrade)
        }
        SwarmState::Idle => (counts.active >= 2).then_some(SwarmEvent::Gather),
        SwarmState::Coordinating => (counts.active < 2).then_some(SwarmEvent::Scatter),
        SwarmState::Degraded => (counts.unhealthy == 0).then_some(SwarmEvent::Recover),
        SwarmState::Broadcast | SwarmState::Halt => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(enrolled: u64, active: u64, unhealthy: u64) -> Counts {
        Counts {
            enrolled,
            active,
            unhealthy,
        }
    }

    /// Every state of the hive that follows from these numbers, one after the other.
    fn way(mut state: SwarmState, counts: Counts) -> String {
        let mut way = state.to_string();
        while let Some(event) = swarm_event(state, counts) {
            let super::super::Step::To(to) = super::super::swarm::step(state, event) else {
                panic!("{event:?} in {state}");
            };
            state = to;
            way = format!("{way} {state}");
            assert!(way.len() < 100, "{way}");
        }
        way
    }

    #[test]
    fn numbers_decide_about_the_hive() {
        use SwarmState as S;
        for (state, counts, expected) in [
            (S::Idle, counts(0, 0, 0), "idle"),
            (S::Idle, counts(2, 1, 0), "idle"),
            (S::Idle, counts(2, 2, 0), "idle coordinating"),
            (S::Coordinating, counts(9, 1, 0), "coordinating idle"),
            (S::Coordinating, counts(4, 3, 1), "coordinating"),
            (S::Coordinating, counts(5, 3, 2), "coordinating degraded"),
            (S::Broadcast, counts(1, 0, 1), "broadcast degraded"),
            (S::Degraded, counts(100, 99, 1), "degraded"),
            (S::Degraded, counts(9, 9, 0), "degraded coordinating"),
            (S::Degraded, counts(9, 1, 0), "degraded coordinating idle"),
            (S::Halt, counts(9, 9, 0), "halt"),
        ] {
            assert_eq!(way(state, counts), expected, "{state} {counts:?}");
        }
    }
}
