//! A load that lasts: messages between agents through their sidecars, each stored, handed over and acknowledged, as fast
//! as the receivers are done with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use wagglebus_client::{Client, SendOptions, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::{AgentId, Draft, Level};

use super::Plan;
use super::baseline::content;
use super::report::{Goal, Report, Unit};
use crate::fleet::{Fleet, Options};

/// Pairs of a sending and a receiving agent.
const PAIRS: usize = 4;
/// Sends of one agent that are under way at one time.
const AT_ONCE: usize = 16;
/// Messages that were stored and are not done before senders wait: what lasts is the rate at which agents are done.
const OPEN_MAX: u64 = 512;
/// Messages that a receiver takes at one time; its sidecar has as many slots.
const TAKEN: u32 = 32;
/// How long the receivers may take for what is left at the end.
const REST_WITHIN: Duration = Duration::from_secs(60);

/// What happened so far, to all of them.
#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

/// Measures for `plan.sustained`; all messages are waited for at the end.
pub(super) async fn measure(plan: &Plan, fleet: &mut Fleet, report: &mut Report) -> Result<()> {
    let name = |what: &str, n: usize| format!("load-{what}-{n}");
    let all: Vec<String> = (0..PAIRS)
        .flat_map(|n| [name("from", n), name("to", n)])
        .collect();
    fleet
        .enrol(&all.iter().map(String::as_str).collect::<Vec<_>>())
        .await?;
    let slots = TAKEN.to_string();
    for agent in &all {
        fleet
            .start(agent, &Options::http().with(&["--slots", &slots]))
            .await?;
    }
    let counts = Arc::new(Counts::default());
    let until = Instant::now() + plan.sustained;
    let mut receivers = JoinSet::new();
    let mut senders = JoinSet::new();
    for n in 0..PAIRS {
        receivers.spawn(receive(fleet.sidecar(&name("to", n))?.client(), counts.clone()));
        let to: AgentId = name("to", n).parse()?;
        for _ in 0..AT_ONCE {
            let sender = fleet.sidecar(&name("from", n))?.client();
            senders.spawn(send(sender, to.clone(), until, counts.clone()));
        }
    }
    let begun = Instant::now();
    senders.join_all().await;
    let rate = |count: &AtomicU64| {
        let count = u32::try_from(count.load(Ordering::SeqCst)).unwrap_or(u32::MAX);
        f64::from(count) / begun.elapsed().as_secs_f64()
    };
    let done = rate(&counts.done);
    let deadline = Instant::now() + REST_WITHIN;
    while counts.done.load(Ordering::SeqCst) < counts.stored.load(Ordering::SeqCst) {
        ensure!(
            Instant::now() < deadline,
            "not all messages were done: {counts:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    receivers.shutdown().await;
    for agent in &all {
        fleet.sidecar_mut(agent)?.stop().await?;
    }
    let seconds = plan.sustained.as_secs();
    let case = |what: &str| format!("{PAIRS} agents to {PAIRS} for {seconds} s, {what}");
    report.add(
        &case("done"),
        Unit::PerSecond,
        vec![done],
        Vec::new(),
        Some(Goal::Min(1_000.0)),
    );
    let operations = counts.stored.load(Ordering::SeqCst) + counts.done.load(Ordering::SeqCst);
    let failed = counts.failed.load(Ordering::SeqCst);
    let share = f64::from(u32::try_from(failed)?) / f64::from(u32::try_from(operations + failed)?.max(1));
    let goal = Some(Goal::Max(0.1));
    report.add(
        &case("failed operations"),
        Unit::Percent,
        vec![share * 100.0],
        Vec::new(),
        goal,
    );
    Ok(())
}

async fn send(client: Client, to: AgentId, until: Instant, counts: Arc<Counts>) {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(Duration::from_secs(30)),
        park: false,
    };
    while Instant::now() < until {
        let open = |counts: &Counts| {
            let done = counts.done.load(Ordering::SeqCst);
            counts.stored.load(Ordering::SeqCst).saturating_sub(done)
        };
        if open(&counts) > OPEN_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let draft = Draft::text(to.clone().into(), content());
        let counter = match client.send(&draft, options).await {
            Ok(_) => &counts.stored,
            Err(_) => &counts.failed,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

async fn receive(client: Client, counts: Arc<Counts>) {
    let take = Take {
        max: TAKEN,
        timeout: Duration::from_secs(20),
        lease: Duration::from_secs(60),
    };
    loop {
        let Ok(taken) = client.inbox(take).await else {
            counts.failed.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        for item in taken.value.messages {
            let request = AckRequest {
                lease: item.lease,
                done: true,
            };
            let counter = match client.ack(item.message.id, &request).await {
                Ok(_) => &counts.done,
                Err(_) => &counts.failed,
            };
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}
