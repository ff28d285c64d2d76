//! `server`: which nats-server is used, getting one, and how it is configured.

mod conf;
pub(crate) mod install;
mod which;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// The nats-server program: which one is used, get one, show its configuration
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Which(which::Args),
    Install(install::Args),
    Conf(conf::Args),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Which(args) => which::run(args, output).await,
        Verb::Install(args) => install::run(args, output).await,
        Verb::Conf(args) => conf::run(&args, session, output),
    }
}
