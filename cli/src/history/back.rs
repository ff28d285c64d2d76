//! Reads a stream from its newest message backwards, in windows, and looks only at the subjects that are asked for.
//!
//! JetStream finds the next message of a subject, never the one before. So a window is read forwards, and the windows go
//! back; while they turn out nearly empty they grow.

use std::collections::{BTreeMap, VecDeque};

use futures::future::try_join_all;
use wagglebus_schemas::Timestamp;

use crate::reader::{ReadError, Reader, Stored};

/// Sequences of the first window.
const WINDOW_FIRST: u64 = 64;
/// Sequences of the largest window.
const WINDOW_MAX: u64 = 65_536;
/// Parts of a window that are read at once.
const PARTS: u64 = 16;
/// A window in which fewer messages were looked at is followed by one of twice its size.
const SPARSE: usize = 256;

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
}

/// What was found, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// There is or may be more before it.
    pub(crate) more: bool,
}

/// The newest messages of which `wanted` makes something.
///
/// # Errors
/// When the bus does not answer.
pub(crate) async fn newest<T>(
    reader: &Reader,
    look: &Look<'_>,
    wanted: impl Fn(Stored) -> Option<T>,
) -> Result<Found<T>, ReadError> {
    let mut upper = reader.last_seq(look.stream).await?;
    let mut size = WINDOW_FIRST;
    let mut looks = 0_usize;
    let mut found: BTreeMap<u64, T> = BTreeMap::new();
    while upper > 0 {
        if found.len() >= look.limit || looks >= look.looks_max {
            return Ok(finish(found, look.limit, true));
        }
        let lower = upper.saturating_sub(size).saturating_add(1).max(1);
        let ranges = look.subjects.iter().flat_map(|subject| {
            let (wanted, parts) = (&wanted, parts(lower, upper));
            parts.map(move |part| range(reader, look, subject, part, wanted))
        });
        let ranges = try_join_all(ranges).await?;
        let looked: usize = ranges.iter().map(|range| range.looked).sum();
        looks = looks.saturating_add(looked);
        found.extend(ranges.into_iter().flat_map(|range| range.found));
        if begins_before(reader, look, lower).await? {
            break;
        }
        upper = lower.saturating_sub(1);
        if looked < SPARSE {
            size = size.saturating_mul(2).min(WINDOW_MAX);
        }
    }
    Ok(finish(found, look.limit, false))
}

/// A window in parts that are read at once: one answer brings one message, so time goes by in waiting.
fn parts(lower: u64, upper: u64) -> impl Iterator<Item = (u64, u64)> {
    let length = (upper.saturating_sub(lower) / PARTS).saturating_add(1);
    (0..PARTS)
        .map(move |part| {
            let first = lower.saturating_add(part.saturating_mul(length));
            (first, upper.min(first.saturating_add(length).saturating_sub(1)))
        })
        .filter(|(first, last)| first <= last)
}

fn finish<T>(mut found: BTreeMap<u64, T>, limit: usize, more: bool) -> Found<T> {
    let dropped = found.len().saturating_sub(limit);
    let first_kept = found.keys().nth(dropped).copied().unwrap_or(u64::MAX);
    let items = found.split_off(&first_kept);
    Found {
        items: items.into_values().collect(),
        more: more || dropped > 0,
    }
}

struct Range<T> {
    /// The newest ones, by sequence.
    found: VecDeque<(u64, T)>,
    looked: usize,
}

async fn range<T>(
    reader: &Reader,
    look: &Look<'_>,
    subject: &str,
    (lower, upper): (u64, u64),
    wanted: &impl Fn(Stored) -> Option<T>,
) -> Result<Range<T>, ReadError> {
    let mut found = VecDeque::new();
    let mut looked = 0_usize;
    let mut from = lower;
    while from <= upper {
        let next = reader.next(look.stream, from, subject).await?;
        let Some(stored) = next.filter(|stored| stored.seq <= upper) else {
            break;
        };
        looked = looked.saturating_add(1);
        let seq = stored.seq;
        from = seq.saturating_add(1);
        if let Some(item) = wanted(stored) {
            found.push_back((seq, item));
            // One more than is wanted, to know that there are more.
            if found.len() > look.limit.saturating_add(1) {
                found.pop_front();
            }
        }
    }
    Ok(Range { found, looked })
}

/// Whether everything below `lower` is older than what is wanted.
async fn begins_before(reader: &Reader, look: &Look<'_>, lower: u64) -> Result<bool, ReadError> {
    let Some(since) = look.since else { return Ok(false) };
    let first = reader.next(look.stream, lower, ">").await?;
    Ok(first
        .and_then(|stored| stored.time.parse::<Timestamp>().ok())
        .is_some_and(|at| at < since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_window() {
        for (lower, upper) in [
            (1, 1),
            (1, 15),
            (1, 16),
            (1, 17),
            (65, 128),
            (1, 65_536),
            (7, 1_000),
        ] {
            let parts: Vec<(u64, u64)> = parts(lower, upper).collect();
            assert_eq!(
                (parts[0].0, parts[parts.len() - 1].1),
                (lower, upper),
                "{parts:?}"
            );
            assert!(
                parts.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn only_the_newest_are_kept_and_more_is_told() {
        let found: BTreeMap<u64, u64> = (1..=5).map(|n| (n, n)).collect();
        assert_eq!(
            finish(found.clone(), 2, false),
            Found {
                items: vec![4, 5],
                more: true
            }
        );
        assert_eq!(
            finish(found, 5, false),
            Found {
                items: vec![1, 2, 3, 4, 5],
                more: false
            }
        );
        assert_eq!(
            finish::<u64>(BTreeMap::new(), 5, false),
            Found {
                items: vec![],
                more: false
            }
        );
    }
}
