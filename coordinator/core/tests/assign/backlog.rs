//! What waits is looked at in part, and nothing is decided differently for it.

use proptest::collection::vec;
use proptest::prelude::*;
use wagglebus_coordinator_core::assign::{Backlog, Candidate, Health, Job, Params, assign};
use wagglebus_schemas::task::Strategy as Chosen;
use wagglebus_schemas::{Id, Priority};

use super::properties::candidates;
use super::{able, name, params};

fn number(n: usize) -> Id {
    Id::from_bytes((0x77_0000 + n as u128).to_be_bytes())
}

/// Many jobs of few kinds.
fn crowd() -> impl Strategy<Value = Vec<Job>> {
    let any = (
        0..4_usize,
        0..4_usize,
        0..40_i64,
        prop::option::of(0..30_i64),
        0..8_usize,
        (0..6_usize, 0..6_usize),
    );
    vec(any, 0..80).prop_map(|drafts| {
        type Draft = (usize, usize, i64, Option<i64>, usize, (usize, usize));
        let draft = |(n, (priority, needs, ready, deadline, kind, (refused, memory))): (usize, Draft)| Job {
            capabilities: (needs > 0)
                .then(|| name(&format!("c{needs}")))
                .into_iter()
                .collect(),
            priority: Priority::ALL[priority],
            deadline_ms: deadline.map(|deadline| deadline * 500),
            refused_by: (refused < 2)
                .then(|| name(&format!("a{refused}")))
                .into_iter()
                .collect(),
            resources: (memory < 2)
                .then(|| ("memory_mb".to_owned(), [9.0, 30.0][memory]))
                .into_iter()
                .collect(),
            strategy: (kind < 2).then(|| [Chosen::RoundRobin, Chosen::Intelligent][kind]),
            ..Job::new(number(n), ready * 100)
        };
        drafts.into_iter().enumerate().map(draft).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Whatever came and went before, and however the clock and the idea of a mean task moved.
    #[test]
    fn the_most_urgent_are_assigned_as_all_are(
        jobs in crowd(), candidates in candidates(), strategy in 0..7_usize, gone in 0..5_usize,
        moments in vec((0..6_000_i64, 100..3_000_u64), 1..4),
    ) {
        let mut backlog = Backlog::default();
        let (early, late) = jobs.split_at(jobs.len() / 2);
        early.iter().for_each(|job| backlog.put(Job { priority: Priority::Low, ..job.clone() }));
        let mut waiting: Vec<Job> = jobs.clone();
        for (n, (now_ms, mean_task_ms)) in moments.into_iter().enumerate() {
            let params = Params { mean_task_ms, window: 1, ageing: 1.0, ..params(Chosen::ALL[strategy]) };
            if n == 0 {
                backlog.urgent(now_ms / 2, &candidates, &params);
                early.iter().chain(late).for_each(|job| backlog.put(job.clone()));
            }
            waiting.retain(|job| job.id.as_bytes()[15] as usize % 5 != gone + n);
            jobs.iter().filter(|job| !waiting.contains(job)).for_each(|job| backlog.remove(&job.id));
            prop_assert_eq!(backlog.len(), waiting.len());
            let urgent = backlog.urgent(now_ms, &candidates, &params);
            let some = assign(now_ms, urgent, &candidates, &params);
            prop_assert_eq!(some, assign(now_ms, &waiting, &candidates, &params));
        }
    }
}

#[test]
fn of_a_hundred_thousand_that_wait_a_few_are_looked_at() {
    let mut backlog = Backlog::default();
    for n in 0..100_000 {
        let needs = ["rust", "docs", "rare"][n % 3];
        backlog.put(Job {
            capabilities: [name(needs)].into(),
            ..Job::new(number(n), n as i64)
        });
    }
    let busy = Candidate {
        held_ms: vec![1_000],
        ..able("busy", "rust", 0.9, 1.0)
    };
    let lost = Candidate {
        health: Health::Lost,
        ..able("lost", "rare", 0.9, 1.0)
    };
    let all = [busy, lost, able("idle", "docs", 0.9, 1.0)];
    let params = params(Chosen::Intelligent);
    // What each can plan, what is free, and one of those that nobody can do.
    let urgent = backlog.urgent(200_000, &all, &params).len();
    assert_eq!(urgent, params.window + (params.window + 1) + 1);
}
