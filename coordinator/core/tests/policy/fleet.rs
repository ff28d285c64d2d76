//! What the coordinator knows of the simulated fleet: the input of the router.

use std::collections::BTreeSet;

use wagglebus_coordinator_core::assign::estimate::remaining_ms;
use wagglebus_coordinator_core::assign::{Ability, Candidate, Estimates, Health, Job, Outcome, Skill};
use wagglebus_schemas::heartbeat::Proficiency;
use wagglebus_schemas::{AgentId, CapabilityName, Id, Priority};

use crate::rng::Rng;
use crate::world::{AGENTS, Scenario, TYPES, Task, World};

/// A mean task, in milliseconds.
pub(crate) const UNIT_MS: f64 = 100_000.0;
/// Known success rates are as sure as this many outcomes.
const SURE: f64 = 1_000.0;

/// What an agent holds, as far as the coordinator knows.
struct Held {
    began: f64,
    expected_ms: u64,
}

pub(crate) struct Fleet {
    pub(crate) waiting: Vec<Job>,
    pub(crate) candidates: Vec<Candidate>,
    held: Vec<Option<Held>>,
    refused: Vec<BTreeSet<AgentId>>,
    turn: u64,
    types: Vec<CapabilityName>,
    estimates: Option<Estimates>,
    pub(crate) rng: Rng,
}

pub(crate) fn ms(time: f64) -> i64 {
    (time * UNIT_MS) as i64
}

pub(crate) fn task_id(place: usize) -> Id {
    Id::from_bytes((place as u128).to_be_bytes())
}

pub(crate) fn task_place(id: Id) -> usize {
    u128::from_be_bytes(*id.as_bytes()) as usize
}

fn agent_id(place: usize) -> AgentId {
    format!("agent-{place:02}").parse().unwrap()
}

impl Fleet {
    pub(crate) fn new(world: &World, scenario: &Scenario, seed: u64) -> Self {
        let types: Vec<CapabilityName> = (0..TYPES).map(|k| format!("type-{k}").parse().unwrap()).collect();
        let candidate = |agent: usize| {
            let ability = |kind: usize| {
                let success = world.success[agent][kind];
                let proficiency =
                    Proficiency::try_from(if world.strong[agent][kind] { 8 } else { 3 }).unwrap();
                Ability {
                    proficiency: Some(proficiency),
                    skill: Skill {
                        alpha: success * SURE,
                        beta: (1.0 - success) * SURE,
                    },
                    draw: None,
                    pace: 1.0 / world.speed[agent][kind],
                }
            };
            Candidate {
                abilities: types
                    .iter()
                    .enumerate()
                    .map(|(k, name)| (name.clone(), ability(k)))
                    .collect(),
                ..Candidate::new(agent_id(agent))
            }
        };
        let mut fleet = Self {
            waiting: Vec::new(),
            candidates: (0..AGENTS).map(candidate).collect(),
            held: (0..AGENTS).map(|_| None).collect(),
            refused: vec![BTreeSet::new(); world.tasks.len()],
            turn: 0,
            estimates: None,
            rng: Rng::new(seed ^ 0xBEE),
            types,
        };
        if scenario.learned {
            fleet.unlearn(world);
        }
        fleet
    }

    /// Only what was declared is known: the strong types, by name.
    fn unlearn(&mut self, world: &World) {
        self.estimates = Some(Estimates::new(UNIT_MS as u64));
        for (agent, candidate) in self.candidates.iter_mut().enumerate() {
            for (kind, ability) in candidate.abilities.values_mut().enumerate() {
                *ability = Ability::assumed(ability.proficiency.filter(|_| world.strong[agent][kind]));
            }
        }
    }

    pub(crate) fn wait(&mut self, place: usize, task: &Task, attempts_left: u32) {
        self.waiting.push(Job {
            capabilities: [self.types[task.kind].clone()].into(),
            priority: Priority::ALL[task.priority],
            deadline_ms: Some(ms(task.deadline)),
            expected_ms: Some((task.estimate * UNIT_MS) as u64),
            attempts_left,
            // Never on the same agent twice.
            refused_by: self.refused[place].clone(),
            ..Job::new(task_id(place), ms(task.arrival))
        });
    }

    /// Takes the job with this place in `waiting` out and notes that the agent holds it.
    pub(crate) fn give(&mut self, now: f64, waiting: usize, agent: usize) -> usize {
        let job = self.waiting.swap_remove(waiting);
        let candidate = &mut self.candidates[agent];
        let pace = candidate.ability(&job).pace;
        let expected_ms = (job.expected_ms.unwrap() as f64 * pace) as u64;
        self.held[agent] = Some(Held {
            began: now,
            expected_ms,
        });
        self.turn += 1;
        candidate.last_turn = Some(self.turn);
        candidate.given += 1;
        let place = task_place(job.id);
        self.refused[place].insert(candidate.agent.clone());
        place
    }

    /// Brings what the agents hold up to date.
    pub(crate) fn refresh(&mut self, now: f64) {
        for (candidate, held) in self.candidates.iter_mut().zip(&self.held) {
            candidate.held_ms.clear();
            let left = |held: &Held| remaining_ms(held.expected_ms, ms(now - held.began) as u64);
            candidate.held_ms.extend(held.as_ref().map(left));
        }
        if self.estimates.is_some() {
            for ability in self.candidates.iter_mut().flat_map(|c| c.abilities.values_mut()) {
                ability.draw = Some(ability.skill.sample(&mut || self.rng.uniform()));
            }
        }
    }

    /// An attempt ended: with success or failure after a time, or because the agent was lost.
    pub(crate) fn outcome(&mut self, agent: usize, task: &Task, ended: Option<(bool, f64)>) {
        self.held[agent] = None;
        if let (Some(estimates), Some((success, took))) = (&mut self.estimates, ended) {
            let candidate = &mut self.candidates[agent];
            let capability = &self.types[task.kind];
            let ability = candidate.abilities.get_mut(capability).unwrap();
            let declared = ability.proficiency.is_some();
            let outcome = Outcome {
                agent: &candidate.agent,
                capabilities: &[capability.clone()].into(),
                success,
                took_ms: Some(ms(took) as u64),
                expected_ms: Some((task.estimate * UNIT_MS) as u64),
            };
            estimates.observe(&outcome, |_| declared);
            *ability = estimates.ability(&candidate.agent, Some(capability), ability.proficiency);
        }
    }

    pub(crate) fn lost(&mut self, agent: usize) {
        self.candidates[agent].health = Health::Lost;
    }

    pub(crate) fn back(&mut self, agent: usize) {
        self.candidates[agent].health = Health::Ready;
    }

    /// Agents that could start now, as far as the coordinator knows.
    pub(crate) fn idle(&self) -> Vec<usize> {
        let idle =
            |agent: &usize| self.held[*agent].is_none() && self.candidates[*agent].health == Health::Ready;
        (0..AGENTS).filter(idle).collect()
    }
}
