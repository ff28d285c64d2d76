//! `agent`: who is there, everything about one of them, and who may come.

pub(super) mod ls;
mod show;

use clap::Subcommand;

use super::auth;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Agents: who is there, what one of them can do and holds, letting one in and out
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Args),
    Show(show::Args),
    Add(auth::Add),
    Rm(auth::Rm),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Ls(args) => ls::run(args, session, output).await,
        Verb::Show(args) => show::run(args, session, output).await,
        Verb::Add(args) => auth::add(args, session, output).await,
        Verb::Rm(args) => auth::rm(args, session, output).await,
    }
}
