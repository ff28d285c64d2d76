//! Tests of who is told that the hive stands still.

use std::collections::BTreeSet;

use serde_json::json;
use wagglebus_schemas::{Hive, Timestamp};

use super::tests::Stage;
use crate::attention::Attended;
use crate::lead::Coordination;

/// Who was told since the last look.
fn told(stage: &mut Stage) -> Vec<String> {
    let said = stage.controls();
    said.iter()
        .map(|said| said.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_successor_tells_those_whom_the_leader_that_fell_had_no_line_for() {
    let letters = |n: u8| [n / 26, n % 26].map(|n| char::from(b'a' + n));
    let pair = |n: u8| letters(n).into_iter().collect::<String>();
    let names = (0..11).flat_map(|n| (0..100).map(move |m| (n, m)));
    let names: Vec<String> = names.map(|(n, m)| pair(n) + &pair(m)).collect();
    let agents: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut stage = Stage::new(&agents);
    stage.control(None, "halt");
    let all: BTreeSet<String> = names.iter().map(|name| format!("{name} halt")).collect();
    assert_eq!(told(&mut stage).into_iter().collect::<BTreeSet<_>>(), all);
    let first = stage.log.iter().position(|event| event.event == "halt").unwrap();
    stage.log.truncate(first + 1);
    for untold in [100, 0] {
        stage.coordination = Coordination::new(Hive::default(), "b".to_owned());
        let said = stage.lead();
        assert_eq!(said, if untold > 0 { "wb halt>halt" } else { "" });
        let told = told(&mut stage);
        assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), all);
        assert_eq!(told.len(), names.len(), "each once");
    }
}

#[test]
fn who_is_enrolled_while_the_hive_stands_still_is_told_and_told_when_it_goes_on() {
    let mut stage = Stage::new(&[("alice", &[])]);
    stage.control(None, "halt");
    let enrolment = json!({
        "agent": "bob", "nkey": format!("U{:A<55}", "BOB"), "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH,
    });
    let enrolment = serde_json::from_value(enrolment).unwrap();
    stage.roster.enrol(enrolment, Attended::default());
    told(&mut stage);
    let said = stage.beat("bob", (1, 1), "idle");
    assert_eq!(said, "bob enrol>onboarding, bob heartbeat>active, wb halt>halt");
    assert_eq!(told(&mut stage), ["bob halt"]);
    assert_eq!(stage.beat("bob", (1, 2), "idle"), "");
    stage.control(None, "resume");
    assert_eq!(told(&mut stage), ["alice resume", "bob resume"]);
}
