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
use crate::output::Output;
use crate::printable;
use crate::reader::{ReadError, Reader, Stored};
use crate::session::Session;
use crate::target::BusArgs;

/// A hint to look may be lost, so we also look without one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Characters of a content that a line shows.
const LINE_CHARS: usize = 200;

/// Show messages as they are stored
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Begin with this many of the newest
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: u64,
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
    // Heard before the first look, so nothing falls between the two.
    let hints = connection.subscribe(format!("{hive}.wake.msg.*.*")).await;
    let mut tail = Tail {
        hive,
        stream: Stream::Messages.name(hive),
        reader: Reader::new(connection),
        hints,
        lost: false,
    };
    let json = args.jsonl || output.json();
    let last = tail.reader.last_seq(&tail.stream).await?;
    let mut next = last.saturating_sub(args.last).saturating_add(1);
    loop {
        match tail.reader.next(&tail.stream, next, ">").await {
            Ok(Some(stored)) => {
                tail.found(output)?;
                next = stored.seq.saturating_add(1);
                show(hive, &stored, json, output)?;
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

fn show(hive: &Hive, stored: &Stored, json: bool, output: &mut Output) -> Result<(), Failure> {
    let message = Subject::parse(hive, &stored.subject)
        .map_err(|error| error.to_string())
        .and_then(|subject| {
            decode::message(&subject, stored.msg_id.as_deref(), &stored.payload).map_err(|e| e.to_string())
        });
    match message {
        Ok(message) if !json => output.line(line(stored, &message))?,
        Ok(_) => match strict_json::parse(&stored.payload) {
            // Parsed again, because a stranger may have published it over several lines.
            Ok(value) => output.record(&value)?,
            Err(error) => output.note(format!("{}: {error}", stored.seq))?,
        },
        Err(why) => {
            let why = printable::line(&why, LINE_CHARS);
            output.note(format!(
                "{} {} is refused by recipients: {why}",
                stored.seq,
                printable::line(&stored.subject, 120)
            ))?;
        }
    }
    Ok(())
}

fn line(stored: &Stored, message: &Message) -> String {
    format!(
        "{} {} {} → {} !{} #{} {}: {}",
        stored.seq,
        message.timestamp,
        message.from_agent,
        message.to_agent,
        message.priority,
        message.message_type,
        message.id,
        printable::line(&message.content, LINE_CHARS)
    )
}
