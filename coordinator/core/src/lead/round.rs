//! Which waiting tasks are assigned now, and to whom: what the log and the roster say, as the router needs it.

use std::collections::BTreeMap;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::task::TaskState;

use crate::assign::{self, Candidate, Health, Job, Params, Placement, estimate};
use crate::attention::Now;
use crate::log::World;
use crate::roster::{Member, Roster};

/// Most agents that a stored explanation tells of, the best first.
const EXPLAINED_MAX: usize = 16;

/// The assignments of this moment.
pub(super) fn placements(world: &World, roster: &Roster, now: Now) -> Vec<Placement> {
    let now_ms = now.wall.max(world.at()).unix_ms();
    let jobs: Vec<Job> = world
        .in_state(TaskState::Pending)
        .map(|entry| {
            let (refused, failed) = (entry.refused_by.clone(), entry.failed_on.clone());
            Job::of(&entry.task, entry.ready_at.unix_ms(), refused, failed)
        })
        .collect();
    if jobs.is_empty() {
        return Vec::new();
    }
    let params = Params {
        mean_task_ms: world.practice().estimates().mean_task_ms(),
        ..Params::default()
    };
    let candidates = candidates(world, roster, now_ms, &params);
    let mut placements = assign::assign(now_ms, &jobs, &candidates, &params);
    for placement in &mut placements {
        placement.explanation.candidates.truncate(EXPLAINED_MAX);
    }
    placements
}

/// Everybody who may be given a task. A person is asked, and not assigned to.
fn candidates(world: &World, roster: &Roster, now_ms: i64, params: &Params) -> Vec<Candidate> {
    let mut held: BTreeMap<&AgentId, Vec<u64>> = BTreeMap::new();
    for state in [TaskState::Assigned, TaskState::InProgress, TaskState::Blocked] {
        for entry in world.in_state(state) {
            let elapsed_ms = u64::try_from(now_ms - entry.held_since.unix_ms()).unwrap_or(0);
            let left_ms = estimate::remaining_ms(params.mean_task_ms, elapsed_ms);
            if let Some(holder) = &entry.task.assigned_to {
                held.entry(holder).or_default().push(left_ms);
            }
        }
    }
    let operator = AgentId::operator();
    let members = roster.members().filter(|member| *member.agent() != operator);
    members
        .map(|member| {
            let (agent, estimates) = (member.agent(), world.practice().estimates());
            let given = world.practice().given(agent);
            let declared = member.heartbeat().map_or(&[][..], |beat| &beat.capabilities[..]);
            let ability = |name, proficiency| estimates.ability(agent, name, proficiency);
            Candidate {
                abilities: declared
                    .iter()
                    .map(|able| {
                        let proficiency = Some(able.proficiency);
                        (able.name.clone(), ability(Some(&able.name), proficiency))
                    })
                    .collect(),
                general: ability(None, None),
                held_ms: held.get(agent).cloned().unwrap_or_default(),
                health: health(member),
                last_turn: given.last_turn,
                given: given.count,
                ..Candidate::new(agent.clone())
            }
        })
        .collect()
}

fn health(member: &Member) -> Health {
    let state = member.heartbeat().map(|beat| beat.state);
    match (member.presence(), state) {
        (Presence::Lost | Presence::Never, _) | (_, None) => Health::Lost,
        (_, Some(SessionState::Gone | SessionState::Detached)) => Health::Lost,
        (_, Some(SessionState::Draining)) => Health::Draining,
        (_, Some(SessionState::Starting)) => Health::Starting,
        (_, Some(SessionState::BlockedOnHuman)) => Health::BlockedOnHuman,
        (_, Some(SessionState::RateLimited)) => Health::RateLimited,
        (Presence::Suspect, Some(_)) => Health::Suspect,
        (Presence::Alive, Some(SessionState::Idle | SessionState::Busy)) => Health::Ready,
    }
}
