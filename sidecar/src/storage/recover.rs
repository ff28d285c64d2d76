//! Opening a spool: reading every record back, and reporting what is damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use wagglebus_sidecar_core::journal::Location;
use wagglebus_sidecar_core::ledger::Ledger;
use wagglebus_sidecar_core::record::{Record, RecordError};
use wagglebus_sidecar_core::spool::{Item, Report, Scanner, SegmentError, SegmentId, Writer};

use super::{Segment, Storage, SyncReport, Syncer};

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    /// The system refused.
    #[error("cannot read spool {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer version wrote it.
    #[error(
        "spool segment {number} has format {format}, which this version does not know; use the version that wrote it"
    )]
    UnknownFormat {
        /// Its number.
        number: u64,
        /// Its format.
        format: u32,
    },
}

/// An opened spool.
pub(crate) struct Recovered {
    /// For appending and reading.
    pub(crate) storage: Storage,
    /// What its records add up to.
    pub(crate) ledger: Ledger,
    /// What the syncer reports.
    pub(crate) syncs: mpsc::UnboundedReceiver<SyncReport>,
    /// What is damaged, for people.
    pub(crate) findings: Vec<String>,
}

/// Reads a spool folder.
///
/// # Errors
/// See [`RecoverError`]. Damage is no error: what can be read is read, and the rest is reported.
pub(crate) fn recover(dir: &Path) -> Result<Recovered, RecoverError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| RecoverError::Io { path, source }
    };
    let dir_file = Arc::new(File::open(dir).map_err(io(dir))?);
    let mut names: Vec<SegmentId> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io(dir))? {
        let name = entry.map_err(io(dir))?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse::<SegmentId>().ok()));
    }
    names.sort_by_key(|id| id.number);
    let (syncer, syncs) = Syncer::start().map_err(io(dir))?;
    let mut reading = Reading::default();
    for id in names {
        reading.segment(dir, id).map_err(|error| match error {
            ReadError::Io(source) => io(&dir.join("segment"))(source),
            ReadError::UnknownFormat(format) => RecoverError::UnknownFormat {
                number: id.number,
                format,
            },
        })?;
    }
    let Reading {
        segments,
        records,
        writer,
        findings,
    } = reading;
    let ledger = Ledger::fold(records);
    let unsynced = segments.values().map(|segment| segment.file.clone()).collect();
    let storage = Storage {
        dir: dir.to_owned(),
        dir_file,
        segments,
        writer,
        buffer: Vec::new(),
        position: 0,
        syncer,
        // A process that was killed may have left them unsynced.
        unsynced,
        folder_changed: true,
        syncing: false,
        sync_again: false,
    };
    Ok(Recovered {
        storage,
        ledger,
        syncs,
        findings,
    })
}

enum ReadError {
    Io(std::io::Error),
    UnknownFormat(u32),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Default)]
struct Reading {
    segments: BTreeMap<u64, Segment>,
    records: Vec<(Record, Location)>,
    /// For the last segment, when it can be appended to.
    writer: Option<Writer>,
    findings: Vec<String>,
}

impl Reading {
    fn segment(&mut self, dir: &Path, id: SegmentId) -> Result<(), ReadError> {
        // Whatever comes after, only the last segment is appended to.
        self.writer = None;
        let path = dir.join(id.to_string());
        let file = File::options().read(true).write(true).open(&path)?;
        let bytes = std::fs::read(&path)?;
        let scanner = match Scanner::open(&bytes, Some(id)) {
            Ok(scanner) => scanner,
            Err(SegmentError::UnknownFormat { format }) => return Err(ReadError::UnknownFormat(format)),
            Err(error @ SegmentError::Unreadable) => {
                self.findings.push(format!("segment {}: {error}", id.number));
                return Ok(());
            }
        };
        let id = scanner.id();
        let mut report = Report::new(id);
        let mut end = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        for item in scanner {
            report.add(&item);
            match item {
                Item::Found { payload, .. } => self.record(id, &bytes, payload),
                Item::TornTail { offset, .. } => {
                    file.set_len(offset)?;
                    end = offset;
                }
                Item::Damage(_) => {}
            }
        }
        if end == 0 {
            std::fs::remove_file(&path)?;
            return Ok(());
        }
        if !report.is_clean() {
            self.findings.push(report.to_string());
        }
        self.writer = report.damage.is_empty().then(|| Writer::resume(id, end));
        self.segments.insert(
            id.number,
            Segment {
                id,
                path,
                file: Arc::new(file),
                bytes: end,
            },
        );
        Ok(())
    }

    fn record(&mut self, id: SegmentId, bytes: &[u8], payload: std::ops::Range<usize>) {
        match parse(id, bytes, payload) {
            Ok(record) => self.records.push(record),
            Err(error) => self.findings.push(format!(
                "segment {}: a record of another version: {error}",
                id.number
            )),
        }
    }
}

/// A scanned payload as a record and the place of its body.
pub(super) fn parse(
    id: SegmentId,
    bytes: &[u8],
    payload: std::ops::Range<usize>,
) -> Result<(Record, Location), RecordError> {
    let (record, head_len) = Record::parse(bytes.get(payload.clone()).unwrap_or_default())?;
    let offset = payload.start.saturating_add(head_len);
    let location = Location {
        segment: id.number,
        offset: u64::try_from(offset).unwrap_or(u64::MAX),
        len: u32::try_from(payload.end.saturating_sub(offset)).unwrap_or(u32::MAX),
    };
    Ok((record, location))
}
