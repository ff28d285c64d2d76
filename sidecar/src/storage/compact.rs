//! Compaction: what still counts of an old segment is copied to the end of the spool, then the segment is deleted.
//!
//! It runs in slices between other work. A segment of which more than half still counts is left alone; the next round
//! looks at the next one.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::task::JoinHandle;
use wagglebus_sidecar_core::journal::{Journal, Location};
use wagglebus_sidecar_core::ledger::{Keep, Ledger};
use wagglebus_sidecar_core::machine::Sidecar;
use wagglebus_sidecar_core::record::Record;
use wagglebus_sidecar_core::spool::{Item, Scanner, SegmentId};

use super::{SEGMENT_BYTES, Storage, recover};

/// Segments that are never compacted: the one being written and the one before it.
const YOUNG: usize = 2;
/// Records copied in one slice.
const SLICE: usize = 64;

/// A record that may have to be copied.
type Scanned = Vec<(Record, Location, Bytes)>;

/// A compaction in its course.
#[derive(Default)]
pub(crate) struct Compaction {
    stage: Stage,
    /// Number of the segment that was looked at last.
    cursor: u64,
    /// Number of segments at the last look: a new look is worth it once there are more.
    looked_at: usize,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Scanning {
        number: u64,
        scan: JoinHandle<Option<Scanned>>,
    },
    Copying {
        number: u64,
        records: std::vec::IntoIter<(Record, Location, Bytes)>,
    },
    /// Everything is copied; the segment goes once the copies survive a power cut.
    Copied { number: u64, position: u64 },
}

impl Compaction {
    /// Whether [`advance`](Self::advance) has something to do now.
    pub(crate) fn is_runnable(&self, storage: &Storage) -> bool {
        match &self.stage {
            Stage::Idle => storage.segments.len() > self.looked_at.max(YOUNG),
            Stage::Scanning { scan, .. } => scan.is_finished(),
            Stage::Copying { .. } => true,
            Stage::Copied { .. } => false,
        }
    }

    /// One slice of work. Needs a tokio runtime for the scan.
    pub(crate) async fn advance(&mut self, storage: &mut Storage, sidecar: &mut Sidecar) {
        self.stage = match std::mem::take(&mut self.stage) {
            Stage::Idle => self.look(storage),
            Stage::Scanning { number, scan } => match scan.await {
                Ok(Some(records)) => choose(number, records, sidecar.ledger()),
                Ok(None) | Err(_) => Stage::Idle,
            },
            Stage::Copying { number, records } => copy(number, records, storage, sidecar),
            copied @ Stage::Copied { .. } => copied,
        };
    }

    /// Everything up to `position` survives a power cut.
    pub(crate) fn synced(&mut self, storage: &mut Storage, up_to: u64) {
        if let Stage::Copied { number, position } = self.stage
            && position <= up_to
        {
            self.stage = Stage::Idle;
            if let Some(segment) = storage.segments.remove(&number) {
                // A file that stays is read again at the next start: its records merge into what is known.
                if let Err(error) = std::fs::remove_file(&segment.path) {
                    tracing::warn!(segment = number, %error, "cannot delete a compacted segment");
                }
                storage.folder_changed = true;
            }
            self.looked_at = storage.segments.len();
        }
    }

    fn look(&mut self, storage: &Storage) -> Stage {
        self.looked_at = storage.segments.len();
        let old = storage.segments.len().saturating_sub(YOUNG);
        let numbers: Vec<u64> = storage.segments.keys().copied().take(old).collect();
        let next = numbers
            .iter()
            .find(|number| **number > self.cursor)
            .or_else(|| numbers.first());
        let Some(segment) = next.and_then(|number| storage.segments.get(number)) else {
            return Stage::Idle;
        };
        self.cursor = segment.id.number;
        let (id, path) = (segment.id, segment.path.clone());
        Stage::Scanning {
            number: id.number,
            scan: tokio::task::spawn_blocking(move || scan(id, path)),
        }
    }
}

/// Reads a segment whole. `None`: damaged or of another version, so it is kept as it is.
fn scan(id: SegmentId, path: PathBuf) -> Option<Scanned> {
    let bytes = Bytes::from(std::fs::read(path).ok()?);
    let mut records = Vec::new();
    for item in Scanner::open(&bytes, Some(id)).ok()? {
        let Item::Found { payload, .. } = item else {
            return None;
        };
        let end = payload.end;
        let (record, location) = recover::parse(id, &bytes, payload).ok()?;
        let body = bytes.slice(usize::try_from(location.offset).ok()?.min(end)..end);
        records.push((record, location, body));
    }
    Some(records)
}

fn choose(number: u64, records: Scanned, ledger: &Ledger) -> Stage {
    let kept: Scanned = records
        .into_iter()
        .filter(|(record, at, _)| ledger.keep(record, *at).is_some())
        .collect();
    let bytes: u64 = kept.iter().map(|(_, location, _)| u64::from(location.len)).sum();
    if bytes > SEGMENT_BYTES / 2 {
        return Stage::Idle;
    }
    Stage::Copying {
        number,
        records: kept.into_iter(),
    }
}

fn copy(
    number: u64,
    mut records: std::vec::IntoIter<(Record, Location, Bytes)>,
    storage: &mut Storage,
    sidecar: &mut Sidecar,
) -> Stage {
    for (record, location, body) in records.by_ref().take(SLICE) {
        // Asked again: what counted when the segment was read may be finished by now.
        let (record, body) = match sidecar.ledger().keep(&record, location) {
            None => continue,
            Some(Keep::Whole) => (record, body),
            Some(Keep::Head(head)) => (*head, Bytes::new()),
        };
        match storage.append(&record, &body) {
            Ok(written) => sidecar.relocated(record, written.location),
            Err(error) => {
                tracing::warn!(segment = number, %error, "compaction stopped");
                return Stage::Idle;
            }
        }
    }
    if records.len() > 0 {
        return Stage::Copying { number, records };
    }
    storage.sync();
    Stage::Copied {
        number,
        position: storage.position(),
    }
}
