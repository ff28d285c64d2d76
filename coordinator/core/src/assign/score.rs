//! What an agent is worth for a job under each strategy, term by term.

use std::cmp::Ordering;

use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::task_api::Term;

use super::candidate::Fitness;
use super::desk::Desk;
use super::job::Job;
use super::params::Params;
use super::urgency;

/// Least weight of an agent under `weighted`: who always failed still gets a try now and then.
const WEIGHT_MIN: f64 = 0.1;
/// What a point of declared proficiency adds under `capability_based`: it settles what measurement leaves even.
const PROFICIENCY_WEIGHT: f64 = 0.001;

/// What scores are judged against.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'p> {
    /// The time, in milliseconds since 1970.
    pub(super) now_ms: i64,
    pub(super) params: &'p Params,
}

impl View<'_> {
    /// How long the job is expected to take this agent, in milliseconds.
    pub(super) fn work_ms(&self, job: &Job, fitness: Fitness) -> f64 {
        job.expected_ms.unwrap_or(self.params.mean_task_ms) as f64 * fitness.pace
    }

    /// The parts of what it costs (INTELLIGENCE 3) to leave the job to an agent whose slot is free in `wait_ms`, in
    /// weighted mean tasks: waiting, working until it is done right, the risk of failing, lateness, and trying again who
    /// failed it.
    pub(super) fn costs(&self, job: &Job, fitness: Fitness, wait_ms: u64, again: bool) -> [f64; 5] {
        let (params, weight) = (self.params, self.weight(job));
        let wait = params.in_mean_tasks(wait_ms as f64);
        let work = params.in_mean_tasks(self.work_ms(job, fitness)) / fitness.success;
        let late = job.deadline_ms.map_or(0.0, |deadline_ms| {
            let slack = params.in_mean_tasks(deadline_ms.saturating_sub(self.now_ms) as f64);
            (wait + work - slack).clamp(0.0, params.lateness_max.max(0.0))
        });
        [
            weight * wait,
            weight * work,
            weight * (1.0 - fitness.success) * self.failure_cost(job),
            weight * late * params.lateness_cost,
            if again { params.again_cost } else { 0.0 },
        ]
    }

    /// What a mean task of delay costs: after long waiting as much as at a higher priority.
    fn weight(&self, job: &Job) -> f64 {
        self.params.weight(urgency::aged(job, self.now_ms, self.params))
    }

    /// What a failed attempt costs, in mean tasks: the trouble, and the job itself if all attempts that are left fail too.
    fn failure_cost(&self, job: &Job) -> f64 {
        let others = job.attempts_left.saturating_sub(1).min(16);
        let others = i32::try_from(others).unwrap_or(0);
        let all_fail = self.params.failure_rate.clamp(0.0, 1.0).powi(others);
        self.params.failure_cost + self.params.loss_cost * all_fail
    }

    /// What it costs to leave the job out of the plan, in weighted mean tasks: the older, the more.
    pub(super) fn urge(&self, job: &Job) -> f64 {
        let age = self.params.in_mean_tasks(job.age_ms(self.now_ms) as f64);
        self.weight(job) * (self.params.urge + age)
    }

    /// The terms of the score; their sum is the score, more is better.
    pub(super) fn terms(&self, strategy: Strategy, job: &Job, desk: &Desk<'_>) -> Vec<Term> {
        let fitness = desk.who.ability(job);
        match strategy {
            Strategy::RoundRobin => {
                let turn = desk.last_turn.unwrap_or(0) as f64;
                vec![term("last_turn", -turn)]
            }
            Strategy::LeastConnections => vec![term("held", -(desk.held_ms.len() as f64))],
            Strategy::ResourceBased => vec![term("headroom", headroom(job, desk))],
            Strategy::CapabilityBased => {
                let proficiency = f64::from(fitness.proficiency) * PROFICIENCY_WEIGHT;
                vec![term("success", fitness.success), term("proficiency", proficiency)]
            }
            Strategy::Weighted => {
                let weight = self.params.agent_weights.get(&desk.who.agent);
                let weight = weight.copied().unwrap_or(fitness.success).max(WEIGHT_MIN);
                vec![term("share", -(desk.given as f64 + 1.0) / weight)]
            }
            Strategy::Intelligent => {
                let again = job.failed_on.contains(&desk.who.agent);
                let wait_ms = desk.free_in_ms(1).first().copied().unwrap_or(0);
                let names = ["wait", "work", "risk", "lateness", "again"];
                let costs = self.costs(job, fitness, wait_ms, again);
                names
                    .into_iter()
                    .zip(costs)
                    .map(|(name, cost)| term(name, -cost))
                    .collect()
            }
            Strategy::PriorityBased => {
                let wait_ms = desk.free_in_ms(1).first().copied().unwrap_or(0);
                let work = self.params.in_mean_tasks(self.work_ms(job, fitness)) / fitness.success;
                let wait = self.params.in_mean_tasks(wait_ms as f64);
                vec![term("wait", -wait), term("work", -work)]
            }
        }
    }
}

/// The part that would be left of the scarcest resource with the job placed, 0 to 1.
fn headroom(job: &Job, desk: &Desk<'_>) -> f64 {
    let left = |name: &str, total: f64| {
        let wanted = job.resources.get(name).copied().unwrap_or(0.0).max(0.0);
        ((desk.free(name).unwrap_or(0.0) - wanted) / total).clamp(0.0, 1.0)
    };
    let resources = desk
        .who
        .resources
        .iter()
        .filter(|(_, resource)| resource.total > 0.0);
    let scarcest = resources
        .map(|(name, resource)| left(name, resource.total))
        .reduce(f64::min);
    // An agent with one slot would always be at 0: slots decide only where no resources are reported.
    scarcest.unwrap_or_else(|| desk.free_slots().saturating_sub(1) as f64 / desk.slots().max(1) as f64)
}

fn term(name: &str, value: f64) -> Term {
    Term {
        name: name.to_owned(),
        value,
    }
}

/// The sum of the terms.
pub(super) fn sum(terms: &[Term]) -> f64 {
    terms.iter().map(|term| term.value).sum()
}

/// The order among scored desks, the best first: score, then the fewest tasks held, the longest without a turn, the id.
pub(super) fn order(a: (f64, &Desk<'_>), b: (f64, &Desk<'_>)) -> Ordering {
    let rest = |desk: &Desk<'_>| (desk.held_ms.len(), desk.last_turn);
    b.0.total_cmp(&a.0)
        .then_with(|| rest(a.1).cmp(&rest(b.1)))
        .then_with(|| a.1.who.agent.cmp(&b.1.who.agent))
}
