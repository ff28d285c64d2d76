//! `torture`: runs that try to break what is promised, on a bus of their own, for who wants to see for himself.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Subcommand, value_parser};
use wagglebus_harness::ledger::Ledger;
use wagglebus_harness::torture::{Report, bodies, cycles, fleet, tasks};

use crate::failure::Failure;
use crate::output::Output;

/// Try to break what is promised, on a server, a tmux and in a folder of their own
///
/// Nothing that runs here is touched. What is left to chance follows from a seed that is told: the same seed tries the
/// same again. Ends with exit code 1 and says what was wrong when a promise was broken.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  wagglebus torture bodies
  wagglebus torture bodies --count 10000 --seed 7
  wagglebus torture cycles --rounds 20
  wagglebus torture fleet --messages 100000 --ledger run.jsonl
  wagglebus torture tasks --agents 20 --tasks 2000")]
pub(crate) enum Verb {
    Bodies(Bodies),
    Cycles(Cycles),
    Fleet(Fleet),
    Tasks(Tasks),
}

/// Put texts by chance into a terminal pane: escape sequences, controls, invisible characters, 100 kB, no text at all
///
/// A program in raw mode tells every byte that it is given. Each body must come once, in its frame, and nothing beside
/// it; bytes that are no text must be refused, and become dead letters where they are put on the bus. Needs tmux and
/// python3.
#[derive(Debug, clap::Args)]
pub(crate) struct Bodies {
    /// How many texts
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// What chance follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Start and end eight sidecars on one tmux again and again while messages come; every third one is killed
///
/// The tmux server must survive, and no message be lost, doubled or joined with another. Needs tmux and python3.
#[derive(Debug, clap::Args)]
pub(crate) struct Cycles {
    /// How often all eight are started and ended
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    rounds: u32,
}

/// Send between sixteen agents while sidecars and server are killed and stopped, and check every promise
///
/// Eight send over HTTP and stdio, eight receive, give back, put off and forget. For every 833 messages one process is
/// killed (SIGKILL) or stopped (SIGSTOP), and connections are cut while the server is stopped. What all of them saw is
/// judged in the end: nothing lost, doubled, changed, out of order or unreported.
#[derive(Debug, clap::Args)]
pub(crate) struct Fleet {
    /// How many messages; rounded up to the same number for each sender
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(1_000..=500_000))]
    messages: u64,
    /// What chance follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write what everybody saw into this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// Give tasks to many agents while agents and coordinators are killed and stopped, and check what became of each
///
/// Each agent has a sidecar of its own. Some lie, keep still, refuse and fail. For every 125 tasks an agent, the
/// coordinator that leads or the other one is killed (SIGKILL) or stopped (SIGSTOP). Every task must come to an end, none
/// be completed twice, nothing count that a former holder says, and more than 95 % be completed. Takeover times are told.
#[derive(Debug, clap::Args)]
pub(crate) struct Tasks {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u16).range(10..=500))]
    agents: u16,
    /// How many tasks
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u32).range(100..=1_000_000))]
    tasks: u32,
    /// What chance follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub(crate) async fn run(verb: Verb, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Bodies(args) => {
            let plan = bodies::Plan {
                count: usize::try_from(args.count).unwrap_or(usize::MAX),
                seed: args.seed.unwrap_or_else(chance),
            };
            let again = format!("torture bodies --count {} --seed {}", plan.count, plan.seed);
            output.note(format!("bodies, seed {}: starting", plan.seed))?;
            let mut told = Ok(());
            let ended = bodies::run(&plan, |what| tell(output, &mut told, "bodies", what)).await;
            told?;
            judge(&ended.map_err(|error| failed(&error, &again))?, &again, output)
        }
        Verb::Cycles(args) => {
            let rounds = usize::try_from(args.rounds).unwrap_or(usize::MAX);
            output.note("cycles: starting")?;
            let mut told = Ok(());
            let plan = cycles::Plan { rounds };
            let ended = cycles::run(&plan, |what| tell(output, &mut told, "cycles", what)).await;
            told?;
            let again = format!("torture cycles --rounds {rounds}");
            judge(&ended.map_err(|error| failed(&error, &again))?, &again, output)
        }
        Verb::Fleet(args) => struck(args, output).await,
        Verb::Tasks(args) => {
            let plan = tasks::Plan {
                agents: usize::from(args.agents),
                tasks: u64::from(args.tasks),
                seed: args.seed.unwrap_or_else(chance),
            };
            let (agents, count, seed) = (plan.agents, plan.tasks, plan.seed);
            let again = format!("torture tasks --agents {agents} --tasks {count} --seed {seed}");
            output.note(format!("tasks, seed {seed}: starting"))?;
            let mut told = Ok(());
            let ended = tasks::run(&plan, |what| tell(output, &mut told, "tasks", what)).await;
            told?;
            judge(&ended.map_err(|error| failed(&error, &again))?, &again, output)
        }
    }
}

async fn struck(args: Fleet, output: &mut Output) -> Result<(), Failure> {
    let plan = fleet::Plan {
        messages: args.messages,
        seed: args.seed.unwrap_or_else(chance),
    };
    // Before the run: a file that cannot be written would be found out too late.
    let file = match &args.ledger {
        Some(path) => Some(File::create_new(path).map_err(|error| unwritten(path, &error))?),
        None => None,
    };
    output.note(format!("fleet, seed {}: starting", plan.seed))?;
    let (ledger, begun) = (Arc::new(Ledger::default()), Instant::now());
    let mut told = Ok(());
    let ended = fleet::run(&plan, &ledger, |what| tell(output, &mut told, "fleet", what)).await;
    if let Some((path, file)) = args.ledger.as_deref().zip(file) {
        write(&ledger, file).map_err(|error| unwritten(path, &error))?;
    }
    told?;
    let again = format!("torture fleet --messages {} --seed {}", plan.messages, plan.seed);
    let ended = ended.map_err(|error| failed(&error, &again))?;
    judge(&ended.report(&plan, begun), &again, output)
}

/// Another seed each time, short enough to be typed.
fn chance() -> u64 {
    u64::from(uuid::Uuid::new_v4().as_fields().0)
}

fn tell(output: &mut Output, told: &mut std::io::Result<()>, case: &str, what: &str) {
    if told.is_ok() {
        *told = output.note(format!("{case}: {what}"));
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written", path.display())).why(error.to_string())
}

fn write(ledger: &Ledger, file: File) -> std::io::Result<()> {
    let mut file = BufWriter::new(file);
    for entry in ledger.history() {
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// When there was no run that could be judged.
fn failed(error: &impl std::fmt::Display, again: &str) -> Failure {
    Failure::failed("the run could not be carried out")
        .why(format!("{error:#}"))
        .fix(once_more(again))
}

fn once_more(again: &str) -> String {
    format!("the same once more: wagglebus {again}")
}

/// Tells what a run came to; a failure when a promise was broken.
fn judge(report: &Report, again: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        output.record(report)?;
    } else {
        output.line(report.to_string().trim_end())?;
    }
    kept(report, again)
}

fn kept(report: &Report, again: &str) -> Result<(), Failure> {
    let Some(first) = report.violations.first() else {
        return Ok(());
    };
    let failure = match report.violations.len() {
        1 => Failure::failed("a promise was broken").why(first),
        count => {
            Failure::failed(format!("promises were broken {count} times")).why(format!("first, {first}"))
        }
    };
    Err(failure.fix(once_more(again)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_and_a_run_that_failed_are_exit_1_and_name_the_seed() {
        let report = |violations: &[&str]| Report {
            case: "bodies",
            seed: Some(7),
            figures: Vec::new(),
            verdict: None,
            violations: violations.iter().map(|text| (*text).to_owned()).collect(),
        };
        let again = "torture bodies --count 3 --seed 7";
        assert!(kept(&report(&[]), again).is_ok());
        for (failure, said) in [
            (
                kept(&report(&["body 1 was lost"]), again).unwrap_err(),
                "body 1 was lost",
            ),
            (
                kept(&report(&["body 1", "body 2"]), again).unwrap_err(),
                "first, body 1",
            ),
            (failed(&"there is no tmux", again), "there is no tmux"),
        ] {
            assert_eq!(failure.exit_code(), 1);
            let told = failure.json().to_string();
            assert!(
                told.contains(&format!("wagglebus {again}")) && told.contains(said),
                "{told}"
            );
        }
    }
}
