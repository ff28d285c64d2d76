//! Reads a part of a stream to its present end, in order, and leaves nothing behind.

use std::error::Error;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use futures::StreamExt;
use time::OffsetDateTime;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, headers};

use super::state::Api;

type ScanError = Box<dyn Error + Send + Sync>;

/// Where to begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    /// At what was stored at this time or later, in milliseconds since 1970.
    At(i64),
    /// At so many before the last.
    Latest(u64),
    /// Behind this sequence.
    After(u64),
}

/// What to read.
#[derive(Debug)]
pub(super) struct Scan {
    stream: String,
    filter: String,
    begin: Begin,
    headers_only: bool,
}

/// What the stream held when the reading began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The sequence of the oldest record.
    pub(super) first: u64,
    /// That of the latest.
    pub(super) last: u64,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) subject: String,
    /// Its `Nats-Msg-Id`.
    pub(super) id: Option<String>,
    /// When it was stored.
    pub(super) at_ms: i64,
    /// Empty where only heads are read.
    pub(super) body: Bytes,
}

impl Scan {
    /// The heads of messages.
    pub(super) fn messages(api: &Api, begin: Begin) -> Self {
        Self {
            stream: Stream::Messages.name(&api.hive),
            filter: String::new(),
            begin,
            headers_only: true,
        }
    }

    /// Messages with their bodies.
    pub(super) fn whole_messages(api: &Api, begin: Begin) -> Self {
        Self {
            headers_only: false,
            ..Self::messages(api, begin)
        }
    }

    /// Receipts of what is done, to anybody.
    pub(super) fn receipts_of_done(api: &Api, begin: Begin) -> Self {
        Self {
            stream: Stream::Receipts.name(&api.hive),
            filter: format!("{}.receipt.*.{}.>", api.hive, ReceiptLevel::Done),
            begin,
            headers_only: false,
        }
    }

    /// Receipts to an agent.
    pub(super) fn receipts(api: &Api, to: &AgentId, begin: Begin) -> Self {
        Self {
            stream: Stream::Receipts.name(&api.hive),
            filter: format!("{}.receipt.{to}.>", api.hive),
            begin,
            headers_only: false,
        }
    }
}

/// Shows each record to `see`, until it has seen enough or the end is reached.
///
/// # Errors
/// When the stream cannot be read.
pub(super) async fn scan(
    api: &Api,
    scan: Scan,
    see: impl FnMut(Stored) -> bool,
) -> Result<Span, ErrorDetail> {
    read(api, scan, see).await.map_err(|error| unread(&error))
}

fn unread(error: &ScanError) -> ErrorDetail {
    let message = format!("the stream cannot be read: {error}");
    ErrorDetail::new(ErrorCode::BusUnreachable, message).retry_after_ms(1_000)
}

/// The bytes at a sequence of a stream; `None` when it keeps them no more.
///
/// # Errors
/// When the stream cannot be read.
pub(super) async fn body_at(api: &Api, stream: Stream, seq: u64) -> Result<Option<Bytes>, ErrorDetail> {
    let reading = async {
        let session = api.bus.connection().session().ok_or("not connected")?;
        let stream = session
            .jetstream()
            .get_stream_no_info(stream.name(&api.hive))
            .await?;
        match stream.get_raw_message(seq).await {
            Ok(message) => Ok(Some(message.payload)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(ScanError::from(error)),
        }
    };
    reading.await.map_err(|error| unread(&error))
}

async fn read(api: &Api, scan: Scan, mut see: impl FnMut(Stored) -> bool) -> Result<Span, ScanError> {
    let session = api.bus.connection().session().ok_or("not connected")?;
    let stream = session.jetstream().get_stream(&scan.stream).await?;
    let state = &stream.cached_info().state;
    let (first, last) = (state.first_sequence, state.last_sequence);
    let span = Span { first, last };
    let deliver_policy = match scan.begin {
        Begin::At(ms) => DeliverPolicy::ByStartTime {
            start_time: OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms.max(0)) * 1_000_000)?,
        },
        Begin::Latest(count) => DeliverPolicy::ByStartSequence {
            start_sequence: last.saturating_sub(count).max(1),
        },
        Begin::After(seq) if seq >= last => return Ok(span),
        Begin::After(seq) => DeliverPolicy::ByStartSequence {
            start_sequence: seq.saturating_add(1),
        },
    };
    let config = pull::OrderedConfig {
        deliver_policy,
        filter_subject: scan.filter,
        headers_only: scan.headers_only,
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await?;
    if consumer.cached_info().num_pending == 0 {
        return Ok(span);
    }
    let mut messages = Box::pin(consumer.messages().await?);
    while let Some(message) = messages.next().await {
        let message = message?;
        let info = message.info().map_err(|error| error.to_string())?;
        let (seq, pending) = (info.stream_sequence, info.pending);
        let at_ms = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let id = message.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
        let stored = Stored {
            seq,
            subject: message.subject.to_string(),
            id: id.map(|id| id.as_str().to_owned()),
            at_ms,
            body: message.payload.clone(),
        };
        // What comes meanwhile would be read for ever.
        if !see(stored) || pending == 0 || seq >= last {
            return Ok(span);
        }
    }
    Err("the reading ended".into())
}
