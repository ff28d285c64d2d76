//! One window of sequences, read forwards in parts.

use std::collections::VecDeque;

use super::{Look, Messages};
use crate::reader::{ReadError, Stored};

/// Parts of a window that are read at once.
const PARTS: u64 = 16;

/// A window in parts that are read at once: one answer brings one message, so time goes by in waiting.
pub(super) fn parts(lower: u64, upper: u64) -> impl Iterator<Item = (u64, u64)> {
    let length = (upper.saturating_sub(lower) / PARTS).saturating_add(1);
    (0..PARTS)
        .map(move |part| {
            let first = lower.saturating_add(part.saturating_mul(length));
            (first, upper.min(first.saturating_add(length).saturating_sub(1)))
        })
        .filter(|(first, last)| first <= last)
}

/// What a part holds.
pub(super) struct Range<T> {
    /// The newest ones, by sequence.
    pub(super) found: VecDeque<(u64, T)>,
    /// How many messages were looked at.
    pub(super) looked: usize,
}

/// # Errors
/// When the bus does not answer.
pub(super) async fn range<T>(
    reader: &impl Messages,
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
}
