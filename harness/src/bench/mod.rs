//! Benchmarks of the shipped programs beside direct async-nats on the same server, in the same run; of the tmux bridge
//! beside the call that it replaces.
//!
//! Every case that has a baseline is measured in rounds that are interleaved with it, and reported as the median of the
//! rounds and of their ratios: on a shared machine single rounds are worth nothing. The lasting load is one round, as it
//! is long. Nothing here judges; goals are printed beside what was measured (DESIGN 8).

mod api;
mod baseline;
mod deliver;
mod hive;
mod idle;
mod pair;
mod pipe;
pub(crate) mod process;
mod recovery;
mod report;
mod send;
mod stdin;
mod sustained;
mod tasks;
mod tmux;
mod urgent;

use std::time::Duration;

use anyhow::Result;
use wagglebus_schemas::places::Durability;

pub use report::{Goal, Report, Row, Unit};

use crate::fleet::{Fleet, Options};
use baseline::Direct;

/// An agent that takes nothing: what goes to it is only stored.
const SINK: &str = "sink";

/// A group of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// What an idle sidecar costs, and how soon it is ready.
    Idle,
    /// HTTP send at 1, 16 and 64 connections.
    Send,
    /// Lines on standard input.
    Stdin,
    /// Each way to an agent, and from agent to agent.
    Deliver,
    /// Urgent messages over a backlog.
    Urgent,
    /// A terminal pane, beside the legacy call.
    Tmux,
    /// A minute of messages between four agents and four others, each acknowledged.
    Sustained,
    /// What comes back when, after a server and a sidecar were killed.
    Recovery,
    /// Many sidecars on one machine.
    Hive,
    /// Tasks through the coordinator, with simulated agents.
    Tasks,
    /// The coordinator's HTTP.
    Api,
}

impl Case {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; 11] = [
        Self::Idle,
        Self::Send,
        Self::Stdin,
        Self::Deliver,
        Self::Urgent,
        Self::Tmux,
        Self::Sustained,
        Self::Recovery,
        Self::Hive,
        Self::Tasks,
        Self::Api,
    ];
}

/// What is measured, and how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which cases; the others are left out.
    pub cases: Vec<Case>,
    /// Rounds of each case; the median of them is reported.
    pub rounds: usize,
    /// How long a round of a rate lasts.
    pub round: Duration,
    /// Messages of a round that measures latencies.
    pub samples: usize,
    /// Messages in the backlog that an urgent one overtakes.
    pub backlog: usize,
    /// How long the sustained load lasts.
    pub sustained: Duration,
    /// How many sidecars a hive has.
    pub agents: usize,
    /// How many agents are simulated for the coordinator, at most.
    pub simulated: usize,
    /// How many ended tasks a long log has.
    pub log_tasks: usize,
    /// What the server's acks promise.
    pub durability: Durability,
}

impl Plan {
    /// Seven rounds: about five minutes for each durability.
    pub fn full(durability: Durability) -> Self {
        Self {
            cases: Case::ALL.to_vec(),
            rounds: 7,
            round: Duration::from_millis(700),
            samples: 400,
            backlog: 10_000,
            sustained: Duration::from_secs(60),
            agents: 100,
            simulated: 1_000,
            log_tasks: 50_000,
            durability,
        }
    }

    /// One short round, to see that everything works; its figures mean nothing.
    pub fn smoke(durability: Durability) -> Self {
        Self {
            cases: Case::ALL.to_vec(),
            rounds: 1,
            round: Duration::from_millis(50),
            samples: 20,
            backlog: 200,
            sustained: Duration::from_millis(300),
            agents: 3,
            simulated: 3,
            log_tasks: 50,
            durability,
        }
    }
}

/// Runs the cases of the plan and reports; `progress` is told what is being measured.
///
/// # Errors
/// When a program does not start or does not do what it is measured at.
pub async fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Report> {
    let mut report = Report::new(plan);
    progress("starting a server and sidecars");
    let mut fleet = Fleet::with(|conf| conf.durability = plan.durability).await?;
    fleet
        .enrol(&["direct", "sender", "receiver", "piper", "printer", SINK])
        .await?;
    // As in real life: without a coordinator each send would first find out that nobody answers about its recipient.
    fleet.start_coordinator().await?;
    let direct = Direct::open(&fleet, "direct").await?;
    for sidecar in ["sender", "receiver"] {
        fleet.start(sidecar, &Options::http()).await?;
    }
    for case in Case::ALL.into_iter().filter(|case| plan.cases.contains(case)) {
        match case {
            Case::Idle => {
                progress("idle sidecar");
                idle::measure(plan, &mut fleet, &mut report).await?;
            }
            Case::Send => {
                for connections in [1, 16, 64] {
                    progress(&format!("HTTP send, {connections} connections"));
                    send::measure(plan, &fleet, &direct, connections, &mut report).await?;
                }
            }
            Case::Stdin => {
                progress("stdin lines");
                stdin::measure(plan, &mut fleet, &direct, &mut report).await?;
            }
            Case::Deliver => {
                progress("delivery");
                deliver::measure(plan, &mut fleet, &direct, &mut report).await?;
            }
            Case::Urgent => {
                progress("urgent over a backlog");
                urgent::measure(plan, &mut fleet, &direct, "", &mut report).await?;
            }
            Case::Tmux => {
                progress("tmux panes");
                if let Some(why) = tmux::measure(plan, &mut fleet, &mut report).await? {
                    progress(&why);
                }
            }
            Case::Sustained => {
                progress(&format!("load for {} s", plan.sustained.as_secs_f64()));
                sustained::measure(plan, &mut fleet, &mut report).await?;
            }
            Case::Recovery => {
                progress("recovery");
                recovery::measure(plan, &mut fleet, &mut report).await?;
            }
            Case::Hive => {
                progress(&format!("{} sidecars", plan.agents));
                hive::measure(plan, &mut fleet, &direct, &mut report).await?;
            }
            Case::Tasks => tasks::measure(plan, &mut report, &mut progress).await?,
            Case::Api => api::measure(plan, &mut report, &mut progress).await?,
        }
    }
    Ok(report)
}
