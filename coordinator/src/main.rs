//! The program `wagglebus-coordinator`: parse, build, run, exit code.

mod alert;
mod args;
mod arrival;
mod clock;
mod config;
mod enrolments;
mod expiry;
mod failure;
mod feed;
mod gate;
mod health;
mod http;
mod ids;
mod lead;
mod mail;
mod metrics;
mod micro;
mod outbound;
mod ready;
mod rebuild;
mod rooms;
mod run;
mod shutdown;
mod telemetry;
mod verdicts;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};
use config::Config;
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init(&args.log);
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start(args: &Args) -> Result<(), Failure> {
    let config = Config::new(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    match &args.verb {
        Some(Verb::Rebuild(rebuild)) => runtime.block_on(rebuild::run(config, rebuild)),
        None => runtime.block_on(run::run(config)),
    }
}
