//! Properties of assignments that hold for any jobs and any agents.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use wagglebus_coordinator_core::assign::{Candidate, Health, Job, Resource, assign, explain};
use wagglebus_schemas::task::Strategy as Chosen;
use wagglebus_schemas::{AgentId, Id, Priority};

use super::{able, job, name, params};

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let any = (
        0..4_usize,
        0..3_usize,
        0..9_i64,
        prop::option::of(0..30_i64),
        prop::option::of(0..7_usize),
        0..4_usize,
    );
    vec(any, 0..12).prop_map(|drafts| {
        type Draft = (usize, usize, i64, Option<i64>, Option<usize>, usize);
        let draft = |(n, (priority, capability, ready, deadline, strategy, refused)): (usize, Draft)| Job {
            capabilities: if capability == 0 {
                [].into()
            } else {
                [name(&format!("c{capability}"))].into()
            },
            priority: Priority::ALL[priority],
            ready_at_ms: ready * 100,
            deadline_ms: deadline.map(|deadline| deadline * 500),
            refused_by: [name(&format!("a{refused}"))].into(),
            resources: [("memory_mb".to_owned(), f64::from(u8::try_from(n).unwrap()))].into(),
            strategy: strategy.map(|strategy| Chosen::ALL[strategy]),
            ..job(u8::try_from(n).unwrap())
        };
        drafts.into_iter().enumerate().map(draft).collect()
    })
}

pub(crate) fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let any = (
        0..4_u32,
        vec(0..3_000_u64, 0..3),
        0..6_usize,
        0.05..1.0_f64,
        0.1..3.0_f64,
    );
    vec(any, 0..7).prop_map(|drafts| {
        type Draft = (u32, Vec<u64>, usize, f64, f64);
        let draft = |(n, (slots, held_ms, health, success, pace)): (usize, Draft)| Candidate {
            slots,
            held_ms,
            health: if health == 0 {
                Health::Suspect
            } else {
                Health::Ready
            },
            resources: [(
                "memory_mb".into(),
                Resource {
                    total: 20.0,
                    free: 15.0,
                },
            )]
            .into(),
            ..able(&format!("a{n}"), &format!("c{}", 1 + n % 2), success, pace)
        };
        drafts.into_iter().enumerate().map(draft).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// The order of the input does not matter, nobody gets more than it has room for, and every choice is explained.
    #[test]
    fn assignments_are_sound(jobs in jobs(), candidates in candidates(), strategy in 0..7_usize) {
        let params = params(Chosen::ALL[strategy]);
        let placements = assign(2_000, &jobs, &candidates, &params);
        let (mut turned, mut shuffled) = (jobs.clone(), candidates.clone());
        turned.reverse();
        shuffled.reverse();
        prop_assert_eq!(&placements, &assign(2_000, &turned, &shuffled, &params));
        let mut got: BTreeMap<&AgentId, Vec<&Job>> = BTreeMap::new();
        for placement in &placements {
            let job = jobs.iter().find(|job| job.id == placement.task).unwrap();
            got.entry(&placement.agent).or_default().push(job);
            let explanation = &placement.explanation;
            prop_assert_eq!(explanation.chosen.as_ref(), Some(&placement.agent));
            prop_assert_eq!(explanation.candidates.len(), candidates.len());
            let chosen = explanation.candidates.iter().find(|c| c.agent == placement.agent).unwrap();
            prop_assert!(chosen.eligible && chosen.why_not.is_none());
            for considered in &explanation.candidates {
                let sum: f64 = considered.terms.iter().map(|term| term.value).sum();
                prop_assert_eq!(sum, considered.score);
                prop_assert!(considered.eligible || considered.why_not.is_some());
            }
        }
        let tasks: std::collections::BTreeSet<Id> = placements.iter().map(|p| p.task).collect();
        prop_assert_eq!(tasks.len(), placements.len(), "a task is assigned twice");
        for candidate in &candidates {
            let jobs = got.remove(&candidate.agent).unwrap_or_default();
            let room = usize::try_from(candidate.slots).unwrap().saturating_sub(candidate.held_ms.len());
            prop_assert!(jobs.len() <= room && (jobs.is_empty() || candidate.health == Health::Ready));
            prop_assert!(jobs.iter().map(|job| job.resources["memory_mb"]).sum::<f64>() <= 15.0);
            for job in jobs {
                prop_assert!(!job.refused_by.contains(&candidate.agent));
                prop_assert!(job.capabilities.iter().all(|name| candidate.abilities.contains_key(name)));
            }
        }
    }

    /// No strategy but `intelligent` leaves an agent idle that could do a waiting task.
    #[test]
    fn who_can_work_is_given_work(jobs in jobs(), candidates in candidates(), strategy in 0..7_usize) {
        let params = params(Chosen::ALL[strategy]);
        let placements = assign(2_000, &jobs, &candidates, &params);
        let strategy = |job: &Job| job.strategy.unwrap_or(params.strategy);
        let idle = |c: &&Candidate| placements.iter().all(|p| p.agent != c.agent);
        for job in jobs.iter().filter(|job| strategy(job) != Chosen::Intelligent) {
            if placements.iter().all(|placement| placement.task != job.id) {
                let waiting = explain(2_000, job, &candidates, &params);
                for candidate in candidates.iter().filter(idle) {
                    let considered = waiting.candidates.iter().find(|c| c.agent == candidate.agent).unwrap();
                    prop_assert!(!considered.eligible, "{} could do {}", candidate.agent, job.id);
                }
            }
        }
    }
}
