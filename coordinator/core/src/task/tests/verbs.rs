//! Every state, every verb, everybody; and what a verb changes beside the state.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::TaskState;

use crate::log::data::{FollowKind, ReleaseReason};
use crate::task::rig::{Rig, about, data, name};
use crate::task::timer;

/// What it shall be; after a wanted change run with `UPDATE_SCRIPTS=1` and read the difference.
const TABLE: &str = include_str!("verbs.txt");

/// The verbs, with what their bodies have beside what all have. A claim is an `accept` without an epoch.
const VERBS: [(&str, TaskVerb, &str, bool); 12] = [
    ("accept", TaskVerb::Accept, "", false),
    ("claim", TaskVerb::Accept, "", false),
    ("refuse", TaskVerb::Refuse, "", false),
    ("progress", TaskVerb::Progress, "", false),
    ("block", TaskVerb::Block, "", false),
    ("resume", TaskVerb::Resume, "", false),
    ("complete", TaskVerb::Complete, "", false),
    ("fail", TaskVerb::Fail, "", false),
    ("fail+retry", TaskVerb::Fail, "retryable", true),
    ("cancel", TaskVerb::Cancel, "", false),
    ("assign", TaskVerb::Assign, "", false),
    ("assign+force", TaskVerb::Assign, "force", true),
];

/// Who asks, and by how much their epoch is wrong.
const WHO: [(&str, &str, u64); 5] = [
    ("holder", "alice", 0),
    ("former", "alice", 1),
    ("other", "bob", 0),
    ("submitter", "sue", 0),
    ("operator", "operator", 0),
];

fn outcome(
    state: TaskState,
    (word, verb, key, value): (&str, TaskVerb, &str, bool),
    who: (&str, u64),
) -> String {
    let (mut rig, id) = Rig::brought_to(state);
    let before = rig.task(&id).clone();
    let (from, off) = who;
    let by_number = !matches!(word, "claim" | "cancel" | "assign" | "assign+force");
    let epoch = (by_number || off > 0).then(|| before.task.epoch.saturating_sub(off));
    // No epoch is the former one of a task that was never assigned.
    let epoch = if off > 0 && before.task.epoch == 0 {
        Some(7)
    } else {
        epoch
    };
    let mut body = about(id, epoch);
    if !key.is_empty() {
        body[key] = value.into();
    }
    let event = rig.ask(from, verb, &body);
    let after = rig.task(&id);
    if let Some(error) = data(&event).error {
        assert_eq!(event.event, "refused");
        assert_eq!(before.task, after.task, "a refused command changes nothing");
        return match error.code.as_str() {
            "stale_epoch" => "stale".to_owned(),
            "illegal_transition" => "illegal".to_owned(),
            code => code.to_owned(),
        };
    }
    if after.task == before.task {
        "=".to_owned()
    } else {
        after.task.state.to_string()
    }
}

fn table() -> String {
    let mut text = String::new();
    for state in TaskState::ALL {
        write!(text, "{state:<18}").unwrap();
        let heads: Vec<String> = WHO.iter().map(|(who, ..)| format!("{who:<12}")).collect();
        writeln!(text, " {}", heads.join(" ").trim_end()).unwrap();
        for verb in VERBS {
            let row = WHO.map(|(_, from, off)| format!("{:<12}", outcome(*state, verb, (from, off))));
            writeln!(text, "    {:<14} {}", verb.0, row.join(" ").trim_end()).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_state_every_verb_everybody() {
    let table = table();
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/task/tests/verbs.txt");
        std::fs::write(path, &table).unwrap();
        return;
    }
    assert!(table == TABLE, "{table}");
}

fn code(rig: &mut Rig, from: &str, verb: TaskVerb, body: &Value) -> Option<ErrorCode> {
    data(&rig.ask(from, verb, body)).error.map(|error| error.code)
}

#[test]
fn what_is_wrong_is_told_in_the_order_of_the_checks() {
    let (mut rig, id) = Rig::brought_to(TaskState::Blocked);
    let nowhere = Id::from_bytes([7; 16]);
    // Each of them is wrong in everything that comes after, too.
    let mut body = about(nowhere, None);
    assert_eq!(
        code(&mut rig, "bob", TaskVerb::Refuse, &body),
        Some(ErrorCode::InvalidMessage)
    );
    body["epoch"] = 9.into();
    assert_eq!(
        code(&mut rig, "bob", TaskVerb::Refuse, &body),
        Some(ErrorCode::NotFound)
    );
    body["task_id"] = json!(id);
    assert_eq!(
        code(&mut rig, "bob", TaskVerb::Refuse, &body),
        Some(ErrorCode::StaleEpoch)
    );
    body["epoch"] = 2.into();
    assert_eq!(
        code(&mut rig, "bob", TaskVerb::Refuse, &body),
        Some(ErrorCode::Forbidden)
    );
    assert_eq!(
        code(&mut rig, "alice", TaskVerb::Refuse, &body),
        Some(ErrorCode::IllegalTransition)
    );
}

#[test]
fn a_word_about_an_assignment_names_it() {
    for verb in [
        TaskVerb::Refuse,
        TaskVerb::Progress,
        TaskVerb::Block,
        TaskVerb::Resume,
        TaskVerb::Complete,
        TaskVerb::Fail,
    ] {
        let (mut rig, id) = Rig::brought_to(TaskState::InProgress);
        let refused = code(&mut rig, "alice", verb, &about(id, None));
        assert_eq!(refused, Some(ErrorCode::InvalidMessage), "{verb}");
    }
}

#[test]
fn progress_falls_only_with_a_note_and_what_is_over_is_over() {
    let (mut rig, id) = Rig::brought_to(TaskState::InProgress);
    let mut body = about(id, Some(2));
    assert_eq!(code(&mut rig, "alice", TaskVerb::Progress, &body), None);
    body["progress"] = 0.2.into();
    let refused = code(&mut rig, "alice", TaskVerb::Progress, &body);
    assert_eq!(refused, Some(ErrorCode::InvalidMessage));
    body["note"] = "found more to do".into();
    assert_eq!(code(&mut rig, "alice", TaskVerb::Progress, &body), None);
    assert_eq!(rig.task(&id).task.progress.get(), 0.2);
    assert_eq!(code(&mut rig, "alice", TaskVerb::Complete, &body), None);
    body["note"] = Value::Null;
    let refused = code(&mut rig, "alice", TaskVerb::Progress, &body);
    assert_eq!(
        refused,
        Some(ErrorCode::IllegalTransition),
        "it is completed, whatever the number"
    );
}

#[test]
fn a_claim_takes_it_and_the_next_one_hears_who_was_first() {
    let (mut rig, id) = Rig::brought_to(TaskState::Pending);
    let claim = json!({"task_id": id});
    assert_eq!(
        code(&mut rig, "carol", TaskVerb::Accept, &claim),
        Some(ErrorCode::Forbidden)
    );
    let taken = rig.ask("bob", TaskVerb::Accept, &claim);
    assert_eq!(
        (taken.event.as_str(), taken.guard.as_deref()),
        ("accept", Some("claim"))
    );
    let task = &rig.task(&id).task;
    assert_eq!(
        (task.epoch, task.attempt, &task.assigned_to),
        (3, 3, &Some(name("bob")))
    );
    assert_eq!(rig.letters.len(), 1, "only the verdict: {:?}", rig.letters);
    let error = data(&rig.ask("alice", TaskVerb::Accept, &claim)).error.unwrap();
    assert_eq!(error.code, ErrorCode::IllegalTransition);
    assert_eq!(error.details.unwrap()["assigned_to"], "bob");
}

#[test]
fn a_refused_attempt_is_not_counted_and_its_agent_is_noted() {
    let (mut rig, id) = Rig::brought_to(TaskState::Assigned);
    assert_eq!(rig.task(&id).task.attempt, 2);
    rig.ask("alice", TaskVerb::Refuse, &about(id, Some(2)));
    let entry = rig.task(&id);
    assert_eq!((entry.task.attempt, entry.task.epoch), (1, 2));
    assert_eq!(
        (entry.task.state, &entry.task.assigned_to),
        (TaskState::Pending, &None)
    );
    assert!(entry.refused_by.contains(&name("alice")) && entry.failed_on.len() == 1);
}

#[test]
fn a_failure_that_may_be_retried_is_until_the_last_attempt() {
    let (mut rig, id) = Rig::brought_to(TaskState::Assigned);
    let mut body = about(id, Some(2));
    body["retryable"] = true.into();
    let failed = rig.ask("alice", TaskVerb::Fail, &body);
    assert_eq!(
        (failed.to.as_str(), failed.guard.as_deref()),
        ("pending", Some("retryable"))
    );
    assert_eq!(rig.task(&id).task.error.as_deref(), Some("broke"));
    assert!(rig.task(&id).failed_on.contains(&name("alice")));
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "bob"}),
    );
    body["epoch"] = 3.into();
    let failed = rig.ask("bob", TaskVerb::Fail, &body);
    assert_eq!(
        (failed.to.as_str(), &failed.guard),
        ("failed", &None),
        "three of three"
    );
    let kinds: Vec<FollowKind> = data(&failed).follows.iter().map(|follow| follow.kind).collect();
    assert_eq!(kinds, [FollowKind::Verdict, FollowKind::Ended]);
}

#[test]
fn force_takes_it_from_its_holder_who_is_told() {
    let (mut rig, id) = Rig::brought_to(TaskState::InProgress);
    let given = rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "bob", "force": true}),
    );
    let data = data(&given);
    assert_eq!(data.released, Some((name("alice"), ReleaseReason::Forced)));
    let follows: Vec<_> = data
        .follows
        .iter()
        .map(|follow| (follow.kind, follow.to.as_str()))
        .collect();
    assert_eq!(
        follows,
        [
            (FollowKind::Verdict, "operator"),
            (FollowKind::Released, "alice"),
            (FollowKind::Assigned, "bob"),
        ]
    );
    let late = code(&mut rig, "alice", TaskVerb::Complete, &about(id, Some(2)));
    assert_eq!(late, Some(ErrorCode::StaleEpoch));
}

#[test]
fn a_release_at_the_last_attempt_gives_up() {
    let (mut rig, id) = Rig::brought_to(TaskState::InProgress);
    let lost = |world: &crate::log::World, scribe: &mut crate::task::Scribe<'_>| {
        timer::release(world.task(&id)?, timer::Failing::Lost, scribe)
    };
    assert_eq!(rig.by_leader(lost).unwrap().to, "pending");
    assert!(rig.by_leader(lost).is_none(), "nobody holds it");
    rig.ask(
        "operator",
        TaskVerb::Assign,
        &json!({"task_id": id, "agent": "bob"}),
    );
    let given_up = rig.by_leader(lost).unwrap();
    assert_eq!(
        (given_up.to.as_str(), given_up.guard.as_deref()),
        ("failed", Some("last_attempt"))
    );
    assert_eq!(rig.task(&id).task.error.as_deref(), Some("bob was lost"));
    let to: Vec<_> = data(&given_up)
        .follows
        .iter()
        .map(|follow| follow.to.to_string())
        .collect();
    assert_eq!(to, ["bob", "sue"]);
}
