//! Which waiting tasks are assigned now, and to whom.

use std::collections::BTreeMap;

use serde::Serialize;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use crate::attention::Now;
use crate::log::World;
use crate::roster::{Member, Roster};
use crate::task::submit::has;

/// Why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Explanation {
    /// The task.
    pub(super) task_id: Id,
    /// Who got it.
    pub(super) chosen: AgentId,
}

/// A task that is to be assigned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placement {
    /// The task.
    pub(super) task: Id,
    /// Who gets it.
    pub(super) agent: AgentId,
    /// Why.
    pub(super) explanation: Explanation,
}

/// The assignments of this moment.
pub(super) fn placements(world: &World, roster: &Roster, _now: Now) -> Vec<Placement> {
    let mut held: BTreeMap<&AgentId, usize> = BTreeMap::new();
    for state in [TaskState::Assigned, TaskState::InProgress, TaskState::Blocked] {
        for agent in world
            .in_state(state)
            .filter_map(|entry| entry.task.assigned_to.as_ref())
        {
            *held.entry(agent).or_default() += 1;
        }
    }
    let fit = |member: &&Member| {
        member.presence() == Presence::Alive
            && member
                .heartbeat()
                .is_some_and(|beat| matches!(beat.state, SessionState::Idle | SessionState::Busy))
    };
    let mut free: Vec<&Member> = roster
        .members()
        .filter(fit)
        .filter(|member| !held.contains_key(member.agent()))
        .collect();
    let mut waiting: Vec<_> = world.in_state(TaskState::Pending).collect();
    waiting.sort_by_key(|entry| (entry.task.priority, entry.task.created_at));
    let mut placements = Vec::new();
    for entry in waiting {
        let able = |member: &&Member| {
            has(member, &entry.task.capabilities) && !entry.refused_by.contains(member.agent())
        };
        let Some(place) = free.iter().position(able) else {
            continue;
        };
        let agent = free.remove(place).agent().clone();
        placements.push(Placement {
            task: entry.task.id,
            explanation: Explanation {
                task_id: entry.task.id,
                chosen: agent.clone(),
            },
            agent,
        });
    }
    placements
}
