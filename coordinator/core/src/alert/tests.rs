//! Tests of the machine of alerts, of the rules, and of the fold that a successor goes on from.

use std::collections::BTreeSet;

use serde_json::Map;
use wagglebus_schemas::alert::AlertState;
use wagglebus_schemas::failure::{Failure, Severity};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::line::Pen;
use super::plan::plan;
use super::trouble::{Found, Read};
use super::watch::{Move, OPEN_MAX, Watches};
use super::{Alerts, Key, Rule, Seen, Settings, Sighting};
use crate::task::rig::Ids;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_323_045_000 + ms).unwrap()
}

fn sighting() -> Sighting {
    Sighting {
        severity: Severity::Error,
        summary: "bob is lost".to_owned(),
        hint: "wagglebus agents".to_owned(),
        evidence: Map::new(),
        since: at(0),
    }
}

/// What is seen of one thing.
#[derive(Clone, Copy, PartialEq)]
enum Is {
    Wrong,
    Well,
    Unclear,
    NotJudged,
}

/// A leader with its log.
#[derive(Default)]
struct Leader {
    watches: Watches,
    alerts: Alerts,
    ids: Ids,
    last: u64,
    told: Vec<String>,
}

impl Leader {
    fn see(&mut self, rule: Rule, abouts: &[&str], is: Is, now_ms: u64) {
        let mut seen = Seen::default();
        if is != Is::NotJudged {
            seen.judged.insert(rule);
        }
        for about in abouts {
            match is {
                Is::Wrong => seen.hold(rule, about, sighting()),
                Is::Unclear => seen.unclear(rule, about),
                Is::Well | Is::NotJudged => {}
            }
        }
        let settings = Settings::default();
        for one in self.watches.step(&self.alerts, &settings, seen, now_ms) {
            let mut pen = Pen {
                at: at(i64::try_from(now_ms).unwrap()),
                ids: &mut self.ids,
                message: false,
            };
            let event = match one {
                Move::Fire(key, sighting) => pen.fire(&key, sighting),
                Move::Resolve(id) => pen.resolve(self.alerts.entry(&id).unwrap()),
            };
            self.last += 1;
            self.told.push(format!("{now_ms} {}", event.event));
            self.alerts.apply(self.last, &event).unwrap();
        }
    }

    /// Another one, that knows the log alone.
    fn successor(&self) -> Self {
        Self {
            alerts: self.alerts.clone(),
            last: self.last,
            ..Self::default()
        }
    }
}

#[test]
fn an_episode_is_told_once_and_what_flaps_is_one() {
    let mut leader = Leader::default();
    for (now_ms, is) in [
        (0, Is::Well),
        (1_000, Is::Wrong),
        (2_000, Is::Wrong),
        // Back for less than 10 s.
        (3_000, Is::Well),
        (12_000, Is::Well),
        (12_500, Is::Wrong),
        (13_000, Is::Unclear),
        (30_000, Is::NotJudged),
        (31_000, Is::Well),
        (40_999, Is::Well),
        (41_000, Is::Well),
        (42_000, Is::Well),
        (43_000, Is::Wrong),
    ] {
        leader.see(Rule::AgentLost, &["bob"], is, now_ms);
    }
    assert_eq!(leader.told, ["1000 fire", "41000 resolve", "43000 fire"]);
    let ids: BTreeSet<Id> = leader.alerts.all().map(|alert| alert.id).collect();
    assert_eq!(ids.len(), 2, "each episode has its own id");
}

#[test]
fn what_must_hold_for_a_while_is_pending_first() {
    let mut leader = Leader::default();
    for (now_ms, is) in [
        (0, Is::Wrong),
        (1_900, Is::Wrong),
        (1_950, Is::Well),
        (2_000, Is::Wrong),
        (3_999, Is::Wrong),
        (4_000, Is::Wrong),
    ] {
        leader.see(Rule::TaskAtRisk, &["t"], is, now_ms);
    }
    assert_eq!(leader.told, ["4000 fire"]);
}

#[test]
fn a_successor_goes_on() {
    let mut leader = Leader::default();
    leader.see(Rule::AgentLost, &["bob"], Is::Wrong, 0);
    let mut successor = leader.successor();
    successor.see(Rule::AgentLost, &["bob"], Is::Unclear, 0);
    successor.see(Rule::AgentLost, &["bob"], Is::Wrong, 1_000);
    assert!(successor.told.is_empty(), "{:?}", successor.told);
    let mut third = successor.successor();
    third.see(Rule::AgentLost, &["bob"], Is::Well, 0);
    third.see(Rule::AgentLost, &["bob"], Is::Well, 10_000);
    assert_eq!(third.told, ["10000 resolve"]);
    let alert = third.alerts.all().next().unwrap();
    assert_eq!(
        (alert.state, alert.resolved_at),
        (AlertState::Resolved, Some(at(10_000)))
    );
}

#[test]
fn a_thousand_of_a_kind_are_told_in_turn() {
    let names: Vec<String> = (0..1_000).map(|n| format!("t{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut leader = Leader::default();
    leader.see(Rule::TaskOverdue, &names, Is::Wrong, 0);
    assert_eq!(leader.told.len(), OPEN_MAX);
    leader.see(Rule::TaskOverdue, &names[10..], Is::Wrong, 1_000);
    assert_eq!(leader.told.len(), OPEN_MAX + 10, "what is over makes room");
    leader.see(Rule::TaskOverdue, &names[10..], Is::Wrong, 2_000);
    assert_eq!(leader.told.len(), OPEN_MAX + 20);
}

#[test]
fn rules_are_found_by_name() {
    for rule in Rule::ALL {
        assert_eq!(rule.as_str().parse(), Ok(rule));
    }
    assert!(
        "agent_lots"
            .parse::<Rule>()
            .unwrap_err()
            .to_string()
            .contains("agent_lost")
    );
}

#[test]
fn a_failure_that_nobody_planned_for_goes_to_a_person() {
    for (class, name, escalates) in [
        ("agent_lost", "release", false),
        ("task_failed", "return", false),
        ("dead_letter", "keep", false),
        ("unreceipted", "escalate", true),
        ("of a later version", "escalate", true),
    ] {
        let plan = plan(class);
        assert_eq!((plan.name, plan.escalates), (name, escalates), "{class}");
    }
}

#[test]
fn a_flood_of_dead_letters_is_one_line_and_read_once() {
    let bob: AgentId = "bob".parse().unwrap();
    let (mut found, mut ids) = (Found::default(), Ids::default());
    for seq in 1..=1_000 {
        found.letter(seq, bob.clone(), DeadReason::MaxDeliver, at(0));
    }
    found.letter(1_000, bob.clone(), DeadReason::MaxDeliver, at(0));
    found.letter(1_001, bob, DeadReason::Operator, at(0));
    let mut fresh = || crate::task::FreshIds::fresh(&mut ids);
    let failures = found.take(&mut fresh, at(5), Read::default());
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].0.evidence["letters"], 1_000);
    let read = Read {
        dead_letters: 1_001,
        reports: 0,
    };
    assert_eq!(found.read, read);
    assert!(found.take(&mut fresh, at(6), read).is_empty());
    let mut alerts = Alerts::default();
    let mut pen = Pen {
        at: at(5),
        ids: &mut Ids::default(),
        message: false,
    };
    alerts
        .apply(1, &pen.failure(&failures[0].0, failures[0].1))
        .unwrap();
    assert_eq!(alerts.read(), read);
    let trouble = alerts.troubles().next().unwrap();
    assert_eq!((trouble.count, trouble.rule()), (1_000, Rule::DeadLetter));
}

/// A report of this agent that its sidecar could not publish something.
fn report(agent: &str, detail: &str, evidence: serde_json::Value) -> Failure {
    let report = serde_json::json!({
        "id": Id::from_bytes([9; 16]), "agent": agent, "component": "sidecar", "class": "refused",
        "severity": "error", "detail": detail, "evidence": evidence, "at": at(0),
    });
    serde_json::from_value(report).unwrap()
}

#[test]
fn a_flood_of_reports_is_one_line_that_says_how_many_they_were() {
    let (mut found, mut ids) = (Found::default(), Ids::default());
    let mut fresh = || crate::task::FreshIds::fresh(&mut ids);
    for seq in 1..=100_000 {
        let failure = report(
            "bob",
            &format!("number {seq}"),
            serde_json::json!({"reports": 1_000_000}),
        );
        found.report(seq, Some(failure));
    }
    found.report(
        100_001,
        Some(report("carol", "once", serde_json::json!({"reports": 9}))),
    );
    let failures = found.take(&mut fresh, at(5), Read::default());
    let told: Vec<_> = failures
        .iter()
        .map(|(failure, read)| {
            (
                failure.detail.as_str(),
                failure.evidence.get("reports"),
                read.reports,
            )
        })
        .collect();
    let many = serde_json::json!(100_000);
    assert_eq!(told, [("number 100000", Some(&many), 0), ("once", None, 100_001)]);
    let (mut alerts, mut ids) = (Alerts::default(), Ids::default());
    for ((failure, read), seq) in failures.iter().zip(1..) {
        let mut pen = Pen {
            at: at(5),
            ids: &mut ids,
            message: false,
        };
        alerts.apply(seq, &pen.failure(failure, *read)).unwrap();
    }
    let counts: Vec<u64> = alerts.troubles().map(|trouble| trouble.count).collect();
    assert_eq!(counts, [100_000, 1]);
}

#[test]
fn what_a_whole_fleet_reports_at_once_is_written_in_parts_and_counts_with_the_last() {
    let (mut found, mut ids) = (Found::default(), Ids::default());
    let mut fresh = || crate::task::FreshIds::fresh(&mut ids);
    for seq in 1..=1_000 {
        found.report(
            seq,
            Some(report(&format!("agent-{seq}"), "so", serde_json::json!({}))),
        );
    }
    let before = Read {
        reports: 1,
        ..Read::default()
    };
    let mut parts = Vec::new();
    for sweep in 0..5 {
        let part = found.take(&mut fresh, at(sweep), before);
        let read = part.last().map(|(_, read)| read.reports);
        assert!(part.iter().rev().skip(1).all(|(_, read)| *read == before));
        parts.push((part.len(), read));
        // It comes too late for what is being written.
        found.report(1_001, Some(report("agent-1", "again", serde_json::json!({}))));
    }
    let all = [(256, 1), (256, 1), (256, 1), (232, 1_000), (1, 1_001)];
    assert_eq!(parts, all.map(|(lines, read)| (lines, Some(read))));
}

#[test]
fn a_fold_is_the_same_after_a_snapshot() {
    let mut leader = Leader::default();
    leader.see(Rule::AgentLost, &["alice", "bob"], Is::Wrong, 0);
    leader.see(Rule::AgentLost, &["bob"], Is::Wrong, 1_000);
    leader.see(Rule::AgentLost, &["bob"], Is::Wrong, 20_000);
    let stored = serde_json::to_vec(&leader.alerts).unwrap();
    let read: Alerts = serde_json::from_slice(&stored).unwrap();
    assert_eq!(read, leader.alerts);
    let open = read.open();
    let keys: Vec<&Key> = open.keys().collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].about, "bob");
}
