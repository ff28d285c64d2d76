//! What outcomes teach: how often each agent succeeds, how long it takes, and how long the mean task is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::heartbeat::Proficiency;
use wagglebus_schemas::{AgentId, CapabilityName};

use super::candidate::Ability;
use super::skill::Skill;

/// Outcomes that the assumed pace of 1 weighs as much as: one odd task says little about an agent.
const PACE_PRIOR: f64 = 4.0;
/// A task that takes longer than expected takes as long again as a fourth of what it took: about what is left on average
/// when sizes are known up to a factor of two.
const OVERDUE: u64 = 4;
/// Tasks that the assumed mean task weighs as much as.
const MEAN_PRIOR: f64 = 3.0;
/// Tasks after which the mean forgets: it follows a fleet whose work changes.
const MEAN_MEMORY: f64 = 200.0;

/// How long a task will still take that was expected to take `expected_ms` and has been worked on for `elapsed_ms`. What is
/// overdue is not nearly done: the longer it took, the longer it will take.
pub fn remaining_ms(expected_ms: u64, elapsed_ms: u64) -> u64 {
    expected_ms.saturating_sub(elapsed_ms).max(elapsed_ms / OVERDUE)
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome<'a> {
    /// Who did it.
    pub agent: &'a AgentId,
    /// What the task needed; several share the credit and the blame.
    pub capabilities: &'a BTreeSet<CapabilityName>,
    /// Whether it was completed. What was cancelled, refused or taken away says nothing and is not an outcome.
    pub success: bool,
    /// How long the agent worked on it, in milliseconds, if it is known.
    pub took_ms: Option<u64>,
    /// How long it was expected to take an agent of ordinary pace; `None`: nothing was said.
    pub expected_ms: Option<u64>,
}

/// What is known of one agent and one capability; `None` in the key stands for work that needs none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Record {
    /// Successes and failures that were its doing.
    successes: f64,
    failures: f64,
    /// How many durations were seen, and the sum of the logarithms of took / expected.
    timed: f64,
    ln_pace: f64,
}

/// A fold of outcomes; the same outcomes in the same order give the same estimates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimates {
    #[serde(with = "crate::pairs")]
    records: BTreeMap<(AgentId, Option<CapabilityName>), Record>,
    mean_task_ms: f64,
    tasks: f64,
}

impl Estimates {
    /// Nothing learned yet; `mean_task_ms` is assumed.
    pub const fn new(mean_task_ms: u64) -> Self {
        Self {
            records: BTreeMap::new(),
            mean_task_ms: mean_task_ms as f64,
            tasks: MEAN_PRIOR,
        }
    }

    /// Whether outcomes say more about the mean task than was assumed.
    pub fn is_learned(&self) -> bool {
        self.tasks >= 2.0 * MEAN_PRIOR
    }

    /// How long the mean task takes, in milliseconds, at least 1.
    pub fn mean_task_ms(&self) -> u64 {
        (self.mean_task_ms as u64).max(1)
    }

    /// What is known of the agent's way with a capability, or with work that needs none. Without outcomes that is the
    /// prior of [`Skill::prior`] and a pace of 1; work that needs nothing is done by anybody who takes it.
    pub fn ability(
        &self,
        agent: &AgentId,
        capability: Option<&CapabilityName>,
        proficiency: Option<Proficiency>,
    ) -> Ability {
        let record = self.records.get(&(agent.clone(), capability.cloned()));
        let record = record.copied().unwrap_or_default();
        let mut skill = Skill::prior(proficiency.is_some() || capability.is_none());
        skill.alpha += record.successes;
        skill.beta += record.failures;
        Ability {
            proficiency,
            skill,
            draw: None,
            pace: (record.ln_pace / (record.timed + PACE_PRIOR)).exp(),
        }
    }

    /// Learns from an outcome. Of several capabilities the one that explains it best gets most of it: a failure is put
    /// down to the weakest, a success to the strongest (INTELLIGENCE 4.1).
    pub fn observe(&mut self, outcome: &Outcome<'_>, declared: impl Fn(&CapabilityName) -> bool) {
        let mut keys: Vec<Option<&CapabilityName>> = outcome.capabilities.iter().map(Some).collect();
        if keys.is_empty() {
            keys.push(None);
        }
        let likelihood = |capability: &Option<&CapabilityName>| {
            let proficiency = capability
                .filter(|name| declared(name))
                .map(|_| Proficiency::DEFAULT);
            let mean = self.ability(outcome.agent, *capability, proficiency).skill.mean();
            if outcome.success { mean } else { 1.0 - mean }
        };
        let likelihoods: Vec<f64> = keys.iter().map(likelihood).collect();
        let total: f64 = likelihoods.iter().sum();
        let ratio = self.ratio(outcome);
        for (capability, likelihood) in keys.into_iter().zip(likelihoods) {
            let key = (outcome.agent.clone(), capability.cloned());
            let record = self.records.entry(key).or_default();
            let share = likelihood / total.max(f64::MIN_POSITIVE);
            let count = if outcome.success {
                &mut record.successes
            } else {
                &mut record.failures
            };
            *count += share;
            if let Some(ratio) = ratio {
                record.timed += 1.0;
                record.ln_pace += ratio.ln();
            }
        }
        self.observe_mean(outcome);
    }

    /// What outcomes told of an agent: each capability, `None` for work that needs none, and how many outcomes.
    pub fn known<'e>(
        &'e self,
        agent: &'e AgentId,
    ) -> impl Iterator<Item = (Option<&'e CapabilityName>, f64)> {
        let own = self.records.iter().filter(move |((known, _), _)| known == agent);
        own.map(|((_, capability), record)| (capability.as_ref(), record.successes + record.failures))
    }

    /// Forgets an agent that is gone for good.
    pub fn forget(&mut self, agent: &AgentId) {
        self.records.retain(|(known, _), _| known != agent);
    }

    /// How much longer than expected a completed task took; a failed one may have ended early.
    fn ratio(&self, outcome: &Outcome<'_>) -> Option<f64> {
        let took_ms = outcome.took_ms.filter(|_| outcome.success)?;
        let expected_ms = outcome.expected_ms.unwrap_or_else(|| self.mean_task_ms()).max(1);
        Some((took_ms.max(1) as f64 / expected_ms as f64).clamp(1e-3, 1e3))
    }

    fn observe_mean(&mut self, outcome: &Outcome<'_>) {
        if let Some(took_ms) = outcome.took_ms.filter(|_| outcome.success) {
            self.tasks = (self.tasks + 1.0).min(MEAN_MEMORY);
            self.mean_task_ms += (took_ms as f64 - self.mean_task_ms) / self.tasks;
        }
    }
}
