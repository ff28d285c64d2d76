//! `auth`: who may connect to the bus that runs here, and who may use its coordinator's API.

mod add;
mod ls;
pub(crate) mod own;
mod rm;
mod rotate;
mod token;

pub(super) use add::{Args as Add, run as add};
use clap::Subcommand;
pub(super) use rm::{Args as Rm, run as rm};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Who may connect to the running `up`: let agents in, give them new keys, take their keys away
///
/// A sidecar that is started here lets its agent in by itself; this is for everything else. On somebody else's NATS its
/// administrator decides: see `wagglebus provision --export`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Add(add::Args),
    Rm(rm::Args),
    Rotate(rotate::Args),
    Ls(ls::Args),
    #[command(subcommand)]
    Token(token::Verb),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Add(args) => add::run(args, session, output).await,
        Verb::Rm(args) => rm::run(args, session, output).await,
        Verb::Rotate(args) => rotate::run(args, session, output).await,
        Verb::Ls(args) => ls::run(args, session, output).await,
        Verb::Token(verb) => token::run(verb, session, output),
    }
}
