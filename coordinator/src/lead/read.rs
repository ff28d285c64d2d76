//! Reads a stream from a place on, in order, for as long as the session lasts.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{Context, Message};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::alert::AlertNews;
use wagglebus_coordinator_core::lead::{Announced, News, Noted, Record, Shortened, Told, Unreadable};
use wagglebus_coordinator_core::log::post::Origin;
use wagglebus_coordinator_core::log::{Source, World};
use wagglebus_coordinator_core::task::Ask;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::decode::Refusal;
use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{ReportKind, Subject, filter};
use wagglebus_schemas::{AgentId, Hive, Timestamp, decode, headers};

use super::shelf::Shelf;
use super::{Signs, news};

/// Pause before a reading that ended is begun anew.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Pause before snapshots are looked at again, while lines are gone that none tells of.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

type ReadError = Box<dyn Error + Send + Sync>;

/// Reads the log after `last`, and tells when its end was reached. What is in a snapshot is not read as lines.
pub(super) async fn log(
    js: Context,
    hive: Hive,
    (reading, mut last): (u64, u64),
    (out, signs): (Sender<Event>, Signs),
) {
    loop {
        let Err(error) = log_once(&js, &hive, (reading, &mut last), (&out, &signs)).await else {
            return;
        };
        tracing::debug!(%error, "the log is read anew");
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Returns `Ok` only when nobody listens.
async fn log_once(
    js: &Context,
    hive: &Hive,
    (reading, last): (u64, &mut u64),
    (out, signs): (&Sender<Event>, &Signs),
) -> Result<(), ReadError> {
    let stream = js.get_stream(Stream::Events.name(hive)).await?;
    let state = &stream.cached_info().state;
    let behind = last.saturating_add(1) < state.first_sequence;
    if behind || *last == 0 {
        match snapshot(js, hive, *last, signs).await {
            Ok(Some(world)) => {
                *last = world.last();
                let restored = News::Restored {
                    reading,
                    world: Box::new(world),
                };
                if out.send(news(restored)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error, "the snapshots of the log cannot be read");
                if behind {
                    return Err(error);
                }
            }
        }
        if last.saturating_add(1) < state.first_sequence {
            let (first, last) = (*last + 1, state.first_sequence - 1);
            signs.log_incomplete(first, last);
            let incomplete = News::Incomplete { reading, first, last };
            if out.send(news(incomplete)).await.is_err() {
                return Ok(());
            }
            // A snapshot that tells of them may come: from another coordinator, or from the operator.
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            return Err("lines are gone".into());
        }
    }
    signs.log_complete();
    // Lines that are purged are nobody's to read; a reader that waits for them would wait for ever.
    if *last >= state.last_sequence || state.messages == 0 {
        let end = News::CaughtUp {
            reading,
            last: state.last_sequence.max(*last),
        };
        if out.send(news(end)).await.is_err() {
            return Ok(());
        }
    }
    let mut messages = Box::pin(read(&stream, *last, Vec::new()).await?);
    while let Some(message) = messages.next().await {
        let message = message?;
        let info = message.info().map_err(|error| error.to_string())?;
        let (seq, pending) = (info.stream_sequence, info.pending);
        if seq > last.saturating_add(1) {
            return Err("lines were purged before they were read".into());
        }
        let line = decode::record("event", &message.payload, LINE_BYTES_MAX);
        let line = News::Logged {
            reading,
            seq,
            line: line.map(Box::new).map_err(|error| error.to_string()),
        };
        *last = seq;
        if out.send(news(line)).await.is_err() {
            return Ok(());
        }
        let end = News::CaughtUp { reading, last: seq };
        if pending == 0 && out.send(news(end)).await.is_err() {
            return Ok(());
        }
    }
    Err("the reading ended".into())
}

/// The newest usable snapshot that knows more than the log up to `after`.
async fn snapshot(js: &Context, hive: &Hive, after: u64, signs: &Signs) -> Result<Option<World>, ReadError> {
    let shelf = Shelf::open(js, hive).await?;
    let newest = shelf.newest(after, signs).await?;
    Ok(newest.map(|(head, world)| {
        tracing::info!(seq = head.seq, at = %head.at, "a snapshot of the log was read");
        world
    }))
}

/// What a leader listens to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ear {
    Commands,
    Messages,
    Receipts,
    DeadLetters,
    Reports,
}

impl Ear {
    fn place(self, hive: &Hive) -> (String, Vec<String>) {
        let coordinator = AgentId::coordinator();
        match self {
            Self::Commands => (Stream::Tasks.name(hive), vec![filter::commands(hive)]),
            // In one reading: what is decided of either is counted by its place in the stream.
            Self::Messages => (
                Stream::Messages.name(hive),
                vec![filter::messages(hive, &coordinator), filter::announcements(hive)],
            ),
            Self::Receipts => (
                Stream::Receipts.name(hive),
                vec![filter::receipts(hive, &coordinator)],
            ),
            Self::DeadLetters => (Stream::Dlq.name(hive), vec![filter::dead_letters(hive)]),
            Self::Reports => (
                Stream::Tasks.name(hive),
                vec![filter::reports(hive, ReportKind::Failure)],
            ),
        }
    }

    const fn source(self) -> Source {
        match self {
            Self::Commands => Source::Commands,
            Self::Messages => Source::Messages,
            Self::Receipts => Source::Receipts,
            Self::DeadLetters => Source::DeadLetters,
            Self::Reports => Source::Reports,
        }
    }

    /// What a record says. What says nothing is told of as well.
    fn hear(self, hive: &Hive, seq: u64, message: &Message) -> Vec<News> {
        let id = message.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
        let id = id.map(|value| value.as_str());
        let unreadable = |(reason, detail): (DeadReason, String)| {
            News::Unreadable(Box::new(Unreadable {
                origin: Origin {
                    stream: self.source().stream(),
                    seq,
                },
                record: Record {
                    subject: message.subject.to_string(),
                    msg_id: id.map(str::to_owned),
                    payload: message.payload.to_vec(),
                },
                reason,
                detail,
            }))
        };
        match self.read(hive, (seq, id), message) {
            // Its refusal is decided, and nobody can be told of it.
            Ok(News::Asked(ask)) if ask.id.is_none() => {
                let detail = "Nats-Msg-Id is no id: nobody can be answered".to_owned();
                vec![unreadable((DeadReason::Refused, detail)), News::Asked(ask)]
            }
            Ok(news) => vec![news],
            // A letter about a letter would beget the next one.
            Err(_) if matches!(self, Self::DeadLetters) => Vec::new(),
            // Each member of a room deals with a post itself.
            Err(_) if message.subject.starts_with(&format!("{hive}.room.")) => Vec::new(),
            Err(why) => vec![unreadable(why)],
        }
    }

    fn read(
        self,
        hive: &Hive,
        (seq, id): (u64, Option<&str>),
        message: &Message,
    ) -> Result<News, (DeadReason, String)> {
        let undecodable = |error: &dyn Error| (DeadReason::Undecodable, error.to_string());
        let refused = |detail: String| (DeadReason::Refused, detail);
        let subject = Subject::parse(hive, &message.subject).map_err(|error| refused(error.to_string()))?;
        match (self, subject) {
            (Self::Commands, Subject::Task { verb, from, .. }) => {
                let ask = Ask::read(verb, from, seq, id, &message.payload);
                Ok(News::Asked(Box::new(ask)))
            }
            (Self::Messages, subject) => match decode::message(&subject, id, &message.payload) {
                Ok(message) if matches!(subject, Subject::Room { .. }) => {
                    let (id, from, at) = (message.id, message.from_agent, message.timestamp);
                    Ok(News::Announced(Announced { seq, id, from, at }))
                }
                Ok(message) => Ok(News::Told(Box::new(Told { seq, message }))),
                Err(error @ Refusal::Undecodable(_)) => Err(undecodable(&error)),
                Err(error @ Refusal::Disagrees { .. }) => Err(refused(error.to_string())),
            },
            (Self::Receipts, Subject::Receipt { from, .. }) => {
                let receipt: Receipt = decode::record("receipt", &message.payload, LINE_BYTES_MAX)
                    .map_err(|error| undecodable(&error))?;
                if !receipt.may_be_of(&from) {
                    return Err(refused(format!("{from} reports for {}", receipt.agent)));
                }
                Ok(News::Noted(Noted {
                    from,
                    seq,
                    id: receipt.id,
                    notice: receipt.message_id,
                    level: receipt.level,
                    bridge: receipt.bridge,
                }))
            }
            (Self::DeadLetters, Subject::Dlq { reason, from }) => {
                let letter: Option<DeadLetter> =
                    decode::record("dead letter", &message.payload, LINE_BYTES_MAX).ok();
                Ok(News::Alerts(AlertNews::Letter {
                    seq,
                    agent: letter
                        .filter(|letter| letter.may_be_of(&from))
                        .map_or(from, |letter| letter.agent),
                    reason,
                    at: stored_at(message),
                }))
            }
            (Self::Reports, Subject::Report { from, .. }) => {
                let failure: Option<Failure> =
                    decode::record("failure", &message.payload, LINE_BYTES_MAX).ok();
                let failure = failure.filter(|failure| failure.agent == from).map(Box::new);
                Ok(News::Alerts(AlertNews::Report { seq, failure }))
            }
            (Self::Commands | Self::Receipts | Self::DeadLetters | Self::Reports, _) => {
                Err(refused("it is not for this stream".to_owned()))
            }
        }
    }
}

/// Listens to records after the sequence `after`.
pub(super) async fn listen(js: Context, hive: Hive, (ear, mut after): (Ear, u64), out: Sender<Event>) {
    loop {
        let Err(error) = listen_once(&js, &hive, (ear, &mut after), &out).await else {
            return;
        };
        tracing::debug!(%error, ?ear, "read anew");
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn listen_once(
    js: &Context,
    hive: &Hive,
    (ear, after): (Ear, &mut u64),
    out: &Sender<Event>,
) -> Result<(), ReadError> {
    let (stream, filters) = ear.place(hive);
    let stream = js.get_stream(stream).await?;
    let info = stream.cached_info();
    if info.state.last_sequence < *after {
        let (last, created) = (info.state.last_sequence, time_of(info.created));
        tracing::error!(
            stream = info.config.name.as_str(),
            read_to = *after,
            last,
            %created,
            "this stream ends before what was read of it: it was made anew, restored, or has lost its end"
        );
        let source = ear.source();
        let found = Shortened {
            source,
            last,
            created,
        };
        if out.send(news(News::Shortened(found))).await.is_err() {
            return Ok(());
        }
        return Err("the stream is another one".into());
    }
    let mut messages = Box::pin(read(&stream, *after, filters).await?);
    while let Some(message) = messages.next().await {
        let message = message?;
        let info = message.info().map_err(|error| error.to_string())?;
        let seq = info.stream_sequence;
        *after = seq;
        for heard in ear.hear(hive, seq, &message) {
            if let News::Unreadable(mail) = &heard {
                let (subject, why) = (&mail.record.subject, &mail.detail);
                tracing::warn!(subject, why, "a record that cannot be read becomes a dead letter");
            }
            if out.send(news(heard)).await.is_err() {
                return Ok(());
            }
        }
    }
    Err("the reading ended".into())
}

/// When the stream took a record.
fn stored_at(message: &Message) -> Timestamp {
    let published = message.info().map(|info| time_of(info.published));
    published.unwrap_or(Timestamp::EPOCH)
}

fn time_of(time: time::OffsetDateTime) -> Timestamp {
    let ms = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok();
    ms.and_then(|ms| Timestamp::from_unix_ms(ms).ok())
        .unwrap_or(Timestamp::EPOCH)
}

async fn read(
    stream: &async_nats::jetstream::stream::Stream,
    after: u64,
    filter_subjects: Vec<String>,
) -> Result<pull::Ordered, ReadError> {
    let config = pull::OrderedConfig {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: after.saturating_add(1),
        },
        filter_subjects,
        ..Default::default()
    };
    Ok(stream.create_consumer(config).await?.messages().await?)
}
