//! Policy simulation: what the strategies are worth in a fleet that fails, at loads near its limit (INTELLIGENCE 3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod capacity;
mod fleet;
mod policies;
mod rng;
mod sim;
mod trace;
mod world;

use policies::{Greedy, GreedyKind, Policy, Random, Router};
use wagglebus_coordinator_core::assign::Params;
use wagglebus_schemas::task::Strategy;
use world::Scenario;

/// Nothing was tuned on these; the parameters were chosen on seeds 1 to 4. Sixteen, as a single urgent task that is late
/// counts for a thousandth in a run: fewer runs say little.
const SEEDS: [u64; 16] = [
    101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116,
];

type Make = fn() -> Box<dyn Policy>;

const INTELLIGENT: (&str, Make) = ("intelligent", || Box::new(Router::new(Strategy::Intelligent)));
const GREEDY: (&str, Make) = ("greedy batch", || greedy(GreedyKind::Once));
const GREEDY_QUEUES: (&str, Make) = ("greedy, queues", || greedy(GreedyKind::Queues));
/// The others: all are overloaded at this load, as they give work to whoever is idle. A short run shows it.
const OTHERS: [(&str, Make); 8] = [
    ("greedy, idle only", || greedy(GreedyKind::Idle)),
    ("priority_based", || {
        Box::new(Router::new(Strategy::PriorityBased))
    }),
    ("capability_based", || {
        Box::new(Router::new(Strategy::CapabilityBased))
    }),
    ("resource_based", || {
        Box::new(Router::new(Strategy::ResourceBased))
    }),
    ("weighted", || Box::new(Router::new(Strategy::Weighted))),
    ("round_robin", || Box::new(Router::new(Strategy::RoundRobin))),
    ("least_connections", || {
        Box::new(Router::new(Strategy::LeastConnections))
    }),
    ("random", || Box::new(Random)),
];

fn greedy(kind: GreedyKind) -> Box<dyn Policy> {
    Box::new(Greedy {
        kind,
        params: Params::default(),
    })
}

/// Runs a policy once per seed, prints a line of the table, and returns the mean of weighted deadline misses.
fn measure(scenario: &Scenario, (name, make): (&str, Make), seeds: &[u64]) -> f64 {
    let runs: Vec<sim::Result> = seeds
        .iter()
        .map(|seed| sim::run(scenario, make().as_mut(), *seed))
        .collect();
    let mean = |of: fn(&sim::Result) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let misses = mean(|run| run.weighted_misses);
    let least = runs.iter().map(|run| run.weighted_misses).fold(1.0, f64::min);
    let most = runs.iter().map(|run| run.weighted_misses).fold(0.0, f64::max);
    println!(
        "{:<14} {name:<18} {misses:.4} ({least:.4}-{most:.4}) {:>6.3} {:>6.3} {:>8.2} {:>8.1} {:>6.3} {:>5.2}",
        scenario.name,
        mean(|run| run.misses),
        mean(|run| run.urgent_misses),
        mean(|run| run.sojourn),
        mean(|run| run.wait_p99),
        mean(|run| run.first_try),
        mean(|run| run.busy),
    );
    misses
}

fn head() {
    println!(
        "{:<14} {:<18} weighted misses (range) {:>6} {:>6} {:>8} {:>8} {:>6} {:>5}",
        "scenario", "policy", "all", "urgent", "sojourn", "wait p99", "1st", "busy"
    );
}

fn stays_below(scenario: &Scenario, seeds: &[u64], goal: f64) {
    head();
    let misses = measure(scenario, INTELLIGENT, seeds);
    assert!(
        misses <= goal,
        "{}: {misses:.4} weighted misses, at most {goal} are wanted",
        scenario.name
    );
}

#[test]
fn half_the_load() {
    stays_below(&Scenario::new("rho .5", 0.5), &SEEDS, 0.003);
}

#[test]
fn high_load_and_beside_the_others() {
    let scenario = Scenario::new("rho .9", 0.9);
    println!(
        "open in INTELLIGENCE 3 and chosen here: Zipf exponent {}, {:?}",
        world::ZIPF,
        Params::default()
    );
    head();
    let misses = measure(&scenario, INTELLIGENT, &SEEDS);
    let greedy = measure(&scenario, GREEDY, &SEEDS);
    measure(&scenario, GREEDY_QUEUES, &SEEDS);
    let short = Scenario {
        tasks: 1_000,
        name: "rho .9, short",
        ..scenario
    };
    for other in OTHERS {
        measure(&short, other, &SEEDS[..1]);
    }
    assert!(misses <= 0.010, "{misses:.4} weighted misses");
    assert!(
        misses <= greedy / 2.0,
        "{misses:.4} weighted misses, greedy {greedy:.4}"
    );
}

#[test]
fn near_the_limit() {
    stays_below(&Scenario::new("rho .95", 0.95), &SEEDS[..8], 0.020);
}

#[test]
fn agents_that_fail_often() {
    let flaky = Scenario {
        mtbf: 60.0,
        ..Scenario::new("flaky, .75", 0.75)
    };
    stays_below(&flaky, &SEEDS, 0.02);
}

#[test]
fn sizes_that_are_hardly_known() {
    let noise = Scenario {
        noise: 1.0,
        ..Scenario::new("size noise, .9", 0.9)
    };
    stays_below(&noise, &SEEDS[..8], 0.01);
}

#[test]
fn arrivals_and_sizes_of_a_real_service() {
    let trace = Scenario {
        trace: true,
        ..Scenario::new("trace, .6", 0.6)
    };
    stays_below(&trace, &SEEDS[..4], 0.08);
}

/// No goal of INTELLIGENCE: that a fleet which starts with declarations alone comes near one that knows itself.
#[test]
fn success_rates_that_are_learned_on_the_way() {
    let learned = Scenario {
        learned: true,
        ..Scenario::new("learned, .75", 0.75)
    };
    stays_below(&learned, &SEEDS[..4], 0.05);
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let scenario = Scenario::new("rho .75", 0.75);
    let [first, second] = [(); 2].map(|()| sim::run(&scenario, INTELLIGENT.1().as_mut(), 7));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
}
