//! `bench`: measures the shipped programs beside direct NATS on the same server.

use clap::ValueEnum;
use serde_json::json;
use wagglebus_harness::bench::{self, Case, Plan};
use wagglebus_schemas::places::Durability;

use crate::failure::Failure;
use crate::output::Output;

/// Measure sidecars beside direct NATS, on a server and in a folder of their own
///
/// Every case is the median of interleaved rounds. Use release builds, and leave the machine alone meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the server's acks promise
    #[arg(long, value_enum, default_value_t = Acks::Both)]
    durability: Acks,
    /// Rounds of each case; fewer than 7 say little
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How many sidecars the hive has
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=1000))]
    agents: u16,
    /// Only these cases (may be repeated)
    #[arg(long, value_enum, value_name = "CASE")]
    only: Vec<Which>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Acks {
    /// An fsync every two minutes
    Relaxed,
    /// An fsync before each ack
    Always,
    /// One after the other
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Start-up, memory and CPU of an idle sidecar
    Idle,
    /// HTTP send at 1, 16 and 64 connections
    Send,
    /// Lines on standard input
    Stdin,
    /// Each way to an agent, and from agent to agent
    Deliver,
    /// Urgent messages over a backlog
    Urgent,
    /// A terminal pane, beside the legacy call
    Tmux,
    /// A minute of messages between agents, each acknowledged
    Sustained,
    /// What comes back when, after a server and a sidecar were killed
    Recovery,
    /// Many sidecars on one machine
    Hive,
    /// Tasks through the coordinator, with up to 1,000 simulated agents
    Tasks,
    /// The coordinator's HTTP at 1,000 requests a second, and readers of its events
    Api,
}

impl From<Which> for Case {
    fn from(which: Which) -> Self {
        match which {
            Which::Idle => Self::Idle,
            Which::Send => Self::Send,
            Which::Stdin => Self::Stdin,
            Which::Deliver => Self::Deliver,
            Which::Urgent => Self::Urgent,
            Which::Tmux => Self::Tmux,
            Which::Sustained => Self::Sustained,
            Which::Recovery => Self::Recovery,
            Which::Hive => Self::Hive,
            Which::Tasks => Self::Tasks,
            Which::Api => Self::Api,
        }
    }
}

pub(crate) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let durabilities: &[Durability] = match args.durability {
        Acks::Relaxed => &[Durability::Relaxed],
        Acks::Always => &[Durability::Always],
        Acks::Both => &[Durability::Relaxed, Durability::Always],
    };
    let mut reports = Vec::new();
    for durability in durabilities {
        let mut plan = Plan {
            rounds: usize::from(args.rounds),
            agents: usize::from(args.agents),
            ..Plan::full(*durability)
        };
        if !args.only.is_empty() {
            plan.cases = args.only.iter().copied().map(Case::from).collect();
        }
        let mut told = Ok(());
        let measured = bench::run(&plan, |what| {
            if told.is_ok() {
                told = output.note(format!("{durability}: {what}"));
            }
        });
        let report = measured
            .await
            .map_err(|error| Failure::failed(format!("the measurement failed: {error:#}")))?;
        told?;
        if !output.json() {
            output.line(report.table())?;
        }
        reports.push(report);
    }
    if output.json() {
        output.record(&json!({ "reports": reports }))?;
    }
    Ok(())
}
