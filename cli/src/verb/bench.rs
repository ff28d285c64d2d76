//! `bench`: measures the shipped programs beside direct NATS on the same server.

use clap::ValueEnum;
use serde_json::json;
use wagglebus_harness::bench::{self, Plan};
use wagglebus_schemas::places::Durability;

use crate::failure::Failure;
use crate::output::Output;

/// Measure sidecars beside direct NATS, on a server and in a folder of their own
///
/// Every case is the median of interleaved rounds. Use release builds, and leave the machine alone meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the server's acks promise
    #[arg(long, value_enum, default_value_t = Which::Both)]
    durability: Which,
    /// Rounds of each case; fewer than 7 say little
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// An fsync every two minutes
    Relaxed,
    /// An fsync before each ack
    Always,
    /// One after the other
    Both,
}

pub(crate) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let durabilities: &[Durability] = match args.durability {
        Which::Relaxed => &[Durability::Relaxed],
        Which::Always => &[Durability::Always],
        Which::Both => &[Durability::Relaxed, Durability::Always],
    };
    let mut reports = Vec::new();
    for durability in durabilities {
        let plan = Plan {
            rounds: usize::from(args.rounds),
            ..Plan::full(*durability)
        };
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
