//! Tasks that wait, kept in their order, so that a round looks at the most urgent ones and not at all of them.
//!
//! Jobs that need the same may go to the same agents, at any moment. Of each such kind only so many matter as those agents
//! could take or plan, whatever else waits: an assignment of those is the assignment of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, CapabilityName, Id, Priority};

use super::candidate::Candidate;
use super::desk::Desk;
use super::job::Job;
use super::params::Params;
use super::urgency::{self, Urgency};
use super::{batch, filter};

/// What decides who may take a job, and how its age counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    priority: Priority,
    strategy: Option<Strategy>,
    capabilities: BTreeSet<CapabilityName>,
    refused_by: BTreeSet<AgentId>,
    /// The amounts as bits: they are only compared.
    resources: Vec<(String, u64)>,
}

impl Kind {
    fn of(job: &Job) -> Self {
        let amounts = job.resources.iter();
        Self {
            priority: job.priority,
            strategy: job.strategy,
            capabilities: job.capabilities.clone(),
            refused_by: job.refused_by.clone(),
            resources: amounts
                .map(|(name, amount)| (name.clone(), amount.to_bits()))
                .collect(),
        }
    }
}

/// Jobs of one kind.
#[derive(Debug, Clone, Default)]
struct Queue {
    /// The most urgent first.
    jobs: BTreeMap<Urgency, Job>,
    /// The oldest first, with the place of each among `jobs`.
    ages: BTreeMap<(i64, Id), Urgency>,
}

impl Queue {
    fn put(&mut self, job: Job, urgency: Urgency) {
        self.ages.insert((job.ready_at_ms, job.id), urgency);
        self.jobs.insert(urgency, job);
    }

    fn take(&mut self, age: (i64, Id)) -> Option<Job> {
        let urgency = self.ages.remove(&age)?;
        self.jobs.remove(&urgency)
    }
}

/// The tasks that wait for an agent.
#[derive(Debug, Clone, Default)]
pub struct Backlog {
    queues: BTreeMap<Arc<Kind>, Queue>,
    places: BTreeMap<Id, (Arc<Kind>, i64)>,
    /// The moment of which the order is, and the numbers by which tasks age.
    now_ms: i64,
    params: Params,
}

impl Backlog {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A task waits, or waits in another way than before.
    pub fn put(&mut self, job: Job) {
        self.remove(&job.id);
        let kind = Kind::of(&job);
        let known = self.queues.get_key_value(&kind).map(|(kind, _)| kind.clone());
        let kind = known.unwrap_or_else(|| Arc::new(kind));
        self.places.insert(job.id, (kind.clone(), job.ready_at_ms));
        let urgency = Urgency::of(&job, self.now_ms, &self.params);
        self.queues.entry(kind).or_default().put(job, urgency);
    }

    /// A task does not wait any more.
    pub fn remove(&mut self, id: &Id) {
        let Some((kind, ready_at_ms)) = self.places.remove(id) else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(&kind) {
            queue.take((ready_at_ms, *id));
            if queue.jobs.is_empty() {
                self.queues.remove(&kind);
            }
        }
    }

    /// The jobs that matter now: [`assign`](super::assign()) makes of them what it makes of all.
    pub fn urgent(&mut self, now_ms: i64, candidates: &[Candidate], params: &Params) -> Vec<&Job> {
        self.age(now_ms, params);
        let desks: Vec<Desk<'_>> = candidates.iter().map(Desk::of).collect();
        let mut urgent = Vec::new();
        for queue in self.queues.values() {
            let first = queue.jobs.values().next();
            let most = first.map_or(0, |job| useful(job, &desks, params));
            // The first of a kind that nobody can do still says when the tasks of its strategy have their turn.
            urgent.extend(queue.jobs.values().take(most.max(1)));
        }
        urgent
    }

    /// Moves those that have come to another priority by waiting, or by another idea of how long a task takes.
    fn age(&mut self, now_ms: i64, params: &Params) {
        let before = urgency::steps(self.now_ms, &self.params);
        let after = urgency::steps(now_ms, params);
        (self.now_ms, self.params) = (now_ms, params.clone());
        for queue in self.queues.values_mut() {
            for (before, after) in before.into_iter().zip(after) {
                // The bounds are rounded: those beside them are looked at as well.
                let (low, high) = (before.min(after), before.max(after));
                let (low, high) = (low.saturating_sub(2), high.saturating_add(2));
                let ages = queue.ages.range((low, FIRST)..=(high, LAST));
                let stale: Vec<(i64, Id)> = ages
                    .filter(|(_, urgency)| !urgency.is_of(now_ms, params, queue.jobs.get(*urgency)))
                    .map(|(age, _)| *age)
                    .collect();
                for age in stale {
                    if let Some(job) = queue.take(age) {
                        let urgency = Urgency::of(&job, now_ms, params);
                        queue.put(job, urgency);
                    }
                }
            }
        }
    }
}

const FIRST: Id = Id::from_bytes([0; 16]);
const LAST: Id = Id::from_bytes([0xff; 16]);

/// How many jobs like this one a round can make use of: so many as those who may take it can start, and plan.
fn useful(job: &Job, desks: &[Desk<'_>], params: &Params) -> usize {
    let able = desks
        .iter()
        .filter(|desk| filter::never(job, desk, params).is_empty());
    able.map(|desk| desk.free_slots().saturating_add(batch::room(desk, params)))
        .fold(0, usize::saturating_add)
}
