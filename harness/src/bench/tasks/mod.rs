//! Tasks: from a submission to its agent, from a word to its verdict, how many in a second, and what the coordinator
//! needs.
//!
//! On a server of its own with simulated agents ([`hive`]). Figures that are called *stored* compare the server's stamps
//! ([`stored`]); the others begin and end in the program that asks.

mod history;
pub(super) mod hive;
mod stored;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use wagglebus_schemas::places::Durability;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{AgentId, Priority};

use self::hive::{Hive, Said};
use self::stored::Stored;
use super::Plan;
use super::baseline::{Direct, fetch};
use super::pair::Latencies;
use super::process::Watched;
use super::report::{Goal, Report, Unit};

/// What all simulated agents can do, but those that are asked to claim.
const CAN: &str = "rust";
/// Goals of DESIGN 8 and S3.38, in milliseconds.
const ASSIGNED_MS: f64 = 20.0;
const TRANSITION_MS: f64 = 20.0;
const VERDICT_MS: f64 = 50.0;
const DECISION_MS: f64 = 500.0;
const CLAIMED_MS: f64 = 1_000.0;
const TAKEOVER_MS: f64 = 5_000.0;
/// Sizes at which the first rows are measured, as far as the plan goes.
const SIZES: [usize; 3] = [10, 100, 1_000];
/// Tasks that come at once, and claims.
const BURST: usize = 100;
const CLAIMS: usize = 50;
/// Tasks under way while their rate is measured, for each agent.
const OPEN_PER_AGENT: usize = 2;

/// Measures all of it.
pub(super) async fn measure(plan: &Plan, report: &mut Report, mut progress: impl FnMut(&str)) -> Result<()> {
    let mut hive = Hive::open(plan.durability).await?;
    let direct = Direct::open(&hive.fleet, "direct").await?;
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size <= plan.simulated).collect();
    if sizes.is_empty() {
        sizes.push(plan.simulated.max(1));
    }
    let mut joined = 0;
    let mut weights = Vec::new();
    for (place, size) in sizes.iter().copied().enumerate() {
        progress(&format!("tasks among {size} simulated agents"));
        hive.join(&format!("group{place}"), size - joined, CAN, SessionState::Idle)
            .await?;
        joined = size;
        weights.push((size, Watched::of(hive.coordinator()?)?.rss_mib));
        one_by_one(plan, &mut hive, &direct, size, report).await?;
        // In the middle of the sizes: as many agents as most hives have.
        if place == sizes.len() / 2 {
            at_once(plan, &mut hive, size, report).await?;
            rate(plan, &mut hive, size, report).await?;
        }
    }
    idle(plan, &hive, joined, report).await?;
    growth(&weights, report)?;
    progress("claims and takeovers");
    claims(plan, &mut hive, report).await?;
    takeovers(plan, &mut hive, report).await?;
    drop(hive);
    progress(&format!("a log of {} tasks", plan.log_tasks));
    history::measure(plan, report).await
}

/// One task after another: how soon it is somebody's, how soon its end is known.
async fn one_by_one(
    plan: &Plan,
    hive: &mut Hive,
    direct: &Direct,
    size: usize,
    report: &mut Report,
) -> Result<()> {
    let lane = direct.lane(Priority::Normal).await?;
    let mut figures: [[Vec<f64>; 2]; 4] = Default::default();
    for _ in 0..plan.rounds {
        let mut latencies: [Latencies; 3] = Default::default();
        let [assigned, told, raw] = &mut latencies;
        let before = stored::ends(&hive.js).await?;
        for _ in 0..plan.samples {
            let begun = Instant::now();
            direct.send(direct.agent(), Priority::Normal).await?.await?;
            let message = fetch(&lane, Duration::from_secs(20)).await?;
            raw.add(begun.elapsed());
            let message = message.context("the baseline's pull came back empty")?;
            message
                .ack()
                .await
                .map_err(|error| anyhow::anyhow!("ack: {error}"))?;
            let [to_agent, to_end] = hive.one(CAN).await?;
            assigned.add(to_agent);
            told.add(to_end);
        }
        let decided = Stored::since(&hive.js, before).await?.transitions("complete");
        let [assigned, told, raw] = latencies;
        for (figures, latencies) in figures.iter_mut().zip([&assigned, &told, &decided, &raw]) {
            let [p50, p99] = figures;
            p50.push(latencies.percentile_us(50) / 1_000.0);
            p99.push(latencies.percentile_us(99) / 1_000.0);
        }
    }
    let [assigned, told, decided, [raw_50, raw_99]] = figures;
    for (what, [p50, p99], raw, goal) in [
        ("task submit to assigned", assigned, true, ASSIGNED_MS),
        ("task command to verdict", told, true, VERDICT_MS),
        (
            "task command stored to event stored",
            decided,
            false,
            TRANSITION_MS,
        ),
    ] {
        let baseline = |rounds: &Vec<f64>| if raw { rounds.clone() } else { Vec::new() };
        let case = |which: &str| format!("{what}, {size} agents, {which}");
        report.add(&case("p50"), Unit::Milliseconds, p50, baseline(&raw_50), None);
        report.add(
            &case("p99"),
            Unit::Milliseconds,
            p99,
            baseline(&raw_99),
            Some(Goal::Max(goal)),
        );
    }
    Ok(())
}

/// Many tasks at once: how soon each is somebody's.
async fn at_once(plan: &Plan, hive: &mut Hive, size: usize, report: &mut Report) -> Result<()> {
    let count = BURST.min(size);
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let before = stored::ends(&hive.js).await?;
        for _ in 0..count {
            hive.submit(CAN).await?;
        }
        let mut ended = 0;
        while ended < count {
            match hive.hear().await?.0 {
                Said::Assigned { task, epoch, to } => drop(hive.complete(task, epoch, &to).await?),
                Said::Verdict { done, .. } => ensure!(done, "a command was refused"),
                Said::Ended => ended += 1,
                Said::Other => {}
            }
        }
        let decisions = Stored::since(&hive.js, before).await?.decisions();
        ensure!(
            decisions.len() == count,
            "{} of {count} tasks were assigned",
            decisions.len()
        );
        rounds.push(decisions.percentile_us(95) / 1_000.0);
    }
    report.add(
        &format!("{count} tasks at once to {size} agents, stored to assigned, p95"),
        Unit::Milliseconds,
        rounds,
        Vec::new(),
        Some(Goal::Max(DECISION_MS)),
    );
    Ok(())
}

/// How many tasks go from submission to end in a second, and what that costs the coordinator.
async fn rate(plan: &Plan, hive: &mut Hive, size: usize, report: &mut Report) -> Result<()> {
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    let pid = hive.coordinator()?;
    for _ in 0..plan.rounds {
        let before = Watched::of(pid)?.cpu_seconds;
        let begun = Instant::now();
        let (mut open, mut ended) = (0_usize, 0_u32);
        while open > 0 || begun.elapsed() < plan.round {
            while open < size * OPEN_PER_AGENT && begun.elapsed() < plan.round {
                hive.submit(CAN).await?;
                open += 1;
            }
            match hive.hear().await?.0 {
                Said::Assigned { task, epoch, to } => drop(hive.complete(task, epoch, &to).await?),
                Said::Verdict { done, .. } => ensure!(done, "a command was refused"),
                Said::Ended => {
                    open -= 1;
                    ended += 1;
                }
                Said::Other => {}
            }
        }
        let cpu = Watched::of(pid)?.cpu_seconds - before;
        rates.push(f64::from(ended) / begun.elapsed().as_secs_f64());
        costs.push(cpu * 1e3 / f64::from(ended.max(1)));
    }
    let case = |what: &str| format!("tasks from submission to end, {size} agents, {what}");
    report.add(&case("rate"), Unit::PerSecond, rates, Vec::new(), None);
    report.add(
        &case("coordinator CPU each"),
        Unit::Milliseconds,
        costs,
        Vec::new(),
        None,
    );
    Ok(())
}

/// What heartbeats alone cost.
async fn idle(plan: &Plan, hive: &Hive, size: usize, report: &mut Report) -> Result<()> {
    let pid = hive.coordinator()?;
    let mut busy = Vec::new();
    for _ in 0..plan.rounds {
        let (before, begun) = (Watched::of(pid)?.cpu_seconds, Instant::now());
        tokio::time::sleep(plan.round).await;
        let cpu = Watched::of(pid)?.cpu_seconds - before;
        busy.push(cpu / begun.elapsed().as_secs_f64() * 100.0);
    }
    report.add(
        &format!("coordinator, {size} agents, idle CPU"),
        Unit::PercentOfCore,
        busy,
        Vec::new(),
        None,
    );
    Ok(())
}

/// What an agent more costs in memory, by the smallest and the largest hive.
fn growth(weights: &[(usize, f64)], report: &mut Report) -> Result<()> {
    let (Some((few, light)), Some((many, heavy))) = (weights.first(), weights.last()) else {
        return Ok(());
    };
    report.add(
        &format!("coordinator, {many} agents, all joined: RSS"),
        Unit::Mebibytes,
        vec![*heavy],
        Vec::new(),
        None,
    );
    if many > few {
        let more = f64::from(u32::try_from(many - few)?);
        report.add(
            "coordinator, 1000 agents more, all joined: RSS",
            Unit::Mebibytes,
            vec![(heavy - light).max(0.0) * 1_000.0 / more],
            Vec::new(),
            None,
        );
    }
    Ok(())
}

/// Fifty agents claim one task at the same time, until each knows who has it.
async fn claims(plan: &Plan, hive: &mut Hive, report: &mut Report) -> Result<()> {
    // Whoever waits for a person is given nothing, and may take something.
    hive.join("claimant", CLAIMS, "claiming", SessionState::BlockedOnHuman)
        .await?;
    let names: Vec<AgentId> = (0..CLAIMS)
        .map(|n| format!("claimant-{n}").parse())
        .collect::<Result<_, _>>()?;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let task = hive.submit("claiming").await?;
        ensure!(hive.verdict(task).await?.0, "the submission was refused");
        let claim = json!({ "task_id": task });
        let begun = Instant::now();
        let claims = names
            .iter()
            .map(|name| hive.command("accept", name.as_str(), &claim));
        let claims = try_join_all(claims).await?;
        let (mut won, mut known) = (Vec::new(), 0);
        while known < CLAIMS {
            if let Said::Verdict { command, done } = hive.hear().await?.0 {
                known += 1;
                won.extend(claims.iter().position(|claim| *claim == command).filter(|_| done));
            }
        }
        rounds.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(won.len() == 1, "{} of {CLAIMS} claims won", won.len());
        let winner = won.first().and_then(|place| names.get(*place));
        let winner = winner.context("nobody won")?;
        let command = hive.complete(task, 1, winner).await?;
        ensure!(hive.verdict(command).await?.0, "the winner may not complete it");
    }
    report.add(
        &format!("{CLAIMS} claims at once, until all know the winner"),
        Unit::Milliseconds,
        rounds,
        Vec::new(),
        Some(Goal::Max(CLAIMED_MS)),
    );
    Ok(())
}

/// From the kill of the leader to the verdict of a command that was stored then.
async fn takeovers(plan: &Plan, hive: &mut Hive, report: &mut Report) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        hive.fleet.start_coordinator().await?;
        // What a standby answers to says nothing of its having read the log; a moment is what it always has.
        tokio::time::sleep(plan.round).await;
        hive.fleet.kill_coordinator(0).await?;
        let begun = Instant::now();
        let task = hive.submit(CAN).await?;
        let (epoch, agent, at) = hive.assigned(task).await?;
        rounds.push(at.saturating_duration_since(begun).as_secs_f64() * 1e3);
        let command = hive.complete(task, epoch, &agent).await?;
        hive.verdict(command).await?;
    }
    report.add(
        "leader -9 to the next task assigned",
        Unit::Milliseconds,
        rounds,
        Vec::new(),
        Some(Goal::Max(TAKEOVER_MS)),
    );
    Ok(())
}

/// The durability in which memory is measured: it does not depend on it, and filling a log is many times as fast.
const FILLED: Durability = Durability::Relaxed;
