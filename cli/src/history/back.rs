//! Reads a stream from its newest message backwards, in windows, and looks only at the subjects that are asked for.
//!
//! JetStream finds the next message of a subject, never the one before. So a window is read forwards, and the windows go
//! back; while they turn out nearly empty they grow. Sequences rise with the time of storing: where a time begins is found
//! by halving.

#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use futures::future::try_join_all;
use wagglebus_schemas::Timestamp;

use crate::reader::{ReadError, Reader, Stored};
use window::{parts, range};

/// Sequences of the first window.
const WINDOW_FIRST: u64 = 64;
/// Sequences of the largest window.
const WINDOW_MAX: u64 = 65_536;
/// A window in which fewer messages were looked at is followed by one of twice its size.
const SPARSE: usize = 256;

/// What can be read message by message.
pub(crate) trait Messages {
    /// The first message at or after `from` whose subject matches, if there is one.
    async fn next(&self, stream: &str, from: u64, subject: &str) -> Result<Option<Stored>, ReadError>;

    /// The sequences between which all messages lie.
    async fn sequences(&self, stream: &str) -> Result<RangeInclusive<u64>, ReadError>;
}

impl Messages for Reader {
    async fn next(&self, stream: &str, from: u64, subject: &str) -> Result<Option<Stored>, ReadError> {
        Self::next(self, stream, from, subject).await
    }

    async fn sequences(&self, stream: &str) -> Result<RangeInclusive<u64>, ReadError> {
        Self::sequences(self, stream).await
    }
}

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct Look<'a> {
    pub(crate) stream: &'a str,
    /// A message that several of them match is found once.
    pub(crate) subjects: &'a [String],
    /// Find no more than this.
    pub(crate) limit: usize,
    /// Look at about so many messages at most.
    pub(crate) looks_max: usize,
    /// Nothing older is wanted.
    pub(crate) since: Option<Timestamp>,
    /// Nothing newer is wanted.
    pub(crate) until: Option<Timestamp>,
}

/// What was found, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// There is or may be more before it.
    pub(crate) more: bool,
    /// Nothing that was stored before then was looked at, because enough was looked at.
    pub(crate) searched_to: Option<Timestamp>,
}

/// The newest messages of which `wanted` makes something.
///
/// # Errors
/// When the bus does not answer.
pub(crate) async fn newest<T>(
    reader: &impl Messages,
    look: &Look<'_>,
    wanted: impl Fn(Stored) -> Option<T>,
) -> Result<Found<T>, ReadError> {
    let (first, mut upper) = bounds(reader, look).await?;
    let mut size = WINDOW_FIRST;
    let mut looks = 0_usize;
    let mut found: BTreeMap<u64, T> = BTreeMap::new();
    while upper >= first {
        if found.len() >= look.limit {
            return Ok(finish(found, look.limit, true));
        }
        if looks >= look.looks_max {
            let searched_to = time_at(reader, look.stream, upper.saturating_add(1)).await?;
            return Ok(Found {
                searched_to,
                ..finish(found, look.limit, true)
            });
        }
        let lower = upper.saturating_sub(size).saturating_add(1).max(first);
        let ranges = look.subjects.iter().flat_map(|subject| {
            let (wanted, parts) = (&wanted, parts(lower, upper));
            parts.map(move |part| range(reader, look, subject, part, wanted))
        });
        let ranges = try_join_all(ranges).await?;
        let looked: usize = ranges.iter().map(|range| range.looked).sum();
        looks = looks.saturating_add(looked);
        found.extend(ranges.into_iter().flat_map(|range| range.found));
        upper = lower.saturating_sub(1);
        if looked < SPARSE {
            size = size.saturating_mul(2).min(WINDOW_MAX);
        }
    }
    Ok(finish(found, look.limit, false))
}

/// The sequences between which everything lies that is wanted.
async fn bounds(reader: &impl Messages, look: &Look<'_>) -> Result<(u64, u64), ReadError> {
    let (mut first, mut last) = reader.sequences(look.stream).await?.into_inner();
    if let Some(since) = look.since {
        first = first_where(reader, look.stream, (first, last), |at| at >= since).await?;
    }
    if let Some(until) = look.until {
        let beyond = first_where(reader, look.stream, (first, last), |at| at > until).await?;
        last = beyond.saturating_sub(1);
    }
    // Sequences begin with 1.
    Ok((first.max(1), last))
}

/// The first sequence from which on messages are so late; the one behind `last` when none is.
async fn first_where(
    reader: &impl Messages,
    stream: &str,
    (first, last): (u64, u64),
    late: impl Fn(Timestamp) -> bool,
) -> Result<u64, ReadError> {
    let (mut low, mut high) = (first, last.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        match reader.next(stream, middle, ">").await? {
            Some(stored) if stored.seq < high => {
                let at = stored.time.parse::<Timestamp>();
                if at.is_ok_and(&late) {
                    high = middle;
                } else {
                    low = stored.seq.saturating_add(1);
                }
            }
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// When the first message from `seq` on was stored.
async fn time_at(reader: &impl Messages, stream: &str, seq: u64) -> Result<Option<Timestamp>, ReadError> {
    let stored = reader.next(stream, seq, ">").await?;
    Ok(stored.and_then(|stored| stored.time.parse().ok()))
}

fn finish<T>(mut found: BTreeMap<u64, T>, limit: usize, more: bool) -> Found<T> {
    let dropped = found.len().saturating_sub(limit);
    let first_kept = found.keys().nth(dropped).copied().unwrap_or(u64::MAX);
    let items = found.split_off(&first_kept);
    Found {
        items: items.into_values().collect(),
        more: more || dropped > 0,
        searched_to: None,
    }
}
