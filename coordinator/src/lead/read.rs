//! Reads a stream from a place on, in order, for as long as the session lasts.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{Context, Message};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::{Announced, News, Noted, Told};
use wagglebus_coordinator_core::task::Ask;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{Subject, filter};
use wagglebus_schemas::{AgentId, Hive, decode, headers};

use super::news;

/// Pause before a reading that ended is begun anew.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type ReadError = Box<dyn Error + Send + Sync>;

/// Reads the log after `last`, and tells when its end was reached.
pub(super) async fn log(js: Context, hive: Hive, (reading, mut last): (u64, u64), out: Sender<Event>) {
    loop {
        let Err(error) = log_once(&js, &hive, (reading, &mut last), &out).await else {
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
    out: &Sender<Event>,
) -> Result<(), ReadError> {
    let stream = js.get_stream(Stream::Events.name(hive)).await?;
    let state = &stream.cached_info().state;
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

/// What a leader listens to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ear {
    Commands,
    Messages,
    Receipts,
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
        }
    }

    /// What a record says; `None` for what is none of ours.
    fn hear(self, hive: &Hive, seq: u64, message: &Message) -> Option<News> {
        let subject = Subject::parse(hive, &message.subject).ok()?;
        let id = message.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
        let id = id.map(|value| value.as_str());
        match (self, subject) {
            (Self::Commands, Subject::Task { verb, from, .. }) => {
                let ask = Ask::read(verb, from, seq, id, &message.payload);
                Some(News::Asked(Box::new(ask)))
            }
            (Self::Messages, subject) => {
                let message = decode::message(&subject, id, &message.payload).ok()?;
                if matches!(subject, Subject::Room { .. }) {
                    let (id, from, at) = (message.id, message.from_agent, message.timestamp);
                    return Some(News::Announced(Announced { seq, id, from, at }));
                }
                Some(News::Told(Box::new(Told { seq, message })))
            }
            (Self::Receipts, Subject::Receipt { from, .. }) => {
                let receipt: Receipt = decode::record("receipt", &message.payload, LINE_BYTES_MAX).ok()?;
                // Everybody speaks for itself.
                (receipt.agent == from).then_some(News::Noted(Noted {
                    from,
                    seq,
                    id: receipt.id,
                    notice: receipt.message_id,
                    level: receipt.level,
                }))
            }
            (Self::Commands | Self::Receipts, _) => None,
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
    let mut messages = Box::pin(read(&stream, *after, filters).await?);
    while let Some(message) = messages.next().await {
        let message = message?;
        let info = message.info().map_err(|error| error.to_string())?;
        let seq = info.stream_sequence;
        *after = seq;
        let Some(heard) = ear.hear(hive, seq, &message) else {
            tracing::warn!(subject = %message.subject, "a record that cannot be read is passed over");
            continue;
        };
        if out.send(news(heard)).await.is_err() {
            return Ok(());
        }
    }
    Err("the reading ended".into())
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
