//! Tests of what a leader makes of receipts and replies.

use serde_json::{Value, json};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::level::ReceiptLevel;

use crate::attention::Attended;
use crate::lead::muster::tests::Stage;
use crate::lead::{Coordination, Noted};
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
