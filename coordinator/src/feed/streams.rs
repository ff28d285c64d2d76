//! One stream of the feed, read in order from a place on.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{Context, Message};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use wagglebus_coordinator_core::feed::{Item, Kept, Record, Source, read};
use wagglebus_schemas::{Hive, headers};

/// Records that are asked for at once: what waits for a slow reader is bounded by this, and the longest are 512 KiB.
const BATCH: i64 = 32;

pub(super) type ReadError = Box<dyn Error + Send + Sync>;

/// A record, as it was read.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) source: Source,
    pub(super) seq: u64,
    /// When the server stored it, in nanoseconds since 1970.
    pub(super) at: i128,
    /// Whether there was nothing behind it when it was sent.
    pub(super) is_last: bool,
    /// What is shown of it, if anything.
    pub(super) item: Option<Arc<Item>>,
}

/// What a stream keeps now.
pub(super) async fn kept(js: &Context, hive: &Hive, source: Source) -> Result<Kept, ReadError> {
    let stream = js.get_stream(source.stream().name(hive)).await?;
    let state = &stream.cached_info().state;
    let last = state.last_sequence;
    let first = match state.messages {
        // The server may tell 0 as the first.
        0 => last.saturating_add(1),
        _ => state.first_sequence,
    };
    Ok(Kept { first, last })
}

/// A reading of one stream, for as long as the session lasts.
pub(super) struct Reading {
    source: Source,
    hive: Hive,
    messages: Pin<Box<pull::Ordered>>,
}

impl Reading {
    /// Begins behind a sequence.
    pub(super) async fn open(
        js: &Context,
        hive: &Hive,
        source: Source,
        after: u64,
    ) -> Result<Self, ReadError> {
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after.saturating_add(1),
            },
            max_batch: BATCH,
            ..Default::default()
        };
        let stream = js.get_stream_no_info(source.stream().name(hive)).await?;
        let messages = stream.create_consumer(config).await?.messages().await?;
        Ok(Self {
            source,
            hive: hive.clone(),
            messages: Box::pin(messages),
        })
    }

    /// The next record. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Stored, ReadError> {
        let message = self.messages.next().await.ok_or("the reading ended")??;
        self.stored(&message)
    }

    /// All that follow.
    pub(super) fn all(self) -> BoxStream<'static, Result<Stored, ReadError>> {
        stream::unfold(self, |mut reading| async {
            let next = reading.next().await;
            Some((next, reading))
        })
        .boxed()
    }

    fn stored(&self, message: &Message) -> Result<Stored, ReadError> {
        let info = message.info().map_err(|error| error.to_string())?;
        let id = message.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
        let record = Record {
            source: self.source,
            seq: info.stream_sequence,
            subject: &message.subject,
            id: id.map(async_nats::HeaderValue::as_str),
            payload: &message.payload,
        };
        let item = read(&self.hive, record).unwrap_or_else(|error| {
            tracing::debug!(%error, "passed over");
            None
        });
        Ok(Stored {
            source: self.source,
            seq: info.stream_sequence,
            at: info.published.unix_timestamp_nanos(),
            is_last: info.pending == 0,
            item: item.map(Arc::new),
        })
    }
}
