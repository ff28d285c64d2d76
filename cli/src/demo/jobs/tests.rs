//! The score of the tasks: nothing is missing when all was done, and each fault is said.

use serde_json::json;

use super::*;

const AT_MS: i64 = 1_767_323_045_000;

struct Told {
    jobs: Jobs,
    ms: i64,
}

fn id(number: u8) -> Id {
    Id::from_bytes([number; 16])
}

impl Told {
    fn says(&mut self, task: u8, event: &str, actor: &str, to: &str, data: Value) {
        self.ms += 100;
        let at = Timestamp::from_unix_ms(AT_MS + self.ms).unwrap();
        let from = (event != "submit").then_some("before");
        let event = serde_json::from_value(json!({
            "id": id(9), "entity": "task", "entity_id": id(task), "seq": 1, "from": from, "to": to, "event": event,
            "actor": actor, "cause": {"type": "leader", "id": null}, "guard": null, "at": at, "data": data,
        }));
        self.jobs.happened(&event.unwrap(), at).unwrap();
    }

    fn assign(&mut self, task: u8, to: &str, epoch: u64) {
        self.says(
            task,
            "assign",
            "coordinator",
            "assigned",
            json!({"assigned_to": to, "epoch": epoch}),
        );
    }
}

fn explained(chosen: &str) -> Option<Explanation> {
    let candidates = json!([{"agent": chosen, "eligible": true, "score": 1.0, "terms": []}]);
    let explained =
        json!({"task_id": id(1), "strategy": "intelligent", "candidates": candidates, "chosen": chosen});
    Some(serde_json::from_value(explained).unwrap())
}

/// Task 1 is bob's, who dies with it; carol takes it over, and bob comes too late. Task 2 waits for it.
fn good() -> Jobs {
    let needs = || "rust".parse().unwrap();
    let mut told = Told {
        jobs: Jobs::default(),
        ms: 0,
    };
    for name in ["bob", "carol"] {
        told.jobs.able.insert(name.parse().unwrap(), vec![needs()]);
    }
    told.jobs.jobs = vec![
        Job::new(id(1), "one", needs(), vec![]),
        Job::new(id(2), "two", needs(), vec![id(1)]),
    ];
    told.says(1, "submit", "operator", "pending", json!({}));
    told.says(2, "submit", "operator", "waiting_dependency", json!({}));
    told.assign(1, "bob", 1);
    told.says(1, "accept", "bob", "in_progress", json!({}));
    let at = Timestamp::from_unix_ms(AT_MS + told.ms + 50).unwrap();
    told.jobs.killed = Some(Killed {
        agent: "bob".parse().unwrap(),
        task: id(1),
        at,
    });
    told.says(
        1,
        "release",
        "coordinator",
        "pending",
        json!({"released": ["bob", "lost"]}),
    );
    told.assign(1, "carol", 2);
    told.says(1, "complete", "carol", "completed", json!({"result": 1}));
    told.says(
        1,
        "refused",
        "bob",
        "completed",
        json!({"error": {"code": "stale_epoch", "message": "x"}}),
    );
    told.says(2, "ready", "coordinator", "pending", json!({}));
    told.assign(2, "carol", 1);
    told.says(2, "complete", "carol", "completed", json!({"result": 2}));
    for (job, chosen) in told.jobs.jobs.iter_mut().zip(["carol", "carol"]) {
        job.explained = explained(chosen);
        job.told = 1;
    }
    told.jobs
}

#[test]
fn nothing_is_missing_when_all_was_done_and_taken_over() {
    let jobs = good();
    assert_eq!(jobs.missing(), Vec::<String>::new());
    assert_eq!(jobs.takeover_ms(), Some(150));
    let names: Vec<&str> = jobs.jobs[0]
        .holders()
        .iter()
        .map(|agent| agent.as_str())
        .collect();
    assert_eq!((names, jobs.jobs[0].took_ms()), (vec!["bob", "carol"], Some(600)));
}

#[test]
fn whatever_is_not_so_is_said() {
    type Change = fn(&mut Jobs);
    let changes: [(&str, Change); 10] = [
        ("is not in the log", |jobs| jobs.jobs[1].events.clear()),
        ("was completed 2 times", |jobs| {
            let done = jobs.jobs[1].events.last().unwrap().clone();
            jobs.jobs[1].events.push(done);
        }),
        ("who cannot do rust", |jobs| {
            drop(jobs.able.remove(&"carol".parse().unwrap()))
        }),
        ("was completed by bob and held by carol", |jobs| {
            jobs.jobs[1].events.last_mut().unwrap().what =
                What::Completed("bob".parse().unwrap(), String::new());
        }),
        ("the explanation is", |jobs| {
            jobs.jobs[0].explained = explained("bob")
        }),
        ("was not explained", |jobs| jobs.jobs[0].explained = None),
        ("did not wait for", |jobs| {
            jobs.jobs[1].events[2].at = Timestamp::EPOCH
        }),
        ("was told 2 times", |jobs| jobs.jobs[0].told = 2),
        ("was not refused as stale", |jobs| drop(jobs.jobs[0].events.pop())),
        ("no agent was killed", |jobs| jobs.killed = None),
    ];
    for (said, change) in changes {
        let mut jobs = good();
        change(&mut jobs);
        let missing = jobs.missing();
        assert!(
            missing.iter().any(|line| line.contains(said)),
            "{said}: {missing:#?}"
        );
    }
}
