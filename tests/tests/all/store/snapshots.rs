//! Snapshots of the log, and what is left when its older lines are gone.

use futures::TryStreamExt;
use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;

use super::{bound, readyz, rebuild, tasks, until};
use crate::tasks::commands::Commander;
use crate::tasks::{ask, hive};

/// A log so small that it is purged soon.
const LOG_BYTES: i64 = 256 * 1024;

/// Submits tasks until lines of the log are gone.
async fn fill(fleet: &Fleet) -> Vec<Value> {
    let alice = Commander::of(fleet, "alice");
    let stuff = "x".repeat(4_000);
    for n in 0..400 {
        alice
            .submit(json!({"title": format!("task {n}"), "input": stuff}))
            .await;
        if n % 10 == 9 && first(fleet).await > 1 && snapshots(fleet).await.len() > 1 {
            return tasks(fleet).await;
        }
    }
    panic!("the log was never purged: {:?}", snapshots(fleet).await);
}

/// Sequence of the oldest line of the log.
async fn first(fleet: &Fleet) -> u64 {
    let stream = fleet.bus().admin().get_stream("WB_EVENTS").await.unwrap();
    stream.cached_info().state.first_sequence
}

/// The names of the snapshots with what holds their parts, the newest first.
async fn snapshots(fleet: &Fleet) -> Vec<(String, String)> {
    let store = fleet
        .bus()
        .admin()
        .get_object_store("WB_snapshots")
        .await
        .unwrap();
    let all: Vec<_> = store.list().await.unwrap().try_collect().await.unwrap();
    let mut all: Vec<_> = all.into_iter().map(|object| (object.name, object.nuid)).collect();
    all.sort();
    all.reverse();
    all
}

async fn restart(fleet: &mut Fleet) {
    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_purged_is_still_known_and_a_damaged_snapshot_is_told_of() {
    let mut fleet = hive(&[]).await;
    bound(&fleet, "WB_EVENTS", |config| config.max_bytes = LOG_BYTES).await;
    fleet.start_coordinator().await.unwrap();
    let before = fill(&fleet).await;
    assert!(before.len() > 20, "{}", before.len());
    // The one who reads along knows them all the same, and so does one that begins.
    fleet.kill_coordinator(0).await.unwrap();
    assert_eq!(tasks(&fleet).await, before);
    restart(&mut fleet).await;
    assert_eq!(tasks(&fleet).await, before);
    until(async || (rebuild(&fleet, "--check").await.0 == Some(0)).then_some(())).await;
    // A snapshot tells where the oldest one stood, and which times before can be asked for.
    let oldest = before.iter().min_by_key(|task| task["created_at"].to_string());
    let latest = before.iter().map(|task| task["updated_at"].to_string()).max();
    let (oldest, latest) = (oldest.unwrap(), latest.unwrap());
    let stood = async |at: &str| {
        let query = json!({"entity": "task", "id": oldest["id"], "at": at.trim_matches('"')});
        ask(&fleet, "fsm", query).await
    };
    assert_eq!(stood(&latest).await["state"], oldest["state"]);
    let gone = stood("2026-01-01T00:00:00.000Z").await;
    assert!(gone["error"]["details"]["oldest"].is_string(), "{gone}");

    let kept = snapshots(&fleet).await;
    assert!((2..=3).contains(&kept.len()), "{kept:?}");
    let (newest, parts) = kept[0].clone();
    let js = fleet.bus().admin().clone();
    let damage = js.publish(format!("$O.WB_snapshots.C.{parts}"), "garbage".into());
    damage.await.unwrap().await.unwrap();
    restart(&mut fleet).await;
    assert_eq!(tasks(&fleet).await, before);
    let log = fleet.coordinators()[0].log();
    assert!(
        log.contains(&newest) && log.contains("cannot be used"),
        "nothing is said of {newest}:\n{log}"
    );
    let (_, told) = rebuild(&fleet, "--check").await;
    assert!(told.contains(&format!("UNUSABLE   {newest}")), "{told}");
    // And it goes on.
    let alice = Commander::of(&fleet, "alice");
    let after = alice.submit(json!({"title": "after"})).await;
    assert_eq!(tasks(&fleet).await.len(), before.len() + 1);
    assert_eq!(after.title.as_str(), "after");
    without_any(&mut fleet).await;
}

/// Nothing tells of the lines that were purged: nobody leads, and nothing that tells of them is overwritten.
async fn without_any(fleet: &mut Fleet) {
    /// The coordinator that is started here is the fifth one.
    const NEWEST: usize = 4;
    let viewed = views(fleet).await;
    fleet.kill_coordinator(0).await.unwrap();
    let js = fleet.bus().admin().clone();
    for (_, parts) in snapshots(fleet).await {
        let damage = js.publish(format!("$O.WB_snapshots.C.{parts}"), "garbage".into());
        damage.await.unwrap().await.unwrap();
    }
    let shelf = snapshots(fleet).await;
    fleet.start_coordinator().await.unwrap();
    let said = until(async || {
        let said = readyz(fleet, NEWEST).await;
        (said["checks"]["log"] != "ok").then_some(said)
    })
    .await;
    let reason = said["checks"]["log"].as_str().unwrap();
    assert!(
        reason.starts_with("incomplete") && reason.contains("rebuild --accept-loss"),
        "{said}"
    );
    let refused = ask(fleet, "tasks", json!({})).await;
    assert!(refused.to_string().contains("--accept-loss"), "{refused}");
    let (code, told) = rebuild(fleet, "--write").await;
    assert!(code == Some(1) && told.contains("--accept-loss"), "{told}");
    assert_eq!(
        (views(fleet).await, snapshots(fleet).await),
        (viewed.clone(), shelf)
    );

    let (_, told) = rebuild(fleet, "--accept-loss").await;
    assert!(told.contains("given up   lines 1 to"), "{told}");
    until(async || (readyz(fleet, NEWEST).await["ready"] == true).then_some(())).await;
    Commander::of(fleet, "alice")
        .submit(json!({"title": "anew"}))
        .await;
    // What was decided in them is only there now.
    until(async || (rebuild(fleet, "--check").await.0 == Some(0)).then_some(())).await;
    let kept = views(fleet).await;
    assert!(viewed.iter().all(|key| kept.contains(key)), "{viewed:?} {kept:?}");
}

/// The tasks of which there is a record in the view.
async fn views(fleet: &Fleet) -> Vec<String> {
    let view = fleet.bus().admin().get_key_value("WB_tasks").await.unwrap();
    let mut keys: Vec<String> = view.keys().await.unwrap().try_collect().await.unwrap();
    keys.sort();
    keys
}

#[tokio::test]
async fn an_old_snapshot_of_another_log_is_not_believed() {
    let mut fleet = hive(&[]).await;
    bound(&fleet, "WB_EVENTS", |config| config.max_bytes = LOG_BYTES).await;
    let before = fill(&fleet).await;
    fleet.kill_coordinator(0).await.unwrap();
    // The administrator makes the log anew; what was decided is gone with it.
    let js = fleet.bus().admin().clone();
    let config = js.get_stream("WB_EVENTS").await.unwrap();
    let config = config.cached_info().config.clone();
    js.delete_stream("WB_EVENTS").await.unwrap();
    js.delete_stream("WB_TASKS").await.ok();
    wagglebus_nats::provision::provision(&js, &fleet.bus().streams())
        .await
        .unwrap();
    js.update_stream(config).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    assert!(!before.is_empty());
    assert_eq!(tasks(&fleet).await, Vec::<Value>::new());
    let alice = Commander::of(&fleet, "alice");
    let task = alice.submit(json!({"title": "anew"})).await;
    let known = tasks(&fleet).await;
    assert_eq!((known.len(), &known[0]["id"]), (1, &json!(task.id)));
    // The views follow, though theirs were of later events: once more is stored, as that shows who leads.
    until(async || {
        alice.submit(json!({"title": "more"})).await;
        (rebuild(&fleet, "--check").await.0 == Some(0)).then_some(())
    })
    .await;
}
