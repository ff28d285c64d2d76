//! Tests of what a leader makes of receipts and replies.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::{Hive, Id, Timestamp};

use crate::attention::Attended;
use crate::lead::muster::tests::Stage;
use crate::lead::{Coordination, Noted, Told};
use crate::task::rig::name;

/// A leader of `alice`, who was heard, and `bob`, who was not yet; `bob` holds a task.
fn held_by_bob() -> Stage {
    let mut stage = Stage::new(&[("alice", &[])]);
    let enrolment = json!({
        "agent": "bob", "nkey": format!("U{:A<55}", "BOB"), "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH,
    });
    let enrolment = serde_json::from_value(enrolment).unwrap();
    stage.roster.enrol(enrolment, Attended::default());
    stage.command("alice", TaskVerb::Submit, &json!({"title": "work"}));
    let id = stage.coordination.world().tasks().next().unwrap().task.id;
    let given = json!({"task_id": id, "agent": "bob", "force": true});
    stage.command("operator", TaskVerb::Assign, &given);
    assert_eq!(state(&stage), "assigned to bob");
    stage
}

fn state(stage: &Stage) -> String {
    let entry = stage.coordination.world().tasks().next().unwrap();
    let holder = entry.task.assigned_to.as_ref().map(ToString::to_string);
    format!("{} to {}", entry.task.state, holder.unwrap_or_default())
}

/// `bob` is handed his assignment through this bridge.
fn injected(stage: &mut Stage, bridge: Bridge) {
    let entry = stage.coordination.world().tasks().next().unwrap();
    let noted = Noted {
        seq: 1,
        id: entry.task.id,
        notice: entry.notice.unwrap(),
        from: name("bob"),
        level: ReceiptLevel::Injected,
        bridge: Some(bridge),
    };
    stage.drive(|c, desk| c.noted(desk, noted));
}

fn beat(stage: &mut Stage, bridge: &str, proves: &str) {
    let lane = json!({"pending": 0, "oldest_ms": null});
    let beat: Value = json!({
        "agent": "bob", "epoch": 1, "seq": 1, "interval_ms": 3_000, "state": "idle", "hold": null,
        "bridges": [{"name": bridge, "proves": proves}], "in_flight": [], "spool": {"unstored": 0, "bytes": 0},
        "inbox": {"urgent": lane, "high": lane, "normal": lane, "low": lane},
        "agent_cpu_ms": null, "agent_rss_bytes": null, "cpu_ms": 1, "rss_bytes": 1,
        "version": "1", "capabilities": [], "at": Timestamp::EPOCH,
    });
    let beat: Heartbeat = serde_json::from_value(beat).unwrap();
    stage
        .roster
        .hear(name("bob"), beat, stage.now, Attended::default());
    stage.drive(Coordination::roster_changed);
}

#[test]
fn a_receipt_that_comes_before_the_first_heartbeat_is_kept_for_it() {
    for (proves, expected) in [("injected", "in_progress to bob"), ("done", "assigned to bob")] {
        let mut stage = held_by_bob();
        injected(&mut stage, Bridge::Stdio);
        assert_eq!(state(&stage), "assigned to bob");
        beat(&mut stage, "stdio", proves);
        assert_eq!(state(&stage), expected, "{proves}");
    }
}

#[test]
fn the_bridge_of_the_receipt_counts_and_not_the_one_that_is_open_now() {
    for (bridge, open, proves, expected) in [
        (Bridge::TmuxBody, None, "", "in_progress to bob"),
        (Bridge::TmuxBody, Some("tmux_nudge"), "done", "in_progress to bob"),
        (Bridge::Http, Some("tmux_body"), "injected", "assigned to bob"),
        (Bridge::Http, None, "", "assigned to bob"),
        (Bridge::Stdio, Some("stdio"), "injected", "in_progress to bob"),
        (Bridge::Stdio, Some("stdio"), "done", "assigned to bob"),
    ] {
        let mut stage = held_by_bob();
        if let Some(open) = open {
            beat(&mut stage, open, proves);
        }
        injected(&mut stage, bridge);
        assert_eq!(state(&stage), expected, "{bridge} {open:?}");
    }
}

/// What `from` is answered when it replies to this notice: how far the reply came, and why not further.
fn replied(stage: &mut Stage, from: &str, notice: Id) -> String {
    static SEQ: AtomicU64 = AtomicU64::new(1_000);
    // What was read before is not heard again.
    let seq = SEQ.fetch_add(1, Ordering::Relaxed);
    let message = json!({
        "id": format!("0192f0c1-7c1e-7b11-8a52-{seq:012}"), "from_agent": from, "to_agent": "coordinator",
        "message_type": "response", "content": "result", "timestamp": "2026-01-02T03:04:05.000Z",
        "priority": "normal", "acknowledged": false, "conversation_id": notice,
        "metadata": {"in_reply_to": notice},
    });
    let message = serde_json::from_value(message).unwrap();
    stage.letters.clear();
    stage.drive(|c, desk| c.told(desk, &Told { seq, message }));
    let receipts = stage
        .letters
        .iter()
        .map(|letter| serde_json::from_slice::<Value>(&letter.body).unwrap())
        .filter(|receipt| receipt["sender"] == from && receipt["message_id"] != Value::Null);
    let said = receipts.map(|receipt| format!("{} {}", receipt["level"], receipt["error"]["code"]));
    said.collect::<Vec<_>>().join(", ").replace('"', "")
}

fn notice(stage: &Stage) -> Id {
    let entry = stage.coordination.world().tasks().next().unwrap();
    entry.notice.unwrap()
}

#[test]
fn a_reply_to_an_assignment_that_is_over_is_refused_as_a_command_would_be() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &[])]);
    stage.command("alice", TaskVerb::Submit, &json!({"title": "work"}));
    let task = stage.coordination.world().tasks().next().unwrap().task.id;
    let first = notice(&stage);
    let holder = stage.coordination.world().tasks().next().unwrap();
    let holder = holder.task.assigned_to.clone().unwrap().to_string();
    let other = if holder == "alice" { "bob" } else { "alice" };
    assert_eq!(replied(&mut stage, other, first), "dead forbidden");
    let given = json!({"task_id": task, "agent": other, "force": true});
    stage.command("operator", TaskVerb::Assign, &given);
    assert_eq!(replied(&mut stage, &holder, first), "dead stale_epoch");
    let second = notice(&stage);
    assert_eq!(replied(&mut stage, other, second), "done null");
    assert_eq!(
        replied(&mut stage, other, second),
        "done null",
        "it is said already"
    );
    assert_eq!(replied(&mut stage, &holder, second), "dead forbidden");
    assert_eq!(
        replied(&mut stage, &holder, Id::from_bytes([7; 16])),
        "done null",
        "nothing of ours"
    );
    // A successor answers alike.
    stage.coordination = Coordination::new(Hive::default(), "b".to_owned());
    stage.lead();
    assert_eq!(replied(&mut stage, &holder, first), "dead stale_epoch");
}

#[test]
fn a_reply_to_an_assignment_that_was_cancelled_is_no_result() {
    let mut stage = Stage::new(&[("alice", &[])]);
    stage.command("alice", TaskVerb::Submit, &json!({"title": "work"}));
    let entry = stage.coordination.world().tasks().next().unwrap();
    let (task, notice) = (entry.task.id, entry.notice.unwrap());
    stage.command(
        "alice",
        TaskVerb::Cancel,
        &json!({"task_id": task, "reason": "no"}),
    );
    assert_eq!(replied(&mut stage, "alice", notice), "dead illegal_transition");
}
