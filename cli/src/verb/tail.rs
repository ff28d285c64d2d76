//! `tail`: shows every message of the hive as it is stored, past the newest ones first.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use wagglebus_nats::connect::Subscription;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Message, decode, strict_json};

use crate::failure::Failure;
use crate::filter::{Filter, FilterArgs, TimeArgs, Whose};
use crate::history::back::{Look, newest};
use crate::output::Output;
use crate::printable;
use crate::reader::{ReadError, Reader, Stored};
use crate::session::Session;
use crate::target::BusArgs;

/// A hint to look may be lost, so we also look without one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Characters of a reason that a line shows.
const REASON_CHARS: usize = 200;

/// About so many messages are looked at for the first ones.
const LOOKS_MAX: usize = 20_000;

/// Show messages as they are stored
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus tail
  wagglebus tail --with worker -p urgent
  wagglebus tail --grep error --jsonl --last 0 | ./on-error")]
pub(crate) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Begin with this many of the newest
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// End after the newest instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    /// One message a line, exactly as published; the same as --json
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let connection = args.bus.connect(session, BusUser::Inspector).await?;
    let hive = places.hive();
    let filter = Filter::new(&args.filter, &TimeArgs::default())?;
    // Heard before the first look, so nothing falls between the two.
    let hints = connection.subscribe(format!("{hive}.wake.msg.*.*")).await;
    let mut tail = Tail {
        hive,
        stream: Stream::Messages.name(hive),
        reader: Reader::new(connection),
        hints,
        lost: false,
    };
    let show = Show {
        hive,
        filter: &filter,
        json: args.jsonl || output.json(),
    };
    let mut next = tail.reader.last_seq(&tail.stream).await?.saturating_add(1);
    for stored in tail.newest(&show, args.last).await? {
        next = next.max(stored.seq.saturating_add(1));
        show.show(&stored, output)?;
    }
    loop {
        match tail.reader.next(&tail.stream, next, ">").await {
            Ok(Some(stored)) => {
                tail.found(output)?;
                next = stored.seq.saturating_add(1);
                if show.wants(&stored) {
                    show.show(&stored, output)?;
                }
            }
            Ok(None) if args.no_follow => return Ok(()),
            Ok(None) => {
                tail.found(output)?;
                output.finish()?;
                tail.hint().await?;
            }
            Err(error) if args.no_follow => return Err(error.into()),
            Err(error @ ReadError::NoAnswer(_)) => tail.lost(&error, output).await?,
            Err(error @ (ReadError::Refused(_) | ReadError::Answer(_))) => return Err(error.into()),
        }
    }
}

struct Tail<'a> {
    hive: &'a Hive,
    stream: String,
    reader: Reader,
    hints: Subscription,
    lost: bool,
}

impl Tail<'_> {
    /// The newest ones that are to be shown.
    async fn newest(&self, show: &Show<'_>, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let subjects = show.filter.subjects(self.hive, Whose::All);
        let look = Look {
            stream: &self.stream,
            subjects: &subjects,
            limit,
            looks_max: LOOKS_MAX,
            since: None,
            until: None,
        };
        let wanted = |stored| Some(stored).filter(|stored| show.wants(stored));
        Ok(newest(&self.reader, &look, wanted).await?.items)
    }

    /// Waits until it is worth looking again. Room posts give no hint.
    async fn hint(&mut self) -> Result<(), Failure> {
        match timeout_at(Instant::now() + LOOK_EVERY, self.hints.next()).await {
            Ok(None) => Err(Failure::contract(
                ErrorCode::BusUnreachable,
                format!("the connection of {} was closed", self.hive),
            )),
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    /// Says once that the bus is gone, and waits: the connection renews itself.
    async fn lost(&mut self, error: &ReadError, output: &mut Output) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.lost, true) {
            output.note(format!("{error}; waiting for it"))?;
        }
        sleep(LOOK_EVERY).await;
        Ok(())
    }

    fn found(&mut self, output: &mut Output) -> Result<(), Failure> {
        if std::mem::replace(&mut self.lost, false) {
            output.note("the bus is back")?;
        }
        Ok(())
    }
}

/// What is shown, and how.
struct Show<'a> {
    hive: &'a Hive,
    filter: &'a Filter,
    json: bool,
}

impl Show<'_> {
    fn understand(&self, stored: &Stored) -> Result<Message, String> {
        let subject = Subject::parse(self.hive, &stored.subject).map_err(|error| error.to_string())?;
        decode::message(&subject, stored.msg_id.as_deref(), &stored.payload)
            .map_err(|error| error.to_string())
    }

    /// What recipients refuse is said unless only some messages are asked for.
    fn wants(&self, stored: &Stored) -> bool {
        match self.understand(stored) {
            Ok(message) => {
                let at = stored.time.parse().unwrap_or(message.timestamp);
                self.filter.takes(&message, at)
            }
            Err(_) => self.filter.takes_all(),
        }
    }

    fn show(&self, stored: &Stored, output: &mut Output) -> Result<(), Failure> {
        match self.understand(stored) {
            Ok(message) if !self.json => {
                output.line(format!("{} {}", stored.seq, printable::message(&message)))?;
            }
            Ok(_) => match strict_json::parse(&stored.payload) {
                // Parsed again, because a stranger may have published it over several lines.
                Ok(value) => output.record(&value)?,
                Err(error) => output.note(format!("{}: {error}", stored.seq))?,
            },
            Err(why) => output.note(format!(
                "{} {} is refused by recipients: {}",
                stored.seq,
                printable::line(&stored.subject, 120),
                printable::line(&why, REASON_CHARS)
            ))?,
        }
        Ok(())
    }
}
