//! The spool on disk: segments in a folder, written by the event loop, synced by a thread of its own.
//!
//! A record is written inline: when [`Journal::append`] returns it has left the process. The event loop never syncs;
//! [`Storage::sync`] asks the syncer, which groups what has come meanwhile.

mod compact;
mod folder;
mod recover;
mod syncer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use wagglebus_sidecar_core::journal::{Journal, JournalError, Location, Written};
use wagglebus_sidecar_core::record::Record;
use wagglebus_sidecar_core::spool::{RECORD_HEADER_LEN, SegmentId, Writer};

pub(crate) use compact::Compaction;
pub(crate) use folder::{FolderError, StateFolder};
pub(crate) use recover::{RecoverError, Recovered, recover};
pub(crate) use syncer::{SyncReport, Syncer};

/// Length at which a segment is full and the next one begins, in bytes.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// A segment's file, open for reading (and, the last one, for writing).
struct Segment {
    id: SegmentId,
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
}

/// The spool of one agent.
pub(crate) struct Storage {
    dir: PathBuf,
    dir_file: Arc<File>,
    segments: BTreeMap<u64, Segment>,
    writer: Option<Writer>,
    buffer: Vec<u8>,
    position: u64,
    syncer: Syncer,
    unsynced: Vec<Arc<File>>,
    folder_changed: bool,
    syncing: bool,
    sync_again: bool,
}

impl Storage {
    /// A number that counts all bytes appended by this process.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Reads a record's body again.
    pub(crate) fn read(&self, location: Location) -> std::io::Result<Bytes> {
        let segment = self.segments.get(&location.segment).ok_or_else(gone)?;
        read_at(&segment.file, location)
    }

    /// Reads bodies elsewhere than on the event loop: from the segments that there are now, also after they were
    /// compacted.
    pub(crate) fn reader(&self) -> SpoolReader {
        let files = self.segments.iter();
        SpoolReader(
            files
                .map(|(number, segment)| (*number, segment.file.clone()))
                .collect(),
        )
    }

    /// Has everything appended so far synced: now, or after the round that is under way, so that one round groups all
    /// that came meanwhile.
    pub(crate) fn sync(&mut self) {
        if self.syncing {
            self.sync_again = true;
            return;
        }
        self.sync_again = false;
        let folder = std::mem::take(&mut self.folder_changed).then(|| self.dir_file.clone());
        self.syncing = self
            .syncer
            .begin(std::mem::take(&mut self.unsynced), folder, self.position);
    }

    /// A round of the syncer ended.
    pub(crate) fn synced(&mut self) {
        self.syncing = false;
        if self.sync_again {
            self.sync();
        }
    }

    fn active(&mut self) -> Result<(&mut Writer, &mut Segment), JournalError> {
        let full = self
            .writer
            .as_ref()
            .is_none_or(|writer| writer.end() >= SEGMENT_BYTES);
        if full {
            self.roll()?;
        }
        let segment = self.segments.values_mut().next_back();
        self.writer
            .as_mut()
            .zip(segment)
            .ok_or_else(|| JournalError::Io("no segment is open".to_owned()))
    }

    /// Begins a new segment.
    fn roll(&mut self) -> Result<(), JournalError> {
        let number = self
            .segments
            .last_key_value()
            .map_or(1, |(number, _)| number.saturating_add(1));
        let id = SegmentId {
            number,
            salt: uuid::Uuid::new_v4().as_u64_pair().0,
        };
        let path = self.dir.join(id.to_string());
        let mut header = Vec::new();
        let writer = Writer::create(id, &mut header);
        let create = || -> std::io::Result<File> {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            file.write_all(&header)?;
            Ok(file)
        };
        let file = Arc::new(create().map_err(|error| {
            // A half-made segment holds nothing; without its file the next attempt may use the number again.
            std::fs::remove_file(&path).ok();
            journal_error(&error)
        })?);
        self.folder_changed = true;
        self.unsynced.push(file.clone());
        self.segments.insert(
            number,
            Segment {
                id,
                path,
                file,
                bytes: writer.end(),
            },
        );
        self.writer = Some(writer);
        Ok(())
    }
}

impl Journal for Storage {
    fn append(&mut self, record: &Record, body: &Bytes) -> Result<Written, JournalError> {
        let head = record.head();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let (writer, segment) = self.active()?;
        let end = writer.end();
        let offset = writer
            .append(&[&head, body], &mut buffer)
            .map_err(|e| JournalError::Io(e.to_string()))?;
        if let Err(error) = segment.file.write_all_at(&buffer, end) {
            // Nothing of a record counts unless all of it was written.
            let cut = segment.file.set_len(end);
            *writer = Writer::resume(segment.id, end);
            if cut.is_err() {
                self.writer = None;
            }
            return Err(journal_error(&error));
        }
        segment.bytes = writer.end();
        let (file, number) = (segment.file.clone(), segment.id.number);
        let head_len = u64::try_from(RECORD_HEADER_LEN.saturating_add(head.len())).unwrap_or(u64::MAX);
        self.position = self
            .position
            .saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        self.buffer = buffer;
        if self.unsynced.last().is_none_or(|last| !Arc::ptr_eq(last, &file)) {
            self.unsynced.push(file);
        }
        let location = Location {
            segment: number,
            offset: offset.saturating_add(head_len),
            len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        };
        Ok(Written {
            location,
            position: self.position,
        })
    }
}

/// A view of the spool's files for reading.
pub(crate) struct SpoolReader(BTreeMap<u64, Arc<File>>);

impl SpoolReader {
    /// Reads a record's body.
    pub(crate) fn read(&self, location: Location) -> std::io::Result<Bytes> {
        read_at(self.0.get(&location.segment).ok_or_else(gone)?, location)
    }
}

fn read_at(file: &File, location: Location) -> std::io::Result<Bytes> {
    let mut body = vec![0; usize::try_from(location.len).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut body, location.offset)?;
    Ok(body.into())
}

fn gone() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "its segment is gone")
}

fn journal_error(error: &std::io::Error) -> JournalError {
    let full = [
        std::io::ErrorKind::StorageFull,
        std::io::ErrorKind::QuotaExceeded,
        std::io::ErrorKind::FileTooLarge,
    ];
    if full.contains(&error.kind()) {
        JournalError::Full(error.to_string())
    } else {
        JournalError::Io(error.to_string())
    }
}
