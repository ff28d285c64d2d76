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
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use args::Arguments;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log();
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

/// Log lines to stderr, by target and level as `WAGGLEBUS_LOG` says. Not filtered by patterns: those bring an engine that
/// every sidecar would carry in its memory.
fn log() {
    let asked = std::env::var("WAGGLEBUS_LOG").ok();
    let parsed = asked.as_deref().map(str::parse::<Targets>);
    let wrong = parsed.as_ref().and_then(|parsed| parsed.as_ref().err());
    let wrong = wrong.map(ToString::to_string);
    let usual = || {
        Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target("async_nats", LevelFilter::WARN)
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(parsed.and_then(Result::ok).unwrap_or_else(usual))
        .init();
    if let Some(wrong) = wrong {
        tracing::warn!(wrong, "WAGGLEBUS_LOG cannot be read; info is used");
    }
}
