//! Tests of what many agents and tasks cost: each is a bound that is missed many times over where a step looks at all of
//! them.

use std::time::{Duration, Instant};

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::task::TaskState;

use super::{Stage, appended};
use crate::lead::Appended;
use crate::task::rig::roster;
use crate::task::{Ask, FreshIds as _};

#[test]
fn who_listens_asks_nobody_at_each_event_who_is_there() {
    let mut stage = Stage::new();
    stage.lead();
    // Keys are made of the names, and know no digits.
    let name = |n: u32| {
        format!("{n:04}")
            .chars()
            .map(|c| char::from(c as u8 - b'0' + b'b'))
            .collect()
    };
    let names: Vec<String> = (0..2_000).map(name).collect();
    let agents: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    stage.roster = roster(&agents);
    let begun = Instant::now();
    for _ in 0..500_000 {
        stage.act(|c, desk| c.listen(desk, 0));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_submission_to_a_fleet_that_is_busy_looks_at_nothing_that_waits() {
    let mut stage = Stage::new();
    stage.lead();
    let begun = Instant::now();
    for n in 1..=10_000_u64 {
        let id = format!("0192f0c1-7c1e-7b11-8a52-{n:012x}");
        let ask = Ask::read(
            TaskVerb::Submit,
            "sue".parse().unwrap(),
            n,
            Some(&id),
            br#"{"title": "work"}"#,
        );
        stage.act(|c, desk| c.asked(desk, &ask));
        let last = stage.coordination.world().last();
        let after = stage.coordination.appending.unwrap();
        stage.act(|c, desk| c.appended(desk, after, Appended::Stored(last)));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(stage.coordination.backlog.len(), 9_999);
    // Alice is done: who waits is found at once.
    assert!(stage.coordination.all_busy);
    let (id, epoch) = {
        let mut held = stage.coordination.world().in_state(TaskState::Assigned);
        let task = &held.next().unwrap().task;
        (task.id, task.epoch)
    };
    let body = serde_json::to_vec(&json!({"task_id": id, "epoch": epoch, "result": 1})).unwrap();
    let fresh = stage.ids.fresh().to_string();
    let ask = Ask::read(
        TaskVerb::Complete,
        "alice".parse().unwrap(),
        10_001,
        Some(&fresh),
        &body,
    );
    let (_, events) = appended(stage.act(|c, desk| c.asked(desk, &ask)));
    let words: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert!(words.contains(&"assign"), "{words:?}");
}
