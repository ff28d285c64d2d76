//! Coordinators and agents that die.

use std::collections::BTreeSet;

use serde_json::json;
use wagglebus_schemas::event::{CauseType, Event};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{ErrorCode, Task};

use super::commands::{Commander, about};
use super::{ask, hive, until};
use crate::messages::{ack, take};

#[tokio::test]
async fn a_standby_takes_over_and_the_frozen_leader_stores_nothing() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    let alice = Commander::of(&fleet, "alice");
    let first = alice
        .submit(json!({"title": "First", "capabilities": ["rust"]}))
        .await;
    let first = until(&fleet, first.id, TaskState::Assigned).await;
    fleet.start_coordinator().await.unwrap();
    fleet.coordinators()[0].pause().unwrap();
    // Stored while nobody leads, decided by the next leader.
    let bob = Commander::of(&fleet, "bob");
    let done = bob
        .command("complete", about(&first, json!({"result": 1})))
        .await
        .unwrap();
    assert_eq!(done.state, TaskState::Completed);
    let leaders = leaders(&fleet).await;
    assert_eq!(leaders, 2);
    fleet.coordinators()[0].resume().unwrap();
    let alice = Commander::of(&fleet, "alice");
    for n in 0..20 {
        alice.submit(json!({"title": format!("task {n}")})).await;
    }
    assert_eq!(self::leaders(&fleet).await, 2, "the frozen one wrote nothing");
    // It knows all the same what the other one decided, and decides nothing twice when it leads again.
    fleet.kill_coordinator(1).await.unwrap();
    let last = Commander::of(&fleet, "alice")
        .submit(json!({"title": "last"}))
        .await;
    assert!(last.epoch == 0, "{last:?}");
    assert_eq!(self::leaders(&fleet).await, 3);
    let first = until(&fleet, first.id, TaskState::Completed).await;
    assert_eq!((first.epoch, first.result), (1, json!(1)));
    let repeated = repeated(&fleet).await;
    assert_eq!(repeated, BTreeSet::new(), "commands that were decided twice");
}

/// Places of commands in their stream that more than one line of the log names.
async fn repeated(fleet: &wagglebus_harness::fleet::Fleet) -> BTreeSet<u64> {
    let stream = fleet.bus().admin().get_stream("WB_EVENTS").await.unwrap();
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for seq in 1..=stream.cached_info().state.last_sequence {
        let line = stream.get_raw_message(seq).await.unwrap();
        let event: Event = serde_json::from_slice(&line.payload).unwrap();
        if event.cause.kind == CauseType::Command
            && let Some(command) = event.cause.seq
            && !seen.insert(command)
        {
            repeated.insert(command);
        }
    }
    repeated
}

#[tokio::test]
async fn a_coordinator_that_begins_anew_knows_the_tasks_and_waits_for_who_can_do_them() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    let draft = json!({"title": "Before", "capabilities": ["rust"]});
    let before = Commander::of(&fleet, "alice").submit(draft).await;
    until(&fleet, before.id, TaskState::Assigned).await;
    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    // Nobody has sent it a heartbeat yet: whoever can do it is not unknown for that.
    let alice = Commander::of(&fleet, "alice");
    let after = alice
        .submit(json!({"title": "After", "capabilities": ["rust"]}))
        .await;
    assert_eq!(after.state, TaskState::Pending);
    until(&fleet, before.id, TaskState::Assigned).await;
}

/// How often somebody began to lead.
async fn leaders(fleet: &wagglebus_harness::fleet::Fleet) -> u64 {
    let stream = fleet.bus().admin().get_stream("WB_EVENTS").await.unwrap();
    let info = stream
        .info_with_subjects("wb.event.leader.coordinator")
        .await
        .unwrap();
    let mut subjects = info;
    let mut count = 0;
    while let Some(subject) = futures::TryStreamExt::try_next(&mut subjects).await.unwrap() {
        count += u64::try_from(subject.1).unwrap();
    }
    count
}

#[tokio::test]
async fn a_dead_agents_task_goes_to_another_and_its_late_answer_is_refused() {
    let mut fleet = hive(&[("bob", "rust:9"), ("carol", "rust:2")]).await;
    let task = Commander::of(&fleet, "alice")
        .submit(json!({"title": "Survive", "capabilities": ["rust"]}))
        .await;
    let held = until(&fleet, task.id, TaskState::Assigned).await;
    let (first, second) = match held.assigned_to.as_ref().unwrap().as_str() {
        "bob" => ("bob", "carol"),
        _ => ("carol", "bob"),
    };
    fleet.sidecar_mut(first).unwrap().kill().await.unwrap();
    let other = fleet.sidecar(second).unwrap().client();
    let item = take(&other, 1).await.remove(0);
    assert_eq!(item.message.metadata["epoch"], 2);
    ack(&other, &item).await;
    let moved: Task = until(&fleet, task.id, TaskState::InProgress).await;
    assert_eq!(
        (moved.assigned_to.as_ref().unwrap().as_str(), moved.attempt),
        (second, 2)
    );
    let late = about(&held, json!({"result": "late"}));
    let late = Commander::of(&fleet, if first == "bob" { "bob" } else { "carol" })
        .command("complete", late)
        .await;
    assert_eq!(late.unwrap_err(), ErrorCode::StaleEpoch);
    let why = ask(&fleet, "explain", json!({"id": task.id})).await;
    assert_eq!(why["chosen"], second);
}
