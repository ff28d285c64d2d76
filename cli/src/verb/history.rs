//! `history`: what an agent wrote and was sent, newest last.

use crate::failure::Failure;
use crate::filter::{Filter, FilterArgs, TimeArgs};
use crate::history::Source;
use crate::output::Output;
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;

/// Show what you wrote and were sent, newest last
///
/// It comes from the stream where that can be read: the running `up`, or a bus that you name. Elsewhere it comes from
/// your own sidecar, which keeps 48 hours. Rooms count from the time that you joined them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus history --with worker --since 2h
  wagglebus history --grep 'build is red' -p urgent
  wagglebus history --everybody --json | jq -r .content")]
pub(crate) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    times: TimeArgs,
    /// At most this many of the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser())]
    limit: u32,
    /// What everybody wrote, not only you
    #[arg(long, conflicts_with = "own")]
    everybody: bool,
    /// Only what your own sidecar keeps
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    bus: BusArgs,
}

fn value_parser() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=10_000)
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let filter = Filter::new(&args.filter, &args.times)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let source = Source::open(session, &args.bus, args.own).await?;
    let history = if args.everybody {
        source.all(&filter, limit).await?
    } else {
        source.of(session, &session.sender()?, &filter, limit).await?
    };
    for kept in &history.items {
        if output.json() {
            output.record(&kept.body)?;
        } else {
            output.line(printable::message(&kept.message))?;
        }
    }
    if history.items.is_empty() {
        output.note(format!("nothing found {}", source.describe()))?;
        return Ok(());
    }
    let more = if history.more {
        "; there may be older ones: --limit N, --since WHEN"
    } else {
        ""
    };
    output.note(format!(
        "{} messages {}{more}",
        history.items.len(),
        source.describe()
    ))?;
    Ok(())
}
