//! The command line of wagglebus: one module per verb, data on stdout, everything else on stderr.

mod args;
mod attachment;
mod background;
mod demo;
mod failure;
mod filter;
mod fleet;
mod global;
mod history;
mod near;
mod output;
mod pane;
mod printable;
mod programs;
mod reader;
mod redundancy;
mod sender;
mod session;
mod spool;
mod target;
mod up;
mod value;
mod verb;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ColorChoice, CommandFactory, FromArgMatches};

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

fn main() -> ExitCode {
    // Asked before the grammar is: a usage error, too, shall be told as the user wants it.
    let given = |flag: &str| {
        std::env::args_os()
            .take_while(|arg| arg != "--")
            .any(|arg| arg == flag)
    };
    let colour = if given("--no-color") {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let json = given("--json");
    let matches = Cli::command().color(colour).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(told) if matches!(told.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A closed pipe is no failure of ours: `wagglebus --help | head -1`.
            told.print().ok();
            return ExitCode::SUCCESS;
        }
        Err(told) if json => return Failure::usage(&told).report(true),
        Err(told) => {
            told.print().ok();
            return ExitCode::from(2);
        }
    };
    let json = cli.global.json;
    // A variable leads the next command, too; an option has to be typed again.
    let typed = |flag: &str| {
        // What a child is started with behind `--` may be any bytes.
        std::env::args_os()
            .take_while(|arg| arg != "--")
            .any(|arg| arg == flag || arg.to_string_lossy().starts_with(&format!("{flag}=")))
    };
    let hive = cli
        .global
        .hive
        .as_ref()
        .filter(|_| typed("--hive"))
        .map(ToString::to_string);
    let sender = cli.global.sender.as_ref().map(ToString::to_string);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.addressed(hive.as_deref(), sender.as_deref()).report(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let mut output = Output::standard(&cli.global);
    if let Some(done) = verb::run_alone(&cli.verb, &mut output) {
        done?;
        output.finish()?;
        return Ok(());
    }
    let session = Session::new(&cli.global, cli.verb.needs_no_config())?;
    for why in session.config().passed_over() {
        output.note(format!("passed over: {why}"))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))?;
    runtime.block_on(async {
        let minds_signals = cli.verb.minds_signals();
        let verb = verb::run(cli.verb, &session, &mut output);
        if minds_signals {
            return verb.await;
        }
        tokio::select! {
            result = verb => result,
            signal = tokio::signal::ctrl_c() => Err(match signal {
                Ok(()) => Failure::interrupted(),
                Err(error) => Failure::failed(format!("signals cannot be received: {error}")),
            }),
        }
    })?;
    output.finish()?;
    Ok(())
}
