//! `completions`: what a shell needs to complete this command line.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus completions bash > ~/.local/share/bash-completion/completions/wagglebus
  wagglebus completions zsh > ~/.zfunc/_wagglebus          # with fpath+=~/.zfunc before compinit in ~/.zshrc
  wagglebus completions fish > ~/.config/fish/completions/wagglebus.fish
  . <(wagglebus completions bash)                          # for this shell alone")]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, output: &mut Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // Into memory, which takes everything: the generator would panic where the output is a closed pipe.
    generate(args.shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.json() {
        output.record(&json!({ "shell": args.shell.to_string(), "script": script }))?;
    } else {
        output.line(script.trim_end())?;
    }
    Ok(())
}
