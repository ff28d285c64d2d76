//! `fleet`: agents that belong together, by one file.

mod apply;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Fleets: agents that belong together, described by one file
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Apply(apply::Args),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Apply(args) => apply::run(args, session, output).await,
    }
}
