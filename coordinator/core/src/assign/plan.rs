//! From ready tasks and agents to who gets what now.

use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::task_api::{self, Explanation};
use wagglebus_schemas::{AgentId, Id};

use super::batch;
use super::candidate::Candidate;
use super::desk::Desk;
use super::filter;
use super::job::Job;
use super::params::Params;
use super::score::{self, View};
use super::urgency;

/// A task that is to be assigned now.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The task.
    pub task: Id,
    /// Who gets it.
    pub agent: AgentId,
    /// Why.
    pub explanation: Explanation,
}

/// Decides which of the ready tasks are assigned now, and to whom, in the order of assignment.
///
/// `now_ms` is in milliseconds since 1970. The order of `jobs` and `candidates` does not matter; each id must occur once.
/// Tasks whose strategy looks at one task at a time are placed in order of urgency; all tasks of `intelligent` are
/// planned together when the first of them has its turn.
pub fn assign<'j>(
    now_ms: i64,
    jobs: impl IntoIterator<Item = &'j Job>,
    candidates: &[Candidate],
    params: &Params,
) -> Vec<Placement> {
    let mut round = Round::new(now_ms, candidates, params);
    let jobs = urgency::sorted(jobs, now_ms, params);
    let (together, _): (Vec<&Job>, Vec<&Job>) = jobs
        .iter()
        .partition(|job| round.strategy(job) == Strategy::Intelligent);
    let mut planned = false;
    for job in jobs {
        if round.desks.iter().all(|desk| desk.free_slots() == 0) {
            break;
        }
        match round.strategy(job) {
            Strategy::Intelligent if planned => {}
            Strategy::Intelligent => {
                planned = true;
                round.place_together(&together);
            }
            Strategy::RoundRobin
            | Strategy::LeastConnections
            | Strategy::ResourceBased
            | Strategy::CapabilityBased
            | Strategy::Weighted
            | Strategy::PriorityBased => round.place(job),
        }
    }
    round.placements
}

/// How every agent looks for a task that is not being assigned: why it waits, or what was passed over by hand
/// ([`overridden`]).
pub fn explain(now_ms: i64, job: &Job, candidates: &[Candidate], params: &Params) -> Explanation {
    let round = Round::new(now_ms, candidates, params);
    round.explanation(job, None, |_| None)
}

/// The same considerations, but `agent` takes the task because `by`, the operator or the agent that claims it, says so.
#[must_use]
pub fn overridden(mut explanation: Explanation, by: AgentId, agent: AgentId) -> Explanation {
    let instead_of = explanation.chosen.replace(agent);
    explanation.overridden = Some(task_api::Override { by, instead_of });
    explanation
}

/// One call of [`assign`].
struct Round<'a> {
    view: View<'a>,
    /// By id.
    desks: Vec<Desk<'a>>,
    /// The highest turn so far.
    turn: u64,
    placements: Vec<Placement>,
}

impl<'a> Round<'a> {
    fn new(now_ms: i64, candidates: &'a [Candidate], params: &'a Params) -> Self {
        let mut desks: Vec<Desk<'a>> = candidates.iter().map(Desk::of).collect();
        desks.sort_by(|a, b| a.who.agent.cmp(&b.who.agent));
        Self {
            view: View { now_ms, params },
            desks,
            turn: candidates.iter().filter_map(|c| c.last_turn).max().unwrap_or(0),
            placements: Vec::new(),
        }
    }

    fn strategy(&self, job: &Job) -> Strategy {
        job.strategy.unwrap_or(self.view.params.strategy)
    }

    /// Whether the desk can take the job at once.
    fn can(&self, job: &Job, desk: &Desk<'_>) -> bool {
        filter::never(job, desk, self.view.params).is_empty() && filter::not_now(job, desk).is_empty()
    }

    /// Gives the job to the best desk that can take it, if there is one.
    fn place(&mut self, job: &Job) {
        let strategy = self.strategy(job);
        let able = self
            .desks
            .iter()
            .enumerate()
            .filter(|(_, desk)| self.can(job, desk));
        let scored = able.map(|(place, desk)| {
            let score = score::sum(&self.view.terms(strategy, job, desk));
            (place, (score, desk))
        });
        let best = scored.min_by(|(_, a), (_, b)| score::order(*a, *b));
        if let Some((place, _)) = best {
            let explanation = self.explanation(job, Some(place), |_| None);
            self.give(job, place, explanation);
        }
    }

    /// Plans all the jobs, and gives out those whose agent can start. The plan knows slots, and not what several jobs take
    /// of one agent together: what finds its resources taken by another job of the plan is planned anew.
    fn place_together(&mut self, jobs: &[&Job]) {
        let mut rest = jobs.to_vec();
        while self.place_planned(&rest) {
            let placements = &self.placements;
            rest.retain(|job| placements.iter().all(|placement| placement.task != job.id));
        }
    }

    /// Returns whether a job found its resources taken; then at least one was given out.
    fn place_planned(&mut self, jobs: &[&Job]) -> bool {
        let plan = batch::plan(jobs, &self.desks, self.view);
        // Everything is explained as it was when the plan was made.
        let mut decided = Vec::new();
        for (job, place) in plan
            .iter()
            .filter_map(|(job, place)| Some((jobs.get(*job)?, *place)))
        {
            if self.desks.get(place).is_some_and(|desk| self.can(job, desk)) {
                let other = |desk: usize| {
                    let job = plan.iter().find(|(_, place)| **place == desk)?.0;
                    Some(format!("is better used for {}", jobs.get(*job)?.id))
                };
                decided.push((job, place, self.explanation(job, Some(place), other)));
            }
        }
        let mut taken = false;
        for (job, place, explanation) in decided {
            if self.desks.get(place).is_some_and(|desk| self.can(job, desk)) {
                self.give(job, place, explanation);
            } else {
                taken = true;
            }
        }
        taken
    }

    fn give(&mut self, job: &Job, place: usize, explanation: Explanation) {
        if let Some(desk) = self.desks.get_mut(place) {
            self.turn = self.turn.saturating_add(1);
            // The cast saturates.
            let work_ms = self.view.work_ms(job, desk.who.ability(job)) as u64;
            desk.give(job, work_ms, self.turn);
            self.placements.push(Placement {
                task: job.id,
                agent: desk.who.agent.clone(),
                explanation,
            });
        }
    }

    /// `other` tells why an agent that can take the job does something else.
    fn explanation(
        &self,
        job: &Job,
        chosen: Option<usize>,
        other: impl Fn(usize) -> Option<String>,
    ) -> Explanation {
        let strategy = self.strategy(job);
        let consider = |(place, desk): (usize, &Desk<'_>)| {
            let never = filter::never(job, desk, self.view.params);
            let not_now = filter::not_now(job, desk);
            let terms = if never.is_empty() {
                self.view.terms(strategy, job, desk)
            } else {
                Vec::new()
            };
            let reasons: Vec<String> = never.iter().chain(&not_now).map(ToString::to_string).collect();
            let why_not = match chosen {
                Some(chosen) if chosen == place => None,
                _ if !reasons.is_empty() => Some(reasons.join("; ")),
                _ => other(place),
            };
            let considered = task_api::Candidate {
                agent: desk.who.agent.clone(),
                eligible: reasons.is_empty(),
                why_not,
                score: score::sum(&terms),
                terms,
            };
            (never.is_empty(), place, considered)
        };
        let mut all: Vec<_> = self.desks.iter().enumerate().map(consider).collect();
        let desk = |place: usize| self.desks.get(place);
        all.sort_by(|(a_can, a, left), (b_can, b, right)| {
            let by_score = match (desk(*a), desk(*b)) {
                (Some(a), Some(b)) => score::order((left.score, a), (right.score, b)),
                _ => a.cmp(b),
            };
            b_can.cmp(a_can).then(by_score)
        });
        Explanation {
            task_id: job.id,
            strategy,
            candidates: all.into_iter().map(|(_, _, considered)| considered).collect(),
            chosen: chosen.and_then(desk).map(|desk| desk.who.agent.clone()),
            overridden: None,
        }
    }
}
