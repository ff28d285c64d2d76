//! Tests of what thousands of tasks cost the rules about tasks.

use serde_json::json;
use wagglebus_schemas::{Id, Timestamp};

use super::agents::Scene;
use super::watch::OPEN_MAX;
use super::{Rule, Seen, Settings, tasks};
use crate::roster::Roster;
use crate::task::rig::{self, BEGUN_MS, Rig};

fn judged(rig: &Rig, roster: &Roster, after_ms: u64) -> Seen {
    let at = Timestamp::from_unix_ms(BEGUN_MS + i64::try_from(after_ms).unwrap()).unwrap();
    let scene = Scene {
        world: &rig.world,
        roster,
        settings: &Settings::default(),
        now: rig::now(after_ms),
        at,
        patient: false,
    };
    let mut seen = Seen::default();
    tasks::judge(scene, &mut seen);
    seen
}

fn of(seen: &Seen, rule: Rule) -> usize {
    seen.holds.keys().filter(|key| key.rule == rule).count()
}

#[test]
fn of_thousands_only_those_are_described_that_may_be_told_of() {
    let mut rig = Rig::new();
    let deadline = Timestamp::from_unix_ms(BEGUN_MS + 60_000).unwrap();
    let first: Vec<Id> = (0..1_000)
        .map(|_| rig.submit(&json!({"title": "work", "deadline": deadline})))
        .collect();
    let seen = judged(&rig, &rig.roster, 120_000);
    assert_eq!(of(&seen, Rule::TaskOverdue), OPEN_MAX);
    // One of them is told: it is not over, and one less may be told of.
    let key = seen.holds.keys().find(|key| key.about == first[0].to_string());
    let (key, sighting) = seen.holds.get_key_value(key.unwrap()).unwrap();
    let mut pen = super::line::Pen {
        at: deadline,
        ids: &mut rig.ids,
        message: false,
    };
    let event = pen.fire(key, sighting.clone());
    rig.world.apply(rig.world.last() + 1, &event).unwrap();
    let again = judged(&rig, &rig.roster, 121_000);
    assert_eq!(of(&again, Rule::TaskOverdue), OPEN_MAX - 1);
    assert!(again.unclear.contains(key) && !again.holds.contains_key(key));
}

#[test]
fn who_could_do_what_is_asked_once_for_all_that_need_the_same() {
    let mut rig = Rig::new();
    for _ in 0..4_000 {
        rig.submit(&json!({"title": "work", "capabilities": ["rare"], "park": true}));
    }
    // Keys are made of the names, and know no digits.
    let name = |n: u32| {
        format!("{n:04}")
            .chars()
            .map(|c| char::from(c as u8 - b'0' + b'b'))
            .collect()
    };
    let names: Vec<String> = (0..1_000).map(name).collect();
    let agents: Vec<(&str, &[&str])> = names
        .iter()
        .map(|name| (name.as_str(), &["rust", "docs"][..]))
        .collect();
    let roster = rig::roster(&agents);
    let seen = judged(&rig, &roster, 120_000);
    assert_eq!(of(&seen, Rule::TaskUnassigned), OPEN_MAX);
    // Somebody who can makes an end of all of them.
    let roster = rig::roster(&[("alice", &["rare"])]);
    assert_eq!(of(&judged(&rig, &roster, 121_000), Rule::TaskUnassigned), 0);
}
