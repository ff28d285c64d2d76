//! The simulated fleet and its work (INTELLIGENCE 3). Times are in mean tasks.

use crate::capacity::capacity;
use crate::rng::Rng;

pub(crate) const AGENTS: usize = 20;
pub(crate) const TYPES: usize = 10;
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Weight of type k is k^-ZIPF. INTELLIGENCE leaves the exponent open.
pub(crate) const ZIPF: f64 = 1.0;
const STRONG_TYPES: usize = 3;
const SIZE_SIGMA: f64 = 0.8;
/// Of each priority, urgent first: how often, what a miss weighs, the deadline as a multiple of the size.
pub(crate) const PRIORITIES: [(f64, f64, f64); 4] = [
    (0.05, 8.0, 4.0),
    (0.15, 3.0, 8.0),
    (0.60, 1.0, 16.0),
    (0.20, 0.3, 40.0),
];

/// What a run is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Load as a part of what the fleet can do at most.
    pub(crate) rho: f64,
    pub(crate) tasks: usize,
    /// Mean time between failures of an agent, and until it is back.
    pub(crate) mtbf: f64,
    pub(crate) mttr: f64,
    /// Time until the coordinator knows that an agent failed.
    pub(crate) detection: f64,
    /// Standard deviation of the logarithm of estimated / true size.
    pub(crate) noise: f64,
    /// Real arrivals and sizes instead of a Poisson stream of log-normal ones.
    pub(crate) trace: bool,
    /// Whether success rates are learned, or known from the start.
    pub(crate) learned: bool,
}

impl Scenario {
    pub(crate) const fn new(name: &'static str, rho: f64) -> Self {
        Self {
            name,
            rho,
            tasks: 4_000,
            mtbf: 300.0,
            mttr: 15.0,
            detection: 2.0,
            noise: 0.5,
            trace: false,
            learned: false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) arrival: f64,
    pub(crate) kind: usize,
    pub(crate) size: f64,
    pub(crate) estimate: f64,
    /// Index into [`PRIORITIES`].
    pub(crate) priority: usize,
    pub(crate) deadline: f64,
}

pub(crate) struct World {
    /// By agent and type.
    pub(crate) success: Vec<Vec<f64>>,
    pub(crate) speed: Vec<Vec<f64>>,
    pub(crate) strong: Vec<Vec<bool>>,
    pub(crate) tasks: Vec<Task>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut world = Self {
            success: Vec::new(),
            speed: Vec::new(),
            strong: Vec::new(),
            tasks: Vec::new(),
        };
        for _ in 0..AGENTS {
            let mut strong = vec![false; TYPES];
            while strong.iter().filter(|strong| **strong).count() < STRONG_TYPES {
                strong[rng.below(TYPES)] = true;
            }
            let mut of_each = |strong_range: (f64, f64), weak: (f64, f64)| -> Vec<f64> {
                let range = |is_strong: &bool| if *is_strong { strong_range } else { weak };
                strong
                    .iter()
                    .map(range)
                    .map(|(low, high)| rng.between(low, high))
                    .collect()
            };
            world.success.push(of_each((0.85, 0.98), (0.3, 0.7)));
            world.speed.push(of_each((0.8, 1.3), (0.35, 0.7)));
            world.strong.push(strong);
        }
        let rate = world.rate(scenario);
        let trace = if scenario.trace {
            crate::trace::gaps_and_sizes()
        } else {
            Vec::new()
        };
        let shares = shares();
        let chances = PRIORITIES.map(|(chance, _, _)| chance);
        let mut now = 0.0;
        for place in 0..scenario.tasks {
            let (gap, size) = match trace.get(place) {
                Some((gap, size)) => (gap / rate, *size),
                None => (rng.exponential(1.0 / rate), log_normal(&mut rng, SIZE_SIGMA)),
            };
            now += gap;
            let priority = rng.pick(&chances);
            world.tasks.push(Task {
                arrival: now,
                kind: rng.pick(&shares),
                size,
                estimate: size * (scenario.noise * rng.normal()).exp(),
                priority,
                deadline: now + PRIORITIES[priority].2 * size,
            });
        }
        world
    }

    /// Tasks per unit of time.
    fn rate(&self, scenario: &Scenario) -> f64 {
        let pairs = self.speed.iter().zip(&self.success);
        let rates: Vec<Vec<f64>> = pairs
            .map(|(speed, success)| speed.iter().zip(success).map(|(s, p)| s * p).collect())
            .collect();
        let availability = scenario.mtbf / (scenario.mtbf + scenario.mttr);
        scenario.rho * capacity(&rates, &shares(), availability)
    }
}

/// How often each type comes; they add up to 1.
fn shares() -> Vec<f64> {
    let weights: Vec<f64> = (1..=TYPES).map(|k| (k as f64).powf(-ZIPF)).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// With mean 1.
fn log_normal(rng: &mut Rng, sigma: f64) -> f64 {
    (sigma * rng.normal() - sigma * sigma / 2.0).exp()
}
