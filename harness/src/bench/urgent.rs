//! An urgent message over a backlog of low ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use wagglebus_client::{Client, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::{AgentId, Priority};

use super::Plan;
use super::baseline::Direct;
use super::pair::Latencies;
use super::report::{Goal, Report, Unit};
use crate::fleet::{Fleet, Options};

/// Urgent messages of a round.
const URGENTS: usize = 20;

/// Measures how soon an urgent message is handed over, and how many low ones are handed over meanwhile; `circumstance`
/// stands behind the names of the rows.
pub(super) async fn measure(
    plan: &Plan,
    fleet: &mut Fleet,
    direct: &Direct,
    circumstance: &str,
    report: &mut Report,
) -> Result<()> {
    // An agent of its own each time: nothing is left of an earlier backlog.
    let name = format!("urgent-{}", report.rows.len());
    fleet.enrol(&[name.as_str()]).await?;
    fleet.start(&name, &Options::http()).await?;
    let to: AgentId = name.parse()?;
    direct.publish(&to, Priority::Low, plan.backlog, 512).await?;
    let lows = Arc::new(AtomicU64::new(0));
    let (urgents, mut arrived) = mpsc::channel(URGENTS);
    let receiving = tokio::spawn(receive(fleet.sidecar(&name)?.client(), lows.clone(), urgents));
    let (mut p50, mut p99, mut between) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let mut latencies = Latencies::default();
        let mut most = 0;
        for _ in 0..URGENTS {
            let begun = Instant::now();
            direct.send(&to, Priority::Urgent).await?.await?;
            let before = lows.load(Ordering::SeqCst);
            let (at, lows_then): (Instant, u64) =
                tokio::time::timeout(Duration::from_secs(30), arrived.recv())
                    .await?
                    .context("the receiver ended")?;
            latencies.add(at.saturating_duration_since(begun));
            most = most.max(lows_then.saturating_sub(before));
        }
        p50.push(latencies.percentile_us(50) / 1_000.0);
        p99.push(latencies.percentile_us(99) / 1_000.0);
        between.push(f64::from(u32::try_from(most)?));
        // What was drained meanwhile is filled up again.
        let drained = usize::try_from(lows.swap(0, Ordering::SeqCst))?;
        direct.publish(&to, Priority::Low, drained, 512).await?;
    }
    receiving.abort();
    fleet.sidecar_mut(&name)?.stop().await?;
    let case = |what: &str| format!("urgent over {} low{circumstance}, {what}", plan.backlog);
    report.add(
        &case("p50"),
        Unit::Milliseconds,
        p50,
        Vec::new(),
        Some(Goal::Max(1.0)),
    );
    report.add(
        &case("p99"),
        Unit::Milliseconds,
        p99,
        Vec::new(),
        Some(Goal::Max(5.0)),
    );
    report.add(
        &case("most lows between"),
        Unit::Count,
        between,
        Vec::new(),
        Some(Goal::Max(1.0)),
    );
    Ok(())
}

/// An agent that is done with each message at once.
async fn receive(client: Client, lows: Arc<AtomicU64>, urgents: mpsc::Sender<(Instant, u64)>) -> Result<()> {
    let take = Take {
        max: 1,
        timeout: Duration::from_secs(20),
        lease: Duration::from_secs(60),
    };
    loop {
        for item in client.inbox(take).await?.value.messages {
            let at = Instant::now();
            if item.message.priority == Priority::Urgent {
                urgents.send((at, lows.load(Ordering::SeqCst))).await?;
            } else {
                lows.fetch_add(1, Ordering::SeqCst);
            }
            client
                .ack(
                    item.message.id,
                    &AckRequest {
                        lease: item.lease,
                        done: true,
                    },
                )
                .await?;
        }
    }
}
