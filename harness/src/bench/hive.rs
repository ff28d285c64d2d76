//! Many sidecars on one machine: what they cost together, and how soon messages between them are handed over.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use wagglebus_client::{Client, SendOptions, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::{AgentId, Draft, Level};

use super::Plan;
use super::baseline::{Direct, content};
use super::pair::Latencies;
use super::process::Watched;
use super::report::{Goal, Report, Unit};
use super::urgent;
use crate::fleet::{Fleet, Options};

/// Goals for 500 sidecars; fewer have their part of the first.
const PSS_MIB_OF_500: f64 = 1.5 * 1024.0;
const SERVER_MIB: f64 = 250.0;

/// Measures with `plan.agents` sidecars beside those of the other cases, and ends them.
pub(super) async fn measure(
    plan: &Plan,
    fleet: &mut Fleet,
    direct: &Direct,
    report: &mut Report,
) -> Result<()> {
    let names: Vec<String> = (0..plan.agents).map(|n| format!("hive-{n}")).collect();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.enrol(&borrowed).await?;
    let begun = Instant::now();
    for name in &names {
        fleet.prepare(name, &Options::http())?.launch().await?;
    }
    for name in &names {
        fleet.sidecar_mut(name)?.ready().await?;
    }
    let count = plan.agents;
    let case = |what: &str| format!("{count} sidecars, {what}");
    let started = begun.elapsed().as_secs_f64() * 1e3;
    report.add(
        &case("all ready"),
        Unit::Milliseconds,
        vec![started],
        Vec::new(),
        None,
    );
    costs(plan, fleet, &names, report).await?;
    latencies(plan, fleet, &names, report).await?;
    urgent::measure(plan, fleet, direct, &format!(" among {count} sidecars"), report).await?;
    for name in &names {
        fleet.sidecar_mut(name)?.stop().await?;
    }
    Ok(())
}

async fn costs(plan: &Plan, fleet: &Fleet, names: &[String], report: &mut Report) -> Result<()> {
    let pids: Vec<u32> = names
        .iter()
        .map(|name| Ok(fleet.sidecar(name)?.process()?.pid()))
        .collect::<Result<_>>()?;
    let server = fleet.bus().server().pid()?;
    let watch = || -> Result<(f64, f64, f64)> {
        let (mut pss, mut cpu) = (0.0, 0.0);
        for pid in &pids {
            let sidecar = Watched::of(*pid)?;
            pss += sidecar.pss_mib;
            cpu += sidecar.cpu_seconds;
        }
        Ok((pss, cpu, Watched::of(server)?.rss_mib))
    };
    let (mut memory, mut busy, mut of_server) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (_, before, _) = watch()?;
        let begun = Instant::now();
        tokio::time::sleep(plan.round).await;
        let (pss, after, rss) = watch()?;
        memory.push(pss);
        busy.push((after - before) / begun.elapsed().as_secs_f64() * 100.0);
        of_server.push(rss);
    }
    let count = names.len();
    let share = PSS_MIB_OF_500 * f64::from(u32::try_from(count)?) / 500.0;
    let case = |what: &str| format!("{count} sidecars, {what}");
    report.add(
        &case("memory (PSS)"),
        Unit::Mebibytes,
        memory,
        Vec::new(),
        Some(Goal::Max(share)),
    );
    report.add(&case("idle CPU"), Unit::PercentOfCore, busy, Vec::new(), None);
    let goal = Some(Goal::Max(SERVER_MIB));
    report.add(
        &case("nats-server RSS"),
        Unit::Mebibytes,
        of_server,
        Vec::new(),
        goal,
    );
    Ok(())
}

/// From the beginning of a send to the hand-over, between ever other agents whose readers wait.
async fn latencies(plan: &Plan, fleet: &Fleet, names: &[String], report: &mut Report) -> Result<()> {
    let clients: Vec<(AgentId, Client)> = names
        .iter()
        .map(|name| Ok((name.parse()?, fleet.sidecar(name)?.client())))
        .collect::<Result<_>>()?;
    let mut figures: [Vec<f64>; 4] = Default::default();
    let mut turn = 0_usize;
    for _ in 0..plan.rounds {
        let mut latencies = Latencies::default();
        for _ in 0..plan.samples {
            let pick = |n: usize| clients.get(n % clients.len()).context("no agent");
            // Ever other pairs, and nobody with itself.
            let stride = 1 + (turn / clients.len()) % clients.len().saturating_sub(1).max(1);
            let (sender, receiver) = (pick(turn)?, pick(turn.wrapping_add(stride))?);
            turn = turn.wrapping_add(1);
            latencies.add(deliver(&sender.1, receiver).await?);
        }
        let ms = |us: f64| us / 1_000.0;
        let [mean, p50, p95, p99] = &mut figures;
        mean.push(ms(latencies.mean_us()));
        p50.push(ms(latencies.percentile_us(50)));
        p95.push(ms(latencies.percentile_us(95)));
        p99.push(ms(latencies.percentile_us(99)));
    }
    let count = names.len();
    for (what, rounds, goal) in
        figures
            .into_iter()
            .zip(["mean", "p50", "p95", "p99"])
            .map(|(rounds, what)| {
                // S0.53 asks for the mean.
                (what, rounds, (what == "mean").then_some(Goal::Max(100.0)))
            })
    {
        let case = format!("{count} sidecars, agent to agent, {what}");
        report.add(&case, Unit::Milliseconds, rounds, Vec::new(), goal);
    }
    Ok(())
}

async fn deliver(sender: &Client, (to, receiver): &(AgentId, Client)) -> Result<Duration> {
    let draft = Draft::text(to.clone().into(), content());
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(Duration::from_secs(10)),
        park: false,
    };
    let take = Take {
        max: 1,
        timeout: Duration::from_secs(20),
        lease: Duration::from_secs(60),
    };
    let begun = Instant::now();
    let (sent, taken) = tokio::join!(sender.send(&draft, options), async {
        let taken = receiver.inbox(take).await;
        (taken, begun.elapsed())
    });
    sent?;
    let (taken, latency) = taken;
    let item = taken?.value.messages.into_iter().next().context("nothing came")?;
    let request = AckRequest {
        lease: item.lease,
        done: true,
    };
    receiver.ack(item.message.id, &request).await?;
    Ok(latency)
}
