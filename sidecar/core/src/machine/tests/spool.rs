//! A spool in memory, which can be full, lose its unsynced tail, and be read again.

use bytes::Bytes;
use wagglebus_schemas::Id;

use crate::context::FreshIds;
use crate::journal::{Journal, JournalError, Location, Written};
use crate::ledger::Ledger;
use crate::record::Record;

/// Records in the order of writing. A record's place is its index.
#[derive(Debug, Default)]
pub(super) struct Spool {
    pub(super) records: Vec<(Record, Bytes)>,
    /// Nothing can be written.
    pub(super) full: bool,
    /// This many records can be written, and then none.
    pub(super) room: Option<usize>,
}

impl Spool {
    pub(super) fn ledger(&self) -> Ledger {
        let placed = self.records.iter().enumerate();
        Ledger::fold(placed.map(|(n, (record, body))| (record.clone(), location(n, body))))
    }

    pub(super) fn body(&self, at: Location) -> Bytes {
        self.records[usize::try_from(at.offset).unwrap()].1.clone()
    }

    pub(super) fn position(&self) -> u64 {
        self.records.len() as u64
    }
}

fn location(n: usize, body: &Bytes) -> Location {
    Location {
        segment: 1,
        offset: n as u64,
        len: u32::try_from(body.len()).unwrap(),
    }
}

impl Journal for Spool {
    fn append(&mut self, record: &Record, payload: &Bytes) -> Result<Written, JournalError> {
        if self.full || self.room == Some(0) {
            return Err(JournalError::Full("no space left on device".into()));
        }
        self.room = self.room.map(|room| room - 1);
        // What a restart reads is what was written.
        let head = record.head();
        assert_eq!(Record::parse(&head).unwrap().0, *record);
        let location = location(self.records.len(), payload);
        self.records.push((record.clone(), payload.clone()));
        let position = self.position();
        Ok(Written { location, position })
    }
}

/// Ids in sequence; `world` keeps those of different machines apart.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) world: u32,
    pub(super) last: u64,
}

impl FreshIds for Sequence {
    fn fresh(&mut self) -> Id {
        self.last += 1;
        Id::from_bytes((u128::from(self.world) << 96 | u128::from(self.last)).to_be_bytes())
    }
}
