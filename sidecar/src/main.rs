//! `wagglebus-sidecar`: one process beside each agent.

mod args;
mod bridge;
mod clock;
mod failure;
mod gate;
mod heartbeat;
mod metrics;
mod perform;
mod process;
mod ready;
mod roster;
mod run;
mod serve;
mod setup;
mod shutdown;
mod storage;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::Arguments;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_env("WAGGLEBUS_LOG").unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve::serve(arguments)),
        Err(error) => Err(Failure::System(error)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("  fix: {hint}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
