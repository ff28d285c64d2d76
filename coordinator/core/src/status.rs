//! Everything about one agent that its coordination turns on, in one answer.

use serde::Serialize;
use serde_json::Value;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::{AgentId, Id, Timestamp};

use crate::api::Known;
use crate::attention::Now;
use crate::lead::health;
use crate::log::TaskEntry;
use crate::log::packed::Packed;
use crate::{resolve, tasks};

/// What an agent does, how it is, and what was decided about it last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoordinationStatus {
    /// Who it is, with its presence, the epoch of its lease and the state of its machine.
    pub agent: Box<Agent>,
    /// Why it gets work or none, in words.
    pub health: &'static str,
    /// What it works on: of several the one that it began first. Null while it holds none.
    pub task: Option<Task>,
    /// What it holds, the oldest assignment first.
    pub held: Vec<Held>,
    /// How many tasks it holds, by how far they are.
    pub load: Load,
    /// The latest assignment to it, with what spoke for it; null before the first one.
    pub last_decision: Option<LastDecision>,
    /// The line of the log up to which this is true.
    pub event_seq: u64,
}

/// A task that an agent holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    /// Which.
    pub task_id: Id,
    /// Number of the assignment.
    pub epoch: u64,
    /// How far it is.
    pub state: TaskState,
    /// Since when it holds it.
    pub since: Timestamp,
}

/// How many tasks an agent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Load {
    /// Given, and not accepted yet.
    pub assigned: usize,
    /// Worked on.
    pub in_progress: usize,
    /// Waiting for something.
    pub blocked: usize,
}

/// The latest assignment to an agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastDecision {
    /// The task.
    pub task_id: Id,
    /// Number of the assignment.
    pub epoch: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Why this agent: what spoke for each candidate; where it claimed the task or the operator gave it to it, that too.
    pub explanation: Option<Value>,
}

/// How it is with an agent.
pub(crate) fn status(known: Known<'_>, agent: &AgentId, now: Now) -> Result<CoordinationStatus, ErrorDetail> {
    let Known { roster, myself, lead } = known;
    tasks::ready(lead)?;
    let record = resolve::agent(roster, myself, agent, now)?;
    let world = lead.world();
    let mut held: Vec<&TaskEntry> = world.held_by(agent).collect();
    // Of those that it began at the same moment the one that it works on comes first.
    held.sort_by_key(|entry| (entry.held_since, entry.task.state == TaskState::Assigned));
    let count = |state| held.iter().filter(|entry| entry.task.state == state).count();
    let load = Load {
        assigned: count(TaskState::Assigned),
        in_progress: count(TaskState::InProgress),
        blocked: count(TaskState::Blocked),
    };
    let working = held
        .iter()
        .find(|entry| entry.task.state == TaskState::InProgress);
    let last = world.given_last(agent);
    Ok(CoordinationStatus {
        agent: Box::new(record),
        health: roster
            .member(agent)
            .map_or("ready", |member| health(member, world.crew()).as_str()),
        task: working.or(held.first()).map(|entry| entry.task.clone()),
        held: held
            .iter()
            .map(|entry| Held {
                task_id: entry.task.id,
                epoch: entry.task.epoch,
                state: entry.task.state,
                since: entry.held_since,
            })
            .collect(),
        load,
        last_decision: last.map(|entry| LastDecision {
            task_id: entry.task.id,
            epoch: entry.task.epoch,
            at: entry.held_since,
            explanation: entry.explanation.as_ref().map(Packed::value),
        }),
        event_seq: world.last(),
    })
}
