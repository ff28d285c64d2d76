//! What a sidecar costs that does nothing: start-up, memory, CPU, wake-ups.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Plan;
use super::process::Watched;
use super::report::{Goal, Report, Unit};
use crate::fleet::Fleet;

/// How often readiness is looked for; the resolution of the start-up time.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long an idle sidecar is watched in each round, in rounds' own durations.
const WATCHED: u32 = 4;

/// Measures start-up with one sidecar, and what it costs to be there with another.
pub(super) async fn measure(plan: &Plan, fleet: &mut Fleet, report: &mut Report) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..plan.rounds {
        let sidecar = fleet.sidecar_mut("sender")?;
        sidecar.stop().await?;
        let begun = Instant::now();
        sidecar.launch().await?;
        let client = sidecar.client();
        while client.readyz().await.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        sidecar.ready().await?;
    }
    report.add(
        "start to ready",
        Unit::Milliseconds,
        starts,
        Vec::new(),
        Some(Goal::Max(25.0)),
    );
    let pid = fleet.sidecar("receiver")?.process()?.pid();
    let (mut rss, mut private, mut cpu, mut wakes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let before = Watched::of(pid)?;
        let watched = plan.round * WATCHED;
        tokio::time::sleep(watched).await;
        let after = Watched::of(pid)?;
        rss.push(after.rss_mib);
        private.push(after.private_mib);
        cpu.push((after.cpu_seconds - before.cpu_seconds) / watched.as_secs_f64() * 100.0);
        wakes.push((after.switches - before.switches) / watched.as_secs_f64());
    }
    report.add(
        "idle RSS",
        Unit::Mebibytes,
        rss,
        Vec::new(),
        Some(Goal::Max(10.0)),
    );
    report.add(
        "idle private memory",
        Unit::Mebibytes,
        private,
        Vec::new(),
        Some(Goal::Max(3.0)),
    );
    report.add(
        "idle CPU",
        Unit::PercentOfCore,
        cpu,
        Vec::new(),
        Some(Goal::Max(0.05)),
    );
    report.add(
        "idle wake-ups",
        Unit::PerSecond,
        wakes,
        Vec::new(),
        Some(Goal::Max(2.0)),
    );
    Ok(())
}
