//! `config`: what this program goes by, who says so, and where everything lies.

mod paths;
mod settings;
mod show;
mod validate;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Configuration: what counts and who says so, where files lie, and whether they are sound
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Show(show::Show),
    Diff(show::Diff),
    Paths(paths::Args),
    Validate(validate::Args),
}

pub(crate) fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Show(args) => show::show(&args, session, output),
        Verb::Diff(args) => show::diff(&args, session, output),
        Verb::Paths(args) => paths::run(&args, session, output),
        Verb::Validate(args) => validate::run(&args, session, output),
    }
}
