//! The constants of the router, with their units and where they come from.

use std::collections::BTreeMap;

use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, Priority};

/// What a fleet may set. Times are in *mean tasks*: multiples of [`Params::mean_task_ms`], so that the same numbers fit
/// fleets whose tasks take seconds and fleets whose tasks take hours.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// The strategy of tasks that name none.
    pub strategy: Strategy,
    /// How long the mean task takes, in milliseconds ([`super::Estimates::mean_task_ms`]).
    pub mean_task_ms: u64,
    /// What a mean task of delay costs, by [`Priority::index`].
    pub priority_weights: [f64; Priority::COUNT],
    /// What a failed attempt costs beside its time, in mean tasks. Raising it buys success at the first try with time.
    pub failure_cost: f64,
    /// What it costs beside that when no attempt is left, in mean tasks: the task itself.
    pub loss_cost: f64,
    /// How often another attempt is assumed to fail too.
    pub failure_rate: f64,
    /// What a mean task of lateness costs more than one of delay.
    pub lateness_cost: f64,
    /// Lateness beyond this many mean tasks costs no more: a lost cause must not displace what can still be in time.
    pub lateness_max: f64,
    /// What it costs to give a task to an agent that failed it, in mean tasks.
    pub again_cost: f64,
    /// What leaving a task out of the plan costs, in mean tasks, before it has aged.
    pub urge: f64,
    /// How many tasks one after the other are planned for each slot, 1 to 8. With 1 a task that finds all good agents
    /// promised has only poor ones left; with more it may also come second.
    pub depth: u64,
    /// How many waiting tasks per slot are planned at once.
    pub window: usize,
    /// A waiting task counts as one priority higher for each so many mean tasks of age.
    pub ageing: f64,
    /// Whether agents may get tasks whose capabilities they did not declare.
    pub undeclared: bool,
    /// Weights of agents for `weighted`; who is not named has its success rate.
    pub agent_weights: BTreeMap<AgentId, f64>,
}

impl Default for Params {
    /// The values of INTELLIGENCE 3, but for those that ADR-0039 gives reasons for: `depth`, `loss_cost`,
    /// `failure_rate`, `lateness_cost` and `ageing` (40 mean tasks of waiting lift `w · (urge + age)` about as far as one
    /// priority does). The mean task of five minutes is assumed until outcomes are known.
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            mean_task_ms: 300_000,
            priority_weights: [8.0, 3.0, 1.0, 0.3],
            failure_cost: 2.0,
            loss_cost: 8.0,
            failure_rate: 0.2,
            lateness_cost: 3.0,
            lateness_max: 5.0,
            again_cost: 5.0,
            urge: 20.0,
            depth: 2,
            window: 3,
            ageing: 40.0,
            undeclared: false,
            agent_weights: BTreeMap::new(),
        }
    }
}

impl Params {
    /// Milliseconds in mean tasks.
    pub fn in_mean_tasks(&self, ms: f64) -> f64 {
        ms / self.mean_task_ms.max(1) as f64
    }

    /// What a delay of a mean task costs at this priority.
    pub fn weight(&self, priority: Priority) -> f64 {
        self.priority_weights
            .get(priority.index())
            .copied()
            .unwrap_or(1.0)
    }
}
