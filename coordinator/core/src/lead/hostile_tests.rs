//! Tests of records with which an agent could stop the log for ever: one line that the stream refuses, or nobody reads.

use serde_json::{Value, json};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::decode;
use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, JSON_DEPTH_MAX, LINE_BYTES_MAX};
use wagglebus_schemas::{Id, Timestamp};

use super::tests::{LED, Stage, appended};
use super::{Appended, Coordination, Order, bound};
use crate::alert::AlertNews;
use crate::log::World;
use crate::task::Ask;
use crate::task::rig::now;

const TASK: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

/// Lines as the stream takes them and everybody reads them, folded after what was there.
fn stored(world: &mut World, events: &[Event]) {
    for event in events {
        let line = serde_json::to_vec(event).unwrap();
        assert!(line.len() <= bound::LINE_BYTES_MAX, "{} bytes", line.len());
        let read: Event = decode::record("event", &line, ACCOUNT_PAYLOAD_BYTES_MAX).unwrap();
        assert_eq!(read, *event);
        world.apply(world.last() + 1, &read).unwrap();
    }
}

/// A leader, and what everybody else knows of its log.
fn led() -> (Stage, World) {
    let (mut stage, mut world) = (Stage::new(), World::new());
    let (first, machines) = stage.lead();
    stored(&mut world, &first);
    stored(&mut world, &machines);
    (stage, world)
}

fn warns(orders: &[Order]) -> bool {
    orders.iter().any(|order| matches!(order, Order::Warn(_)))
}

#[test]
fn a_command_that_would_be_quoted_in_full_is_refused_in_a_few_words() {
    for epoch in [
        "a".repeat(520_000),
        "\u{7f}".repeat(80_000),
        "\u{10ffff}".repeat(80_000),
    ] {
        let (mut stage, mut world) = led();
        let body = serde_json::to_vec(&json!({"task_id": TASK, "epoch": epoch})).unwrap();
        let ask = Ask::read(TaskVerb::Accept, "mallory".parse().unwrap(), 1, Some(TASK), &body);
        let orders = stage.act(|c, desk| c.asked(desk, &ask));
        assert!(!warns(&orders), "{orders:?}");
        let (after, events) = appended(orders);
        assert_eq!(
            (after, events.len(), events[0].event.as_str()),
            (LED, 1, "refused")
        );
        assert!(serde_json::to_vec(&events[0]).unwrap().len() < 8_192);
        stored(&mut world, &events);
        assert_eq!(world.last_decided("WB_TASKS"), 1);
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn a_report_of_any_form_becomes_a_line_that_is_taken_and_read() {
    // The last is nested as deeply as a record from outside may be, and would be two levels deeper in its line.
    for (detail, evidence) in [
        ("d".repeat(523_000), json!({})),
        ("\u{1}".repeat(80_000), json!({})),
        ("many".to_owned(), json!({"numbers": vec![1e15; 90_000]})),
        ("deep".to_owned(), json!({"nested": nested(JSON_DEPTH_MAX - 2)})),
    ] {
        let (mut stage, mut world) = led();
        let report = json!({
            "id": TASK, "agent": "alice", "component": "sidecar", "class": "refused", "severity": "error",
            "detail": detail, "evidence": evidence, "at": Timestamp::EPOCH,
        });
        let body = serde_json::to_vec(&report).unwrap();
        let failure: Failure = decode::record("failure", &body, 2 * LINE_BYTES_MAX).unwrap();
        let failure = Some(Box::new(failure));
        stage.act(|c, desk| c.alert_news(desk, AlertNews::Report { seq: 7, failure }));
        stage.now = now(2_000);
        let orders = stage.act(Coordination::tick);
        assert!(!warns(&orders), "{orders:?}");
        let (_, events) = appended(orders);
        let failures = events.iter().filter(|event| event.entity == EventKind::Failure);
        assert_eq!(failures.count(), 1);
        stored(&mut world, &events);
        assert_eq!(world.alerts().read().reports, 7, "no successor writes it again");
        assert_eq!(world.alerts(), stage.coordination.world().alerts());
    }
}

/// A decision of command 1 that is no line.
fn decision(entity: EventKind, entity_id: &str, to: &str, note: Value) -> Event {
    Event {
        id: Id::from_bytes([7; 16]),
        entity,
        entity_id: entity_id.to_owned(),
        seq: 1,
        from: None,
        to: to.to_owned(),
        event: "submit".to_owned(),
        actor: "mallory".parse().unwrap(),
        cause: Cause {
            kind: CauseType::Command,
            id: Some(TASK.parse().unwrap()),
            stream: Some("WB_TASKS".to_owned()),
            seq: Some(1),
        },
        guard: None,
        at: now(1_000).wall,
        data: [("note".to_owned(), note)].into_iter().collect(),
    }
}

#[test]
fn a_decision_that_can_be_no_line_becomes_a_refusal_with_a_verdict() {
    for (event, code) in [
        (
            decision(
                EventKind::Task,
                TASK,
                "pending",
                "n".repeat(bound::LINE_BYTES_MAX).into(),
            ),
            "too_large",
        ),
        (
            decision(EventKind::Task, TASK, "pending", nested(JSON_DEPTH_MAX)),
            "too_large",
        ),
        (
            decision(EventKind::Agent, "alice", "nonsense", json!("x")),
            "invalid_message",
        ),
        (
            decision(EventKind::Task, TASK, "pending", json!(7)),
            "invalid_message",
        ),
    ] {
        let (mut stage, mut world) = led();
        let mut said = true;
        let orders = stage.act(|c, desk| {
            said = c.write(desk, event);
            c.append(desk);
        });
        assert!(!said && warns(&orders), "{orders:?}");
        let (_, events) = appended(orders);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((events[0].event.as_str(), events[0].seq), ("refused", 0));
        assert_eq!(events[0].data["error"]["code"], code);
        stored(&mut world, &events);
        assert_eq!(world.last_decided("WB_TASKS"), 1, "no successor decides it again");
        let orders = stage.act(|c, desk| c.appended(desk, LED, Appended::Stored(LED + 1)));
        let verdicts = orders.iter().filter(|order| matches!(order, Order::Publish(_)));
        assert_eq!(verdicts.count(), 1, "{orders:?}");
    }
}

#[test]
fn what_no_command_asked_for_and_no_line_can_hold_is_only_told() {
    let (mut stage, _) = led();
    let last = stage.coordination.world().last();
    let mut event = decision(EventKind::Task, TASK, "pending", nested(JSON_DEPTH_MAX));
    event.cause.kind = CauseType::Timer;
    let orders = stage.act(|c, desk| {
        assert!(!c.write(desk, event));
        c.append(desk);
    });
    assert!(matches!(&orders[..], [Order::Warn(_)]), "{orders:?}");
    assert_eq!(stage.coordination.world().last(), last);
}

#[test]
fn whoever_cannot_write_the_log_leads_no_more() {
    let (mut stage, _) = led();
    stage.submit();
    let orders = stage.act(|c, desk| c.appended(desk, LED, Appended::Impossible));
    assert!(!stage.coordination.leads());
    assert!(
        orders.contains(&Order::Resign) && orders.contains(&Order::Reread),
        "{orders:?}"
    );
    // Neither does who cannot write its first line.
    let mut stage = Stage::new();
    let (after, _) = stage.take();
    let orders = stage.act(|c, desk| c.appended(desk, after, Appended::Impossible));
    assert_eq!(orders, [Order::Resign]);
    assert_eq!(stage.coordination.next_ms(), None, "it waits for the lease");
}
