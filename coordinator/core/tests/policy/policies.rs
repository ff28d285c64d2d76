//! The policies that are compared: the router with each strategy, and two that it does not have.

use wagglebus_coordinator_core::assign::{self, Candidate, Health, Job, Params};
use wagglebus_schemas::task::Strategy;

use crate::fleet::{Fleet, UNIT_MS, ms, task_place};

/// Decides who gets what at an event.
pub(crate) trait Policy {
    /// Pairs of task and agent, by place; each agent must be idle.
    fn decide(&mut self, now: f64, fleet: &mut Fleet) -> Vec<(usize, usize)>;
}

/// The router.
pub(crate) struct Router(pub(crate) Params);

impl Router {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self(Params {
            strategy,
            mean_task_ms: UNIT_MS as u64,
            undeclared: true,
            ..Params::default()
        })
    }
}

impl Policy for Router {
    fn decide(&mut self, now: f64, fleet: &mut Fleet) -> Vec<(usize, usize)> {
        fleet.refresh(now);
        let placements = assign::assign(ms(now), &fleet.waiting, &fleet.candidates, &self.0);
        let pairs = placements.into_iter().map(|placement| {
            let waiting = fleet
                .waiting
                .iter()
                .position(|job| job.id == placement.task)
                .unwrap();
            let agent = fleet
                .candidates
                .iter()
                .position(|c| c.agent == placement.agent)
                .unwrap();
            let task = fleet.give(now, waiting, agent);
            assert_eq!(task, task_place(placement.task));
            (task, agent)
        });
        pairs.collect()
    }
}

/// First come, first served; any idle agent.
pub(crate) struct Random;

impl Policy for Random {
    fn decide(&mut self, now: f64, fleet: &mut Fleet) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        fleet.waiting.sort_by_key(|job| (job.ready_at_ms, job.id));
        let mut place = 0;
        while place < fleet.waiting.len() {
            let mut able = fleet.idle();
            if able.is_empty() {
                break;
            }
            let job = &fleet.waiting[place];
            able.retain(|agent| !job.refused_by.contains(&fleet.candidates[*agent].agent));
            if able.is_empty() {
                place += 1;
                continue;
            }
            let agent = able[fleet.rng.below(able.len())];
            pairs.push((fleet.give(now, place, agent), agent));
            fleet.waiting.sort_by_key(|job| (job.ready_at_ms, job.id));
        }
        pairs
    }
}

/// Whom a task may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GreedyKind {
    /// Only the idle.
    Idle,
    /// The busy too, each for one task: the assignment problem, solved greedily.
    Once,
    /// The busy too, one task behind the other: list scheduling over the whole queue.
    Queues,
}

/// Greedy batch: with the costs of the assignment problem, but one task after the other, the most urgent and then the
/// oldest first; each takes its cheapest agent.
pub(crate) struct Greedy {
    pub(crate) kind: GreedyKind,
    pub(crate) params: Params,
}

impl Policy for Greedy {
    fn decide(&mut self, now: f64, fleet: &mut Fleet) -> Vec<(usize, usize)> {
        fleet.refresh(now);
        let mut idle = fleet.idle();
        let mut wait: Vec<f64> = fleet
            .candidates
            .iter()
            .map(|c| c.held_ms.iter().sum::<u64>() as f64)
            .collect();
        fleet
            .waiting
            .sort_by_key(|job| (job.priority, job.ready_at_ms, job.id));
        let (mut chosen, mut taken) = (Vec::new(), vec![false; wait.len()]);
        for (place, job) in fleet.waiting.iter().enumerate() {
            if idle.is_empty() {
                break;
            }
            let able = |agent: &usize| {
                let candidate = &fleet.candidates[*agent];
                candidate.health == Health::Ready && !job.refused_by.contains(&candidate.agent)
            };
            let able = (0..wait.len()).filter(able).filter(|agent| match self.kind {
                GreedyKind::Idle => idle.contains(agent),
                GreedyKind::Once => !taken[*agent],
                GreedyKind::Queues => true,
            });
            let costs = able.map(|agent| (self.cost(now, job, &fleet.candidates[agent], wait[agent]), agent));
            let Some((_, agent)) = costs.min_by(|a, b| a.0.total_cmp(&b.0)) else {
                continue;
            };
            taken[agent] = true;
            wait[agent] += job.expected_ms.unwrap() as f64 * fleet.candidates[agent].ability(job).pace;
            if idle.contains(&agent) {
                idle.retain(|other| *other != agent);
                chosen.push((place, agent));
            }
        }
        // From the back, so that the places before stay what they are.
        chosen
            .into_iter()
            .rev()
            .map(|(place, agent)| (fleet.give(now, place, agent), agent))
            .collect()
    }
}

impl Greedy {
    fn cost(&self, now: f64, job: &Job, candidate: &Candidate, wait_ms: f64) -> f64 {
        let (params, fit) = (&self.params, candidate.ability(job));
        let time = (wait_ms + job.expected_ms.unwrap() as f64 * fit.pace / fit.success) / UNIT_MS;
        let slack = (job.deadline_ms.unwrap() - ms(now)) as f64 / UNIT_MS;
        let late = (time - slack).clamp(0.0, params.lateness_max);
        time + (1.0 - fit.success) * params.failure_cost + late * params.lateness_cost
    }
}
