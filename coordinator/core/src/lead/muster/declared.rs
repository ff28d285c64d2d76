//! Tests of what is known of agents that a coordinator has not heard yet.

use serde_json::json;
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::{AgentId, Hive};

use super::tests::Stage;
use crate::attention::Attended;
use crate::lead::Coordination;
use crate::liveness::DECLARED_MS;
use crate::task::rig::{name, roster};

/// A coordinator that has just begun: it read the log, heard `alice`, and knows that `bob` is enrolled.
fn begun_anew(stage: &mut Stage) {
    let enrolment = json!({
        "agent": "bob", "nkey": format!("U{:A<55}", "BOB"), "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH,
    });
    stage.roster = roster(&[("alice", &[])]);
    let enrolment = serde_json::from_value(enrolment).unwrap();
    stage.roster.enrol(enrolment, Attended::default());
    stage.coordination = Coordination::new(Hive::default(), "b".to_owned());
    stage.lead();
}

/// What becomes of a task that needs this.
fn submitted(stage: &mut Stage, capability: &str) -> String {
    let body = json!({"title": "work", "capabilities": [capability]});
    stage.command("alice", TaskVerb::Submit, &body);
    let event = stage
        .log
        .iter()
        .rfind(|event| event.entity.as_str() == "task")
        .unwrap();
    let code = event.data.get("error").map(|error| error["code"].clone());
    format!("{} {}", event.event, code.unwrap_or_default())
}

#[test]
fn what_an_agent_can_do_outlives_the_coordinator_that_heard_it() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &["gpu"])]);
    begun_anew(&mut stage);
    let refused = r#"refused "unknown_capability""#;
    assert_eq!(submitted(&mut stage, "gpu"), "submit null");
    assert_eq!(submitted(&mut stage, "tpu"), refused);
    stage.roster.pass(Attended::default().after(DECLARED_MS));
    assert_eq!(
        submitted(&mut stage, "gpu"),
        refused,
        "an hour without a heartbeat"
    );
}

#[test]
fn the_log_is_told_when_an_agent_can_do_something_else() {
    let mut stage = Stage::new(&[("alice", &[]), ("bob", &["gpu"])]);
    assert_eq!(declared(&stage), "gpu");
    // Its next sidecar can do nothing; the one after it came too soon to be told of at once.
    assert_eq!(stage.beat("bob", (2, 1), "idle"), "");
    assert_eq!(declared(&stage), "gpu");
    stage.now.boot_ms += 60_000;
    assert_eq!(stage.beat("bob", (2, 2), "idle"), "bob declare>active");
    assert_eq!(stage.beat("bob", (2, 3), "idle"), "");
    assert_eq!(declared(&stage), "");
    begun_anew(&mut stage);
    assert_eq!(submitted(&mut stage, "gpu"), r#"refused "unknown_capability""#);
}

fn declared(stage: &Stage) -> String {
    let bob: AgentId = name("bob");
    let entry = stage.coordination.world().crew().agent(&bob).unwrap();
    entry
        .declared
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
