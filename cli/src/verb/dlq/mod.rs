//! `dlq`: the dead letters: what could not be delivered, why, and another try.

mod choice;
mod drop;
mod export;
mod letters;
mod ls;
mod mark;
pub(crate) mod publish;
mod renew;
mod retry;
mod show;

use clap::Subcommand;
use wagglebus_nats::keys::BusUser;

use crate::failure::Failure;
use crate::output::Output;
use crate::reader::Reader;
use crate::session::Session;
use crate::target::BusArgs;
use letters::{Found, read};

/// Dead letters: list them, show one, send the message again, put them away
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Args),
    Show(show::Args),
    Retry(retry::Args),
    Drop(drop::Args),
    Export(export::Args),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Ls(args) => ls::run(&args, session, output).await,
        Verb::Show(args) => show::run(&args, session, output).await,
        Verb::Retry(args) => retry::run(args, session, output).await,
        Verb::Drop(args) => drop::run(args, session, output).await,
        Verb::Export(args) => export::run(&args, session, output).await,
    }
}

/// The dead letters as the inspector sees them, oldest first. What is no dead letter is told and passed over.
async fn letters(bus: &BusArgs, session: &Session, output: &mut Output) -> Result<Vec<Found>, Failure> {
    let connection = bus.connect(session, BusUser::Inspector).await?;
    let (letters, odd) = read(&Reader::new(connection), session.places().hive()).await?;
    for why in odd {
        output.note(format!("no dead letter: {why}"))?;
    }
    Ok(letters)
}
