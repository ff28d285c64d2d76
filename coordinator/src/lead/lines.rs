//! Reads single lines of the log, for answers about the past.

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream as LogStream};
use futures::{StreamExt, TryStreamExt, stream};
use wagglebus_coordinator_core::Event;
use wagglebus_schemas::event::Event as LogEvent;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Hive, decode};

/// Lines that are read at once for one answer.
const AT_ONCE: usize = 16;

/// Reads the lines with these sequences, without those that are not there any more.
pub(super) async fn read(js: Context, hive: Hive, number: u64, seqs: Vec<u64>) -> Event {
    let lines = lines(&js, &hive, seqs).await;
    Event::LinesRead {
        number,
        lines: lines.map_err(|error| error.to_string()),
    }
}

async fn lines(
    js: &Context,
    hive: &Hive,
    seqs: Vec<u64>,
) -> Result<Vec<(u64, LogEvent)>, Box<dyn std::error::Error + Send + Sync>> {
    let log = js.get_stream_no_info(Stream::Events.name(hive)).await?;
    let found: Vec<Option<(u64, LogEvent)>> = stream::iter(seqs)
        .map(|seq| line(&log, seq))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

async fn line<I>(
    log: &LogStream<I>,
    seq: u64,
) -> Result<Option<(u64, LogEvent)>, Box<dyn std::error::Error + Send + Sync>> {
    let stored = match log.direct_get(seq).await {
        Ok(stored) => stored,
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What cannot be read was passed over when the log was folded, too.
    let event = decode::record("event", &stored.payload, LINE_BYTES_MAX);
    Ok(event.ok().map(|event| (seq, event)))
}
