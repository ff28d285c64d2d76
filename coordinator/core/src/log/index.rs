//! Where in the log the events of each task, agent and the hive stand: a history is read by these places.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::{AgentId, Id};

/// Most places that are kept of one of them; the oldest are given up first.
pub const PLACES_MAX: usize = 1_000;

/// The fold: sequences in the log, by what the events are about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Index {
    tasks: BTreeMap<Id, VecDeque<u64>>,
    agents: BTreeMap<AgentId, VecDeque<u64>>,
    swarm: VecDeque<u64>,
}

/// What has a history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// A task.
    Task(Id),
    /// An agent.
    Agent(AgentId),
    /// The hive.
    Swarm,
}

impl Entity {
    /// What an event is about, if that has a history.
    pub fn of(event: &Event) -> Option<Self> {
        match event.entity {
            EventKind::Task => event.entity_id.parse().ok().map(Self::Task),
            EventKind::Agent => event.entity_id.parse().ok().map(Self::Agent),
            EventKind::Swarm => Some(Self::Swarm),
            EventKind::Contract
            | EventKind::Decision
            | EventKind::Outcome
            | EventKind::Failure
            | EventKind::Compliance
            | EventKind::Alert
            | EventKind::Config
            | EventKind::Conversation
            | EventKind::Migration
            | EventKind::Leader => None,
        }
    }
}

impl Index {
    /// Places of the events of this one, in order; the first ones may have been given up.
    pub fn places(&self, of: &Entity) -> impl DoubleEndedIterator<Item = u64> {
        let places = match of {
            Entity::Task(id) => self.tasks.get(id),
            Entity::Agent(agent) => self.agents.get(agent),
            Entity::Swarm => Some(&self.swarm),
        };
        places.into_iter().flatten().copied()
    }

    /// The place of its latest event, 0 before the first.
    pub fn last(&self, of: &Entity) -> u64 {
        self.places(of).next_back().unwrap_or(0)
    }

    /// Gives up the first places of a task, all but the last so many.
    pub(super) fn shorten(&mut self, task: &Id, max: usize) {
        if let Some(places) = self.tasks.get_mut(task) {
            places.drain(..places.len().saturating_sub(max));
        }
    }

    /// Forgets all places of this one.
    pub(super) fn forget(&mut self, of: &Entity) {
        match of {
            Entity::Task(id) => drop(self.tasks.remove(id)),
            Entity::Agent(agent) => drop(self.agents.remove(agent)),
            Entity::Swarm => self.swarm.clear(),
        }
    }

    /// Takes note of an event of the log.
    pub fn apply(&mut self, seq: u64, event: &Event) {
        // A command about what never was is part of no history.
        if event.seq == 0 {
            return;
        }
        let places = match Entity::of(event) {
            Some(Entity::Task(id)) => self.tasks.entry(id).or_default(),
            Some(Entity::Agent(agent)) => self.agents.entry(agent).or_default(),
            Some(Entity::Swarm) => &mut self.swarm,
            None => return,
        };
        if places.len() >= PLACES_MAX {
            places.pop_front();
        }
        places.push_back(seq);
    }
}
