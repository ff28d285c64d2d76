//! Which waiting tasks are assigned now, and to whom: what the log and the roster say, as the router needs it.

use std::collections::BTreeMap;

use serde_json::Value;
use wagglebus_schemas::state::{AgentState, Presence, SessionState};
use wagglebus_schemas::task_api::Explanation;
use wagglebus_schemas::{AgentId, Timestamp};

use crate::assign::{self, Backlog, Candidate, Health, Job, Params, Placement, estimate};
use crate::attention::Now;
use crate::log::{Crew, TaskEntry, World};
use crate::reserve::Reserved;
use crate::roster::{Member, Roster};

/// Most agents that a stored explanation tells of, the best first.
const EXPLAINED_MAX: usize = 16;

/// The assignments of this moment, of what waits in `backlog`.
pub(crate) fn placements(world: &World, roster: &Roster, now: Now, backlog: &mut Backlog) -> Vec<Placement> {
    if backlog.is_empty() {
        return Vec::new();
    }
    let now_ms = now.wall.max(world.at()).unix_ms();
    let params = params(world);
    let candidates = candidates(world, roster, now_ms, &params);
    let jobs = backlog.urgent(now_ms, &candidates, &params);
    let mut placements = assign::assign(now_ms, jobs, &candidates, &params);
    for placement in &mut placements {
        placement.explanation.candidates.truncate(EXPLAINED_MAX);
    }
    placements
}

/// Whether somebody could begin something now, whatever it is.
pub(crate) fn is_somebody_free(world: &World, roster: &Roster) -> bool {
    let mut held: BTreeMap<&AgentId, u32> = BTreeMap::new();
    for holder in world.held().filter_map(|entry| entry.task.assigned_to.as_ref()) {
        *held.entry(holder).or_default() += 1;
    }
    let has_room = |member: &Member| held.get(member.agent()).copied().unwrap_or(0) < member.slots();
    workers(roster).any(|member| has_room(member) && health(member, world.crew()) == Health::Ready)
}

/// Whoever gets tasks. A person is asked, and not assigned to.
fn workers(roster: &Roster) -> impl Iterator<Item = &Member> {
    let operator = AgentId::operator();
    roster.members().filter(move |member| *member.agent() != operator)
}

/// How everybody looks at this moment for a task that nobody holds.
pub(crate) fn explain(world: &World, roster: &Roster, at: Timestamp, entry: &TaskEntry) -> Explanation {
    let (now_ms, params) = (at.unix_ms(), params(world));
    let candidates = candidates(world, roster, now_ms, &params);
    let mut explanation = assign::explain(now_ms, &job(entry), &candidates, &params);
    explanation.candidates.truncate(EXPLAINED_MAX);
    explanation
}

/// The same for a task that `agent` gets because `by` says so.
pub(crate) fn overridden(
    (world, roster): (&World, &Roster),
    at: Timestamp,
    entry: &TaskEntry,
    (by, agent): (&AgentId, &AgentId),
) -> Option<Value> {
    let mut explanation = explain(world, roster, at, entry);
    // Whom the strategy would have taken, if it could have taken anybody.
    let best = explanation.candidates.iter().find(|candidate| candidate.eligible);
    explanation.chosen = best.map(|candidate| candidate.agent.clone());
    serde_json::to_value(assign::overridden(explanation, by.clone(), agent.clone())).ok()
}

/// A task that waits, as the router sees it.
pub(crate) fn job(entry: &TaskEntry) -> Job {
    let (refused, failed) = (entry.refused_by.clone(), entry.failed_on.clone());
    Job::of(&entry.task, entry.ready_at.unix_ms(), refused, failed)
}

fn params(world: &World) -> Params {
    Params {
        strategy: world.settings().strategy(),
        mean_task_ms: world.practice().estimates().mean_task_ms(),
        ..Params::default()
    }
}

/// Everybody who may be given a task.
fn candidates(world: &World, roster: &Roster, now_ms: i64, params: &Params) -> Vec<Candidate> {
    let mut held: BTreeMap<&AgentId, Vec<u64>> = BTreeMap::new();
    for entry in world.held() {
        let elapsed_ms = u64::try_from(now_ms - entry.held_since.unix_ms()).unwrap_or(0);
        let left_ms = estimate::remaining_ms(params.mean_task_ms, elapsed_ms);
        if let Some(holder) = &entry.task.assigned_to {
            held.entry(holder).or_default().push(left_ms);
        }
    }
    let reserved = Reserved::of(world);
    workers(roster)
        .map(|member| {
            let (agent, estimates) = (member.agent(), world.practice().estimates());
            let given = world.practice().given(agent);
            let ability = |name, proficiency| estimates.ability(agent, name, proficiency);
            Candidate {
                abilities: member
                    .capabilities()
                    .iter()
                    .map(|able| {
                        let proficiency = Some(able.proficiency);
                        (able.name.clone(), ability(Some(&able.name), proficiency))
                    })
                    .collect(),
                general: ability(None, None),
                slots: member.slots(),
                resources: reserved.resources(member),
                held_ms: held.get(agent).cloned().unwrap_or_default(),
                health: health(member, world.crew()),
                last_turn: given.last_turn,
                given: given.count,
                ..Candidate::new(agent.clone())
            }
        })
        .collect()
}

/// Whether an agent is fit: what is seen of it, and what its machine remembers.
pub(crate) fn health(member: &Member, crew: &Crew) -> Health {
    if crew.is_halted() {
        return Health::Halted;
    }
    if crew.is_paused(member.agent()) {
        return Health::Paused;
    }
    let seen = seen(member);
    let state = crew.agent(member.agent()).map(|entry| entry.state);
    match state {
        Some(
            AgentState::Active | AgentState::ContractExecutionActive | AgentState::SurveyMissionCompleted,
        ) => seen,
        // It was just there, or is just back.
        None | Some(AgentState::Onboarding | AgentState::Reset | AgentState::Paused) => {
            seen.max(Health::Starting)
        }
        Some(AgentState::Error | AgentState::Shutdown) => Health::Lost,
    }
}

fn seen(member: &Member) -> Health {
    let state = member.heartbeat().map(|beat| beat.state);
    match (member.presence(), state) {
        (Presence::Lost | Presence::Never, _) | (_, None) => Health::Lost,
        (_, Some(SessionState::Gone | SessionState::Detached)) => Health::Lost,
        (_, Some(SessionState::Draining)) => Health::Draining,
        (_, Some(SessionState::Starting)) => Health::Starting,
        (_, Some(SessionState::BlockedOnHuman)) => Health::BlockedOnHuman,
        (_, Some(SessionState::RateLimited)) => Health::RateLimited,
        (Presence::Suspect, Some(_)) => Health::Suspect,
        (Presence::Alive, Some(SessionState::Idle | SessionState::Busy)) if member.is_unsteady() => {
            Health::Unsteady
        }
        (Presence::Alive, Some(SessionState::Idle | SessionState::Busy)) => Health::Ready,
    }
}
