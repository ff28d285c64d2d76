//! Snapshots: what the log says up to a line, whole, so that older lines can go; and when one is due (ADR 0042).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wagglebus_schemas::Timestamp;

use super::world::World;

/// Version of what a snapshot holds. It rises when a fold means something else than before, and not for a field that is new:
/// that one has a default for snapshots that lack it. A release reads the version before its own as well: what it cannot
/// read is lost to it once the log is purged. `tests/simulation/released` keeps
/// one of each form that there was.
pub const VERSION: u32 = 1;
/// How many snapshots are kept (TASKS 5).
pub const KEPT: usize = 3;

/// The log grew by this much of its bound since the last snapshot: a new one is due, in percent.
const GROWN_PERCENT: u64 = 20;
/// The log is purged when it holds this much of its bound, in percent.
const PURGE_PERCENT: u64 = 80;
/// What must have been added since the last snapshot so that another one is worth it when the log is to be purged, in
/// percent.
const SOME_PERCENT: u64 = 5;
/// Room is needed now, whatever is lost of older moments, in percent.
const NARROW_PERCENT: u64 = 95;
/// Age of the oldest line that no snapshot covers at which one is due, in milliseconds: 20 days. Each of the three that are
/// kept is then younger than the 90 days for which the log keeps its lines, so that each can still be completed.
const COVERED_WITHIN_MS: i64 = 20 * 86_400_000;

/// Whether this release reads snapshots of this version.
pub const fn is_readable(version: u32) -> bool {
    version == VERSION
}

/// A snapshot that is there, as far as letting it go is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelved {
    /// Sequence of the last line that it covers.
    pub seq: u64,
    /// Whether this release reads it.
    pub readable: bool,
}

/// Those of all snapshots, the newest first, that are not needed any more; the oldest line of the log is `first`. Those of
/// another release do not give way to newer ones of ours: with them that release goes on, as long as the log continues them.
pub fn outdated<T>(all: &[T], of: impl Fn(&T) -> Shelved, first: u64) -> Vec<&T> {
    let mut ours = 0;
    all.iter()
        .filter(|one| {
            let Shelved { seq, readable } = of(one);
            ours += usize::from(readable);
            if readable {
                ours > KEPT
            } else {
                seq.saturating_add(1) < first
            }
        })
        .collect()
}

/// The one that goes where there is no room for another one: none that is needed beside the new one to purge the log.
pub fn spare<T>(all: &[T], of: impl Fn(&T) -> Shelved) -> Option<&T> {
    let ours = all.iter().filter(|one| of(one).readable).count();
    let oldest = |readable: bool| all.iter().rev().find(|one| of(one).readable == readable);
    oldest(true).filter(|_| ours >= KEPT).or_else(|| oldest(false))
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// See [`VERSION`].
    pub version: u32,
    /// Sequence of the last line that it covers.
    pub seq: u64,
    /// The `Nats-Msg-Id` of that line: the same place in another log has another one.
    pub last_id: Option<String>,
    /// Sequence of the last decided record of each stream.
    pub decided: BTreeMap<String, u64>,
    /// When the last line was decided.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    head: &'a Head,
    world: &'a World,
}

#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    head: Head,
    world: World,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its bytes are no snapshot.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another release wrote it.
    #[error("it is of version {0}, this program reads {VERSION}")]
    Version(u32),
    /// Its parts contradict each other.
    #[error("it says that it covers the log up to {said}, and holds it up to {held}")]
    Contradicts {
        /// What it says.
        said: u64,
        /// What it holds.
        held: u64,
    },
}

/// A snapshot as it is stored, before it is compressed. `last_id` is the id of the last line that `world` was told.
///
/// # Errors
/// When something in it has no form in JSON; a mistake of ours.
pub fn encode(world: &World, last_id: Option<String>) -> Result<(Head, Vec<u8>), serde_json::Error> {
    let head = Head {
        version: VERSION,
        seq: world.last(),
        last_id,
        decided: world.all_decided().clone(),
        at: world.at(),
    };
    let bytes = serde_json::to_vec(&Written { head: &head, world })?;
    Ok((head, bytes))
}

/// Reads a stored snapshot.
///
/// # Errors
/// See [`SnapshotError`].
pub fn decode(bytes: &[u8]) -> Result<(Head, World), SnapshotError> {
    // What a later version holds need not be readable here, but for its head.
    let head: Head = serde_json::from_slice(bytes)?;
    if !is_readable(head.version) {
        return Err(SnapshotError::Version(head.version));
    }
    let Read { head, mut world } = serde_json::from_slice(bytes)?;
    world.derive();
    if head.seq != world.last() {
        return Err(SnapshotError::Contradicts {
            said: head.seq,
            held: world.last(),
        });
    }
    Ok((head, world))
}

/// The log as the server measures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSize {
    /// Sequence of its oldest line.
    pub first: u64,
    /// Sequence of its newest line.
    pub last: u64,
    /// What it holds, in bytes.
    pub bytes: u64,
    /// What it may hold, in bytes; `None` without a bound.
    pub max_bytes: Option<u64>,
    /// Age of its oldest line, in milliseconds.
    pub oldest_ms: i64,
}

/// A readable snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// Sequence of the last line that it covers.
    pub seq: u64,
    /// Age of that line, in milliseconds.
    pub age_ms: i64,
}

/// What is to be done about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Nothing.
    Rest,
    /// Write a snapshot.
    Snapshot,
    /// Drop all lines up to this one.
    Purge(u64),
}

impl LogSize {
    /// What is to be done now, given the readable snapshots, the newest first.
    ///
    /// The log is purged only as far as *two* snapshots cover it, so that it can still be told when the newer one cannot be
    /// read; where room is needed at once, the same moment is written twice for that.
    pub fn care(&self, covered: &[Covered]) -> Care {
        let newest = covered.first().filter(|newest| newest.seq >= self.first);
        let before = newest.map_or(self.first.saturating_sub(1), |newest| newest.seq);
        let uncovered = self.last.saturating_sub(before);
        let lines = self.last.saturating_sub(self.first).saturating_add(1).max(1);
        // Lines are about equally long.
        let percent = self.percent().saturating_mul(uncovered) / lines;
        let age_ms = newest.map_or(self.oldest_ms, |newest| newest.age_ms);
        if uncovered > 0 && (percent >= GROWN_PERCENT || age_ms >= COVERED_WITHIN_MS) {
            return Care::Snapshot;
        }
        if self.percent() < PURGE_PERCENT {
            return Care::Rest;
        }
        if let Some(twice) = covered.get(1).filter(|twice| twice.seq >= self.first) {
            return Care::Purge(twice.seq);
        }
        let narrow = self.percent() >= NARROW_PERCENT && (uncovered > 0 || newest.is_some());
        if percent >= SOME_PERCENT || narrow {
            Care::Snapshot
        } else {
            Care::Rest
        }
    }

    /// How full it is, in percent; 0 without a bound.
    pub fn percent(&self) -> u64 {
        let max = self.max_bytes.filter(|max| *max > 0);
        max.map_or(0, |max| self.bytes.saturating_mul(100) / max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(first: u64, last: u64, percent: u64) -> LogSize {
        LogSize {
            first,
            last,
            bytes: percent * 10,
            max_bytes: Some(1_000),
            oldest_ms: 0,
        }
    }

    fn at<const N: usize>(seqs: [u64; N]) -> [Covered; N] {
        seqs.map(|seq| Covered { seq, age_ms: 0 })
    }

    #[test]
    fn a_snapshot_is_due_when_the_log_grew_by_a_fifth() {
        assert_eq!(log(1, 19, 19).care(&[]), Care::Rest);
        assert_eq!(log(1, 20, 20).care(&[]), Care::Snapshot);
        assert_eq!(log(1, 39, 39).care(&at([20])), Care::Rest);
        assert_eq!(log(1, 40, 40).care(&at([20])), Care::Snapshot);
        assert_eq!(log(1, 40, 40).care(&at([40, 20])), Care::Rest);
    }

    #[test]
    fn or_when_the_oldest_line_without_one_is_old() {
        let old = LogSize {
            oldest_ms: COVERED_WITHIN_MS,
            max_bytes: None,
            ..log(5, 9, 0)
        };
        assert_eq!(old.care(&[]), Care::Snapshot);
        assert_eq!(old.care(&at([4])), Care::Snapshot);
        assert_eq!(old.care(&at([7])), Care::Rest);
        let (seq, age_ms) = (7, COVERED_WITHIN_MS);
        assert_eq!(old.care(&[Covered { seq, age_ms }]), Care::Snapshot);
        assert_eq!(old.care(&at([9])), Care::Rest);
        assert_eq!(
            LogSize { first: 10, ..old }.care(&at([9])),
            Care::Rest,
            "an empty log"
        );
    }

    #[test]
    fn it_is_purged_as_far_as_two_snapshots_cover_it() {
        assert_eq!(log(1, 79, 79).care(&at([60, 40])), Care::Rest);
        assert_eq!(log(1, 79, 80).care(&at([60, 40])), Care::Purge(40));
        assert_eq!(log(41, 160, 80).care(&at([155, 40])), Care::Rest);
        assert_eq!(log(41, 160, 80).care(&at([140, 40])), Care::Snapshot);
        assert_eq!(log(41, 160, 80).care(&at([160, 140, 40])), Care::Purge(140));
    }

    #[test]
    fn a_full_log_gets_room_though_nothing_more_can_be_written() {
        let full = log(1, 100, 100);
        assert_eq!(full.care(&[]), Care::Snapshot);
        assert_eq!(
            full.care(&at([100])),
            Care::Snapshot,
            "a second one of the same moment"
        );
        assert_eq!(full.care(&at([100, 100])), Care::Purge(100));
        assert_eq!(log(101, 100, 0).care(&at([100, 100])), Care::Rest);
        assert_eq!(log(100, 100, 100).care(&at([99, 99])), Care::Snapshot);
    }

    fn shelved<const N: usize>(all: [(u64, bool); N]) -> [Shelved; N] {
        all.map(|(seq, readable)| Shelved { seq, readable })
    }

    fn seqs(all: &[&Shelved]) -> Vec<u64> {
        all.iter().map(|one| one.seq).collect()
    }

    #[test]
    fn three_of_ours_are_kept_and_those_of_another_release_while_the_log_continues_them() {
        let all = shelved([
            (90, true),
            (80, true),
            (70, true),
            (60, true),
            (50, false),
            (40, false),
        ]);
        assert_eq!(seqs(&outdated(&all, |one| *one, 1)), [60]);
        assert_eq!(seqs(&outdated(&all, |one| *one, 51)), [60, 40]);
        assert_eq!(seqs(&outdated(&all, |one| *one, 61)), [60, 50, 40]);
    }

    #[test]
    fn where_there_is_no_room_the_oldest_goes_that_is_not_needed() {
        let spared = |all: &[Shelved]| spare(all, |one| *one).map(|one| one.seq);
        let others = shelved([(60, false), (50, false)]);
        assert_eq!(spared(&others), Some(50));
        assert_eq!(spared(&shelved([(90, true), (80, true)])), None);
        assert_eq!(
            spared(&shelved([(90, true), (80, true), (70, true), (60, false)])),
            Some(70)
        );
        assert_eq!(spared(&shelved([(90, true), (80, true), (60, false)])), Some(60));
    }
}
