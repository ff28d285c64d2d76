//! HTTP send at several connections, beside direct publishes with as many under way.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use wagglebus_client::{Client, SendOptions};
use wagglebus_schemas::{AgentId, Draft, Level, Priority};

use super::Plan;
use super::baseline::{Direct, content};
use super::pair::Latencies;
use super::report::{Goal, Report, Unit};
use crate::fleet::Fleet;

/// Measures one number of connections.
pub(super) async fn measure(
    plan: &Plan,
    fleet: &Fleet,
    direct: &Direct,
    connections: usize,
    report: &mut Report,
) -> Result<()> {
    // Nobody takes these messages: the stream only stores them.
    let to = super::SINK.parse::<AgentId>()?;
    let mut ours: [Vec<f64>; 3] = Default::default();
    let mut theirs: [Vec<f64>; 3] = Default::default();
    for _ in 0..plan.rounds {
        for (figures, latencies) in [
            (
                &mut theirs,
                publish_direct(direct, &to, connections, plan.round).await?,
            ),
            (&mut ours, send(fleet, &to, connections, plan.round).await?),
        ] {
            let [rate, p50, p99] = figures;
            rate.push(f64::from(u32::try_from(latencies.len())?) / plan.round.as_secs_f64());
            p50.push(latencies.percentile_us(50));
            p99.push(latencies.percentile_us(99));
        }
    }
    let [rate, p50, p99] = ours;
    let [direct_rate, direct_p50, direct_p99] = theirs;
    let goal = match connections {
        1 => Goal::RatioMin(0.50),
        16 => Goal::RatioMin(0.38),
        _ => Goal::RatioMin(0.34),
    };
    let case = |what: &str| format!("HTTP send, {connections} conn, {what}");
    report.add(&case("rate"), Unit::PerSecond, rate, direct_rate, Some(goal));
    let one = connections == 1;
    let added = |us: f64| one.then_some(Goal::AddedMax(us));
    report.add(&case("p50"), Unit::Microseconds, p50, direct_p50, added(60.0));
    report.add(&case("p99"), Unit::Microseconds, p99, direct_p99, added(200.0));
    Ok(())
}

async fn send(fleet: &Fleet, to: &AgentId, connections: usize, round: Duration) -> Result<Latencies> {
    let sidecar = fleet.sidecar("sender")?;
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        senders.spawn(send_on(sidecar.client(), to.clone(), round));
    }
    gather(senders).await
}

async fn send_on(client: Client, to: AgentId, round: Duration) -> Result<Latencies> {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(Duration::from_secs(10)),
        park: true,
    };
    let draft = Draft::text(to.into(), content());
    let mut latencies = Latencies::default();
    let end = Instant::now() + round;
    while Instant::now() < end {
        let begun = Instant::now();
        client.send(&draft, options).await?;
        latencies.add(begun.elapsed());
    }
    Ok(latencies)
}

/// As many publishes under way as there are connections, each awaited before its next one.
async fn publish_direct(
    direct: &Direct,
    to: &AgentId,
    connections: usize,
    round: Duration,
) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    if connections == 1 {
        return direct.one_at_a_time(to, round).await;
    }
    let (mut open, end) = (std::collections::VecDeque::new(), Instant::now() + round);
    while Instant::now() < end {
        while open.len() < connections {
            open.push_back((Instant::now(), direct.send(to, Priority::Normal).await?));
        }
        if let Some((begun, ack)) = open.pop_front() {
            ack.await?;
            latencies.add(begun.elapsed());
        }
    }
    for (_, ack) in open {
        ack.await?;
    }
    Ok(latencies)
}

async fn gather(mut senders: JoinSet<Result<Latencies>>) -> Result<Latencies> {
    let mut all = Latencies::default();
    while let Some(latencies) = senders.join_next().await {
        all.merge(latencies??);
    }
    Ok(all)
}
