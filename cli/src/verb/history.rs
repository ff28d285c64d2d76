//! `history`: what an agent wrote and was sent, newest last.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::filter::{Filter, FilterArgs, TimeArgs};
use crate::history::{History, Source};
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
    output.note(closing(&history, &source.describe()))?;
    if output.json() {
        output.note(bound(&history).to_string())?;
    }
    Ok(())
}

/// For programs, beside the messages: whether there may be more, and the `--until` that goes on.
fn bound(history: &History) -> Value {
    let oldest = history.items.first().map(|kept| kept.at);
    let until = history.searched_to.or(oldest.filter(|_| history.more));
    json!({ "messages": history.items.len(), "more": until.is_some(), "until": until })
}

/// How much it is, where it came from, and how to see more.
fn closing(history: &History, source: &str) -> String {
    let told = match history.items.len() {
        0 => format!("nothing found {source}"),
        1 => format!("1 message {source}"),
        many => format!("{many} messages {source}"),
    };
    let oldest = history.items.first().map(|kept| kept.at);
    match (history.searched_to, oldest) {
        (Some(at), _) => format!("{told}; searched back to {at}, not farther: to go on, add --until {at}"),
        (None, Some(oldest)) if history.more => {
            format!("{told}; there may be older ones: --limit N, or --until {oldest}")
        }
        (None, _) => told,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wagglebus_schemas::Timestamp;

    use super::*;
    use crate::history::Kept;

    #[test]
    fn what_was_not_searched_is_told_also_when_nothing_was_found() {
        let at = |ms| Timestamp::from_unix_ms(ms).unwrap();
        let message = json!({ "id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d", "from_agent": "alice", "to_agent": "bob",
            "content": "x", "timestamp": "2026-01-02T03:04:05.000Z" });
        let kept = Kept {
            message: serde_json::from_value(message).unwrap(),
            body: Value::Null,
            at: at(5_000),
        };
        let history = |items, more, searched_to| History {
            items,
            more,
            searched_to,
        };
        let begun = "searched back to 1970-01-01T00:00:03.000Z, not farther: to go on, add --until 1970-01-01T00:00:03.000Z";
        let told = |history: &History| bound(history)["until"].clone();
        assert_eq!(
            told(&history(vec![kept.clone()], true, None)),
            "1970-01-01T00:00:05.000Z"
        );
        assert_eq!(
            told(&history(vec![], true, Some(at(3_000)))),
            "1970-01-01T00:00:03.000Z"
        );
        let all = bound(&history(vec![kept.clone()], false, None));
        assert_eq!(all, json!({ "messages": 1, "more": false, "until": null }));
        for (history, said) in [
            (history(vec![], false, None), "nothing found in S".to_owned()),
            (
                history(vec![], true, Some(at(3_000))),
                format!("nothing found in S; {begun}"),
            ),
            (
                history(vec![kept.clone()], true, Some(at(3_000))),
                format!("1 message in S; {begun}"),
            ),
            (
                history(vec![kept.clone(), kept.clone()], true, None),
                "2 messages in S; there may be older ones: --limit N, or --until 1970-01-01T00:00:05.000Z"
                    .into(),
            ),
            (history(vec![kept], false, None), "1 message in S".into()),
        ] {
            assert_eq!(closing(&history, "in S"), said);
        }
    }
}
