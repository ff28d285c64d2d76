//! The router: who gets what under each strategy, why not, and what does not matter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod backlog;
mod properties;
mod records;

use wagglebus_coordinator_core::assign::{
    Ability, Candidate, Health, Job, Params, Placement, Resource, Skill, assign,
};
use wagglebus_schemas::task::Strategy as Chosen;
use wagglebus_schemas::{Id, Priority};

const MEAN_MS: u64 = 1_000;

fn params(strategy: Chosen) -> Params {
    Params {
        strategy,
        mean_task_ms: MEAN_MS,
        ..Params::default()
    }
}

fn id(n: u8) -> Id {
    Id::from_bytes([n; 16])
}

fn job(n: u8) -> Job {
    Job::new(id(n), 0)
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn needs(n: u8, capability: &str) -> Job {
    Job {
        capabilities: [name(capability)].into(),
        ..job(n)
    }
}

fn agent(text: &str) -> Candidate {
    Candidate::new(name(text))
}

fn ability(success: f64, pace: f64) -> Ability {
    Ability {
        proficiency: Some(5.try_into().unwrap()),
        skill: Skill {
            alpha: 100.0 * success,
            beta: 100.0 * (1.0 - success),
        },
        draw: None,
        pace,
    }
}

fn able(text: &str, capability: &str, success: f64, pace: f64) -> Candidate {
    Candidate {
        abilities: [(name(capability), ability(success, pace))].into(),
        ..agent(text)
    }
}

fn pairs(placements: &[Placement]) -> Vec<(u8, &str)> {
    let pair = |placement: &'_ Placement| placement.task.as_bytes()[0];
    placements.iter().map(|p| (pair(p), p.agent.as_str())).collect()
}

/// How many of `count` tasks each agent gets when each is done before the next one comes.
fn distribution(mut candidates: Vec<Candidate>, params: &Params, count: u64) -> Vec<u64> {
    for turn in 1..=count {
        let placements = assign(0, &[job(1)], &candidates, params);
        let chosen = candidates
            .iter_mut()
            .find(|c| c.agent == placements[0].agent)
            .unwrap();
        chosen.last_turn = Some(turn);
        chosen.given += 1;
    }
    candidates.iter().map(|candidate| candidate.given).collect()
}

#[test]
fn round_robin_gives_everybody_a_turn() {
    let mut candidates = vec![agent("a"), agent("b"), agent("c")];
    let params = params(Chosen::RoundRobin);
    assert_eq!(distribution(candidates.clone(), &params, 9), [3, 3, 3]);
    candidates[1].health = Health::Paused;
    assert_eq!(distribution(candidates, &params, 8), [4, 0, 4]);
}

#[test]
fn least_connections_evens_out_what_is_held() {
    let with_slots = |text: &str, held: usize| Candidate {
        slots: 9,
        held_ms: vec![1; held],
        ..agent(text)
    };
    let candidates = [with_slots("a", 3), with_slots("b", 0), with_slots("c", 1)];
    let jobs: Vec<Job> = (1..=5).map(job).collect();
    let placements = assign(0, &jobs, &candidates, &params(Chosen::LeastConnections));
    assert_eq!(
        pairs(&placements),
        [(1, "b"), (2, "c"), (3, "b"), (4, "c"), (5, "b")]
    );
}

#[test]
fn resource_based_leaves_the_most_room() {
    let with = |text: &str, memory: (f64, f64), cpu: (f64, f64)| {
        let resource = |(total, free)| Resource { total, free };
        Candidate {
            slots: 9,
            resources: [
                ("memory_mb".into(), resource(memory)),
                ("cpu_cores".into(), resource(cpu)),
            ]
            .into(),
            ..agent(text)
        }
    };
    // a: half of its memory; b: all of it, but a tenth of its cores; c: cannot.
    let candidates = [
        with("a", (1_000.0, 500.0), (10.0, 10.0)),
        with("b", (1_000.0, 1_000.0), (10.0, 1.0)),
        with("c", (100.0, 100.0), (10.0, 10.0)),
    ];
    let heavy = |n: u8| Job {
        resources: [("memory_mb".to_owned(), 200.0)].into(),
        ..job(n)
    };
    let placements = assign(
        0,
        &[heavy(1), heavy(2), heavy(3)],
        &candidates,
        &params(Chosen::ResourceBased),
    );
    // a has 30 % left, then 10 %, as much as b's cores: who holds less, then whose turn is longer ago.
    assert_eq!(pairs(&placements), [(1, "a"), (2, "b"), (3, "a")]);
    let third = &placements[2].explanation.candidates;
    let why = |agent: &str| {
        third
            .iter()
            .find(|c| c.agent == name(agent))
            .unwrap()
            .why_not
            .clone()
    };
    assert_eq!(why("c").unwrap(), "has 100 memory_mb, it needs 200");
}

#[test]
fn capability_based_takes_who_succeeds_most() {
    let candidates = [
        able("a", "rust", 0.7, 0.1),
        able("b", "rust", 0.9, 9.0),
        able("c", "python", 1.0, 1.0),
    ];
    let placements = assign(
        0,
        &[needs(1, "rust")],
        &candidates,
        &params(Chosen::CapabilityBased),
    );
    assert_eq!(pairs(&placements), [(1, "b")]);
    let considered = &placements[0].explanation.candidates;
    assert_eq!(considered[2].why_not.as_deref(), Some("does not declare rust"));
    assert!(!considered[2].eligible && considered[2].terms.is_empty());
}

#[test]
fn weighted_gives_each_its_share() {
    let mut params = params(Chosen::Weighted);
    params.agent_weights = [(name("a"), 6.0), (name("b"), 3.0), (name("c"), 1.0)].into();
    assert_eq!(
        distribution(vec![agent("a"), agent("b"), agent("c")], &params, 100),
        [60, 30, 10]
    );
}

#[test]
fn priority_based_serves_the_first_deadline_of_the_highest_priority() {
    let with = |n: u8, priority, deadline_ms| Job {
        priority,
        deadline_ms,
        ..needs(n, "rust")
    };
    let jobs = [
        with(1, Priority::Normal, Some(1)),
        with(2, Priority::High, Some(9_000)),
        with(3, Priority::High, Some(5_000)),
    ];
    let candidates = [able("slow", "rust", 0.9, 2.0), able("fast", "rust", 0.9, 1.0)];
    let placements = assign(0, &jobs, &candidates, &params(Chosen::PriorityBased));
    assert_eq!(pairs(&placements), [(3, "fast"), (2, "slow")]);
}

#[test]
fn intelligent_waits_for_a_good_agent_that_is_soon_free() {
    let good = Candidate {
        held_ms: vec![200],
        ..able("good", "rust", 0.95, 1.0)
    };
    let poor = able("poor", "rust", 0.3, 3.0);
    let params = params(Chosen::Intelligent);
    assert_eq!(
        assign(0, &[needs(1, "rust")], &[good.clone(), poor.clone()], &params),
        []
    );
    let far = Candidate {
        held_ms: vec![60_000],
        ..good
    };
    assert_eq!(
        pairs(&assign(0, &[needs(1, "rust")], &[far, poor], &params)),
        [(1, "poor")]
    );
}

#[test]
fn intelligent_leaves_the_only_expert_to_whom_needs_it() {
    let both = Candidate {
        abilities: [
            (name("rust"), ability(0.9, 1.0)),
            (name("python"), ability(0.95, 0.9)),
        ]
        .into(),
        ..agent("both")
    };
    let candidates = [both, able("one", "python", 0.9, 1.0)];
    let placements = assign(
        0,
        &[needs(1, "python"), needs(2, "rust")],
        &candidates,
        &params(Chosen::Intelligent),
    );
    assert_eq!(pairs(&placements), [(1, "one"), (2, "both")]);
    let best = &placements[0].explanation.candidates[0];
    assert_eq!((best.agent.as_str(), best.eligible), ("both", true));
    assert_eq!(best.why_not, Some(format!("is better used for {}", id(2))));
}

#[test]
fn a_crowd_that_waits_for_one_agent_does_not_hide_what_others_could_do() {
    let mut jobs: Vec<Job> = (1..=50).map(|n| needs(n, "rust")).collect();
    jobs.iter_mut().for_each(|job| job.priority = Priority::Urgent);
    let mut other = needs(51, "python");
    other.priority = Priority::Low;
    jobs.push(other);
    let candidates = [able("r", "rust", 0.9, 1.0), able("p", "python", 0.9, 1.0)];
    let placements = assign(0, &jobs, &candidates, &params(Chosen::Intelligent));
    assert_eq!(pairs(&placements), [(1, "r"), (51, "p")]);
}

#[test]
fn waiting_makes_a_task_worth_an_agent_that_others_want() {
    let low = Job {
        priority: Priority::Low,
        ..needs(1, "rust")
    };
    let params = params(Chosen::Intelligent);
    let first = |now_ms: i64| {
        let high = Job {
            priority: Priority::High,
            ready_at_ms: now_ms,
            ..needs(2, "rust")
        };
        let placements = assign(
            now_ms,
            &[low.clone(), high],
            &[able("a", "rust", 0.9, 1.0)],
            &params,
        );
        placements[0].task.as_bytes()[0]
    };
    assert_eq!((first(0), first(200_000)), (2, 1));
}

#[test]
fn who_refused_is_never_asked_again_and_who_failed_only_when_nobody_else_is_there() {
    let with = |refused: &str, failed: &str| Job {
        refused_by: [name(refused)].into(),
        failed_on: [name(failed)].into(),
        ..needs(1, "rust")
    };
    let two = [able("a", "rust", 0.9, 1.0), able("b", "rust", 0.8, 2.0)];
    for strategy in [Chosen::Intelligent, Chosen::PriorityBased] {
        assert_eq!(assign(0, &[with("a", "x")], &two[..1], &params(strategy)), []);
        assert_eq!(
            pairs(&assign(0, &[with("x", "a")], &two[..1], &params(strategy))),
            [(1, "a")]
        );
    }
    assert_eq!(
        pairs(&assign(0, &[with("x", "a")], &two, &params(Chosen::Intelligent))),
        [(1, "b")]
    );
}

#[test]
fn the_last_attempt_goes_to_who_is_surer() {
    let candidates = [able("fast", "rust", 0.7, 1.0), able("sure", "rust", 0.95, 2.0)];
    let left = |attempts_left| Job {
        attempts_left,
        ..needs(1, "rust")
    };
    let params = params(Chosen::Intelligent);
    assert_eq!(pairs(&assign(0, &[left(3)], &candidates, &params)), [(1, "fast")]);
    assert_eq!(pairs(&assign(0, &[left(1)], &candidates, &params)), [(1, "sure")]);
}

#[test]
fn a_task_may_name_its_own_strategy() {
    let mut own = needs(1, "rust");
    own.strategy = Some(Chosen::CapabilityBased);
    let candidates = [able("a", "rust", 0.7, 0.1), able("b", "rust", 0.9, 9.0)];
    let placements = assign(
        0,
        &[own, needs(2, "rust")],
        &candidates,
        &params(Chosen::Intelligent),
    );
    assert_eq!(pairs(&placements), [(1, "b"), (2, "a")]);
    let strategies: Vec<Chosen> = placements.iter().map(|p| p.explanation.strategy).collect();
    assert_eq!(strategies, [Chosen::CapabilityBased, Chosen::Intelligent]);
}
