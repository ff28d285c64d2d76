//! A coordinator that starts on a long log: how soon it leads, and what it keeps in memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use serde_json::{Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::headers::MSG_ID;

use super::FILLED;
use super::hive::Hive;
use crate::bench::Plan;
use crate::bench::process::Watched;
use crate::bench::report::{Report, Unit};
use crate::fleet::Fleet;

/// Lines that are stored at the same time.
const WINDOW: usize = 1_000;
/// The lines are stamped so long before now, in hours: nothing that followed from them is published again.
const HOURS_AGO: i64 = 24;
/// How many tasks the figures are told for.
const TOLD_FOR: f64 = 100_000.0;

/// Writes a log of tasks that have ended, and starts a coordinator on it; one round, as the log stays.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let fleet = Fleet::with(|conf| conf.durability = FILLED).await?;
    let js = fleet.bus().admin().clone();
    let mut acks = VecDeque::new();
    for n in 0..plan.log_tasks {
        for line in lines(n)? {
            if acks.len() >= WINDOW {
                acks.pop_front().context("an ack")?.await?;
            }
            let mut headers = HeaderMap::new();
            headers.insert(MSG_ID, Id::from_uuid(uuid::Uuid::now_v7()).to_string());
            let stored = js
                .publish_with_headers("wb.event.task.coordinator", headers, line.to_string().into())
                .await?;
            acks.push_back(stored);
        }
    }
    for ack in acks {
        ack.await?;
    }
    let mut hive = Hive::of(fleet).await?;
    let begun = Instant::now();
    hive.fleet.start_coordinator().await?;
    let task = hive.submit("nothing").await?;
    let (_, at) = hive.verdict(task).await?;
    let took = at.saturating_duration_since(begun);
    // What was read is freed by then.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let rss = Watched::of(hive.coordinator()?)?.rss_mib;
    let count = plan.log_tasks;
    let case = |what: &str| format!("log of {count} ended tasks, all read: {what}");
    report.add(
        &case("start to first verdict"),
        Unit::Milliseconds,
        vec![took.as_secs_f64() * 1e3],
        Vec::new(),
        None,
    );
    report.add(
        &case("coordinator RSS"),
        Unit::Mebibytes,
        vec![rss],
        Vec::new(),
        None,
    );
    let per = rss * TOLD_FOR / f64::from(u32::try_from(count.max(1))?);
    if count >= 10_000 {
        report.add(
            "coordinator, per 100000 ended tasks, all read: RSS",
            Unit::Mebibytes,
            vec![per],
            Vec::new(),
            None,
        );
    }
    Ok(())
}

/// The lines of one task: submitted, given to somebody, completed.
fn lines(n: usize) -> Result<[Value; 3]> {
    let task = Id::from_uuid(uuid::Uuid::now_v7());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let ms = i64::try_from(since.as_millis())? - HOURS_AGO * 3_600_000;
    let at = wagglebus_schemas::Timestamp::from_unix_ms(ms)?;
    let agent = format!("worker-{}", n % 100);
    let line = |seq: u64, event: &str, actor: &str, from: Value, to: &str, data: Value| {
        json!({
            "id": Id::from_uuid(uuid::Uuid::now_v7()), "entity": "task", "entity_id": task, "seq": seq, "from": from,
            "to": to, "event": event, "actor": actor, "cause": { "type": "leader", "id": null }, "guard": null, "at": at,
            "data": data,
        })
    };
    let draft = json!({ "draft": {
        "title": format!("task {n} of the past"), "capabilities": ["rust"], "priority": "normal",
        "input": { "branch": "parser", "line": n },
    }});
    let candidate = |name: &str| {
        json!({ "agent": name, "eligible": true, "score": -1.714, "terms": [
            { "name": "success", "value": 0.85 }, { "name": "wait", "value": 0.0 },
        ]})
    };
    let given = json!({ "assigned_to": agent, "epoch": 1, "attempt": 1, "explanation": {
        "task_id": task, "strategy": "intelligent", "chosen": agent,
        "candidates": [candidate(&agent), candidate("worker-x"), candidate("worker-y")],
    }});
    let done = json!({ "result": { "ok": true } });
    Ok([
        line(1, "submit", "operator", Value::Null, "pending", draft),
        line(2, "assign", "coordinator", "pending".into(), "assigned", given),
        line(3, "complete", &agent, "assigned".into(), "completed", done),
    ])
}
