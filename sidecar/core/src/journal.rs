//! The one thing that the core asks of the world while it decides: to write a record.

use bytes::Bytes;

use crate::record::Record;

/// Where a record's payload lies in the spool, so that it can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Number of the segment.
    pub segment: u64,
    /// Offset of the payload in the segment's file, in bytes.
    pub offset: u64,
    /// Length of the payload in bytes.
    pub len: u32,
}

/// Where a record came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its payload.
    pub location: Location,
    /// Counts all bytes ever appended by this process: once the storage says that it synced up to here, the record
    /// survives a power cut.
    pub position: u64,
}

/// Why a record could not be written; nothing of it counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk or the spool's bound is exhausted.
    #[error("spool is full: {0}")]
    Full(String),
    /// The disk failed.
    #[error("spool cannot be written: {0}")]
    Io(String),
}

/// Appends records to the spool.
///
/// When `append` returns, the record has left the process (it survives `kill -9`); whether it also survives a power cut
/// is told later by the position that was synced.
pub trait Journal {
    /// Appends one record with its payload.
    ///
    /// # Errors
    /// [`JournalError`]; the record was then not written and its effect must not happen.
    fn append(&mut self, record: &Record, payload: &Bytes) -> Result<Written, JournalError>;
}
