//! Appends to the coordinator's log: all lines or none, and only if nobody else wrote in between (ADR 0034).

use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use wagglebus_schemas::{Id, headers};

use super::JetStream;
use super::publish::{hand_over_silently, publish};
use crate::bus::Stored;
use crate::error::{NoAnswer, PublishError, PublishFault};

/// Most lines of one append: far below the server's own bound of 1,000.
pub const LINES_MAX: usize = 100;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where to.
    pub subject: String,
    /// Its id.
    pub id: Id,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The record.
    pub payload: Bytes,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote: the last sequence is another one.
    #[error("the log goes on where it was not expected to")]
    Fenced,
    /// More than [`LINES_MAX`] lines, or none.
    #[error("{0} lines are not one append")]
    Lines(usize),
    /// It is unknown whether the lines are stored, or the server refuses them.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Appends lines to `stream` if its last sequence is `after`, and returns the sequence of the last one.
///
/// After [`AppendError::Publish`] the same call may be made again: lines that were stored are found by the id of the last.
///
/// # Errors
/// See [`AppendError`].
pub async fn append(bus: &JetStream, stream: &str, after: u64, lines: &[Line]) -> Result<u64, AppendError> {
    let Some(last) = lines.last().filter(|_| lines.len() <= LINES_MAX) else {
        return Err(AppendError::Lines(lines.len()));
    };
    let batch = (lines.len() > 1).then(|| uuid::Uuid::new_v4().simple().to_string());
    match store(bus, stream, after, lines, batch.as_deref()).await {
        Ok(stored) => Ok(stored.seq),
        Err(error) => judge(error, tip(bus, stream).await, after, last.id),
    }
}

/// What an append came to that was not acknowledged, by what lies at the end of the log then: `id` is that of its last line.
pub(crate) fn judge(
    error: PublishError,
    tip: Option<(u64, String)>,
    after: u64,
    id: Id,
) -> Result<u64, AppendError> {
    match tip {
        // The answer was lost, or this is a repeat of what was stored.
        Some((seq, last)) if last == id.to_string() => Ok(seq),
        Some((seq, _)) if seq != after => Err(AppendError::Fenced),
        Some(_) | None => Err(error.into()),
    }
}

async fn store(
    bus: &JetStream,
    stream: &str,
    after: u64,
    lines: &[Line],
    batch: Option<&str>,
) -> Result<Stored, PublishError> {
    let mut stored = None;
    for (n, line) in lines.iter().enumerate() {
        let mut all = vec![
            (headers::MSG_ID, line.id.to_string()),
            (headers::EXPECTED_STREAM, stream.to_owned()),
        ];
        if n == 0 {
            all.push((headers::EXPECTED_LAST_SEQUENCE, after.to_string()));
        }
        let is_last = n + 1 == lines.len();
        if let Some(batch) = batch {
            all.push((headers::BATCH_ID, batch.to_owned()));
            all.push((headers::BATCH_SEQUENCE, (n + 1).to_string()));
            if is_last {
                all.push((headers::BATCH_COMMIT, "1".to_owned()));
            }
        }
        all.extend(line.headers.iter().cloned());
        if is_last {
            stored = Some(publish(bus, &line.subject, all, line.payload.clone()).await?);
        } else {
            hand_over_silently(bus, &line.subject, all, line.payload.clone()).await?;
        }
    }
    stored.ok_or_else(|| PublishError {
        subject: stream.to_owned(),
        fault: PublishFault::NoAnswer(NoAnswer::Disconnected),
    })
}

/// The sequence and the id of the last line; `None` when that cannot be told. An empty log has neither line nor id.
async fn tip(bus: &JetStream, stream: &str) -> Option<(u64, String)> {
    let session = bus.connection.session()?;
    let stream = session.jetstream().get_stream(stream).await.ok()?;
    let last = stream.cached_info().state.last_sequence;
    match stream.get_raw_message(last).await {
        Ok(message) => {
            let id = message.headers.get(headers::MSG_ID).map(ToString::to_string);
            Some((last, id.unwrap_or_default()))
        }
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Some((last, String::new())),
        Err(_) => None,
    }
}
