//! `man`: the manual pages, made of the same grammar as the help.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Print the manual page, or write one for each verb into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus man | man -l -
  wagglebus man ~/.local/share/man/man1          # then: man wagglebus-send")]
pub(crate) struct Args {
    /// Where to write them; it is made if need be. None: this program's own page to standard output
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args, output: &mut Output) -> Result<(), Failure> {
    let command = Cli::command();
    let Some(dir) = &args.dir else {
        let page = page(command).map_err(Failure::from)?;
        if output.json() {
            output.record(&json!({ "page": page }))?;
        } else {
            output.line(page.trim_end())?;
        }
        return Ok(());
    };
    let mut written = Vec::new();
    write(dir, command, &mut written).map_err(|error| {
        Failure::failed(format!("the pages cannot be written to {}", dir.display()))
            .why(error.to_string())
            .fix("name a folder that you may write to: wagglebus man ~/.local/share/man/man1")
    })?;
    if output.json() {
        output.record(&json!({ "pages": written }))?;
        return Ok(());
    }
    for path in &written {
        output.line(path.display().to_string())?;
    }
    Ok(())
}

fn page(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// One page for the command and one for each verb below it, named as `man` looks for them.
fn write(dir: &Path, command: Command, written: &mut Vec<PathBuf>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    // Building puts the global options and the full names where the pages need them.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_below(dir, command, written)
}

fn write_below(dir: &Path, command: Command, written: &mut Vec<PathBuf>) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_below(dir, verb.clone(), written)?;
    }
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?)?;
    written.push(path);
    Ok(())
}
