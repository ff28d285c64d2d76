//! Where reading goes on, given what a stream still keeps.

use serde::Serialize;

use super::position::Source;

/// What a stream keeps: its first and its last sequence. An empty one has a first that is one higher than its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The oldest record.
    pub first: u64,
    /// The newest record.
    pub last: u64,
}

/// Why records are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The stream does not keep them any more.
    Expired,
    /// The stream never came so far: the position is of another hive, or the stream was made anew.
    Unknown,
}

/// Records that a reader should have been shown and is not, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The stream, by its name in the feed.
    pub stream: &'static str,
    /// What the reader had read of it.
    pub after: u64,
    /// The first record that it can be shown.
    pub next: u64,
    /// Why.
    pub reason: GapReason,
}

/// After which sequence reading goes on, for a reader that has read up to `after`, and what it misses. Whoever begins
/// at 0 asks for what there is, and misses nothing.
pub fn resume(source: Source, after: u64, kept: Kept) -> (u64, Option<Gap>) {
    let oldest = kept.first.saturating_sub(1);
    let gap = |from: u64, reason| Gap {
        stream: source.as_str(),
        after,
        next: from.saturating_add(1),
        reason,
    };
    if after > kept.last {
        // From now on: the reader has asked for nothing of what is there.
        (kept.last, Some(gap(kept.last, GapReason::Unknown)))
    } else if after >= oldest {
        (after, None)
    } else if after == 0 {
        (oldest, None)
    } else {
        (oldest, Some(gap(oldest, GapReason::Expired)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_where_it_ended_or_says_what_is_missing() {
        let kept = Kept { first: 10, last: 20 };
        let empty = Kept { first: 21, last: 20 };
        let fresh = Kept { first: 1, last: 0 };
        for (after, kept, from, reason) in [
            (15, kept, 15, None),
            (20, kept, 20, None),
            (9, kept, 9, None),
            (8, kept, 9, Some(GapReason::Expired)),
            (1, kept, 9, Some(GapReason::Expired)),
            (0, kept, 9, None),
            (21, kept, 20, Some(GapReason::Unknown)),
            (20, empty, 20, None),
            (19, empty, 20, Some(GapReason::Expired)),
            (0, empty, 20, None),
            (0, fresh, 0, None),
            (1, fresh, 0, Some(GapReason::Unknown)),
            // A stream without any record may tell 0 of both.
            (0, Kept { first: 0, last: 0 }, 0, None),
        ] {
            let (next, gap) = resume(Source::Messages, after, kept);
            assert_eq!(
                (next, gap.map(|gap| gap.reason)),
                (from, reason),
                "{after} of {kept:?}"
            );
            if let Some(gap) = gap {
                assert_eq!((gap.after, gap.next), (after, from + 1));
            }
        }
    }
}
