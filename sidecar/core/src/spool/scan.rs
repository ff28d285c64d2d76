//! Reads a segment: every record that holds, and every byte that does not.

use std::collections::VecDeque;
use std::ops::Range;

use super::record::{HEADER_COPY_LEN, RECORD_HEADER_LEN, RecordHeader};
use super::segment::{HeaderCopy, SECTOR, SEGMENT_HEADER_LEN, SegmentError, SegmentId};

/// What the scanner meets, in the order of the file (findings about the segment header first).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An intact record.
    Found {
        /// Where its header begins, in bytes from the start of the segment.
        offset: u64,
        /// Where its payload lies in the scanned bytes.
        payload: Range<usize>,
    },
    /// Something is wrong here; later records are still found.
    Damage(Damage),
    /// The last item: from `offset` on no record is complete. Cut the file there.
    ///
    /// Normal after a crash: the write was cut short, before its sync. At offset 0 not even
    /// the header is whole, and the segment holds nothing.
    TornTail {
        /// Where the last good byte ends.
        offset: u64,
        /// Bytes from there to the end of the file.
        len: u64,
    },
}

/// A damaged stretch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// First byte, from the start of the segment.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// What it was, and so what it cost.
    pub kind: DamageKind,
}

/// What a damaged stretch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The file name is another segment's. Nothing is lost.
    FileName,
    /// One copy of the segment header. Nothing is lost.
    SegmentHeader,
    /// One copy of a record header. Nothing is lost: the record follows.
    RecordHeader,
    /// A payload that fails its CRC: one record is lost, header and payload.
    Payload,
    /// No record begins where one should: at least one is lost.
    Unreadable,
}

/// Iterator over a segment's [`Item`]s. Takes time linear in the bytes, whatever they are.
#[derive(Debug)]
pub struct Scanner<'a> {
    id: SegmentId,
    bytes: &'a [u8],
    position: usize,
    pending: VecDeque<Item>,
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<usize>,
}

impl<'a> Scanner<'a> {
    /// Opens a segment of which the file name said `name` (`None`: no name to go by).
    ///
    /// Name and header copies normally agree. Where they do not, the first of them (name,
    /// first copy, second copy) under which a record is found is right: a misdirected
    /// write may have replaced both copies by another segment's.
    ///
    /// # Errors
    /// [`SegmentError`] when the header is of another format, or lost together with the name.
    pub fn open(bytes: &'a [u8], name: Option<SegmentId>) -> Result<Self, SegmentError> {
        let copies = [HeaderCopy::read(bytes, 0), HeaderCopy::read(bytes, 1)];
        let stated = copies.map(|copy| match copy {
            HeaderCopy::Known(id) => Some(id),
            HeaderCopy::UnknownFormat(_) | HeaderCopy::Damaged => None,
        });
        let [first, second] = stated;
        if let (None, Some(format)) = (first.or(second), copies.into_iter().find_map(unknown_format)) {
            return Err(SegmentError::UnknownFormat { format });
        }

        let scanner = |id| Self {
            id,
            bytes,
            position: SEGMENT_HEADER_LEN,
            pending: VecDeque::new(),
            #[cfg(test)]
            steps: std::cell::Cell::default(),
        };
        let most_trusted = name.or(first).or(second).ok_or(SegmentError::Unreadable)?;
        let candidates = || [name, first, second].into_iter().flatten();
        let id = if candidates().all(|id| id == most_trusted) {
            most_trusted
        } else {
            let has_records = |id: &SegmentId| scanner(*id).find_record(SEGMENT_HEADER_LEN).is_some();
            candidates().find(has_records).unwrap_or(most_trusted)
        };

        let mut scanner = scanner(id);
        scanner.report_header(name, stated);
        Ok(scanner)
    }

    /// The segment's identity, on which its records agree.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Queues what `open` has to say, and ends the scan where not even the header is whole.
    fn report_header(&mut self, name: Option<SegmentId>, stated: [Option<SegmentId>; 2]) {
        if self.bytes.len() < SEGMENT_HEADER_LEN {
            self.position = 0;
            let torn = self.torn_tail();
            self.pending.push_back(torn);
            return;
        }
        if name.is_some_and(|name| name != self.id) {
            self.pending.push_back(damage(0, 0, DamageKind::FileName));
        }
        for (copy, offset) in stated.into_iter().zip([0, SECTOR]) {
            if copy != Some(self.id) {
                self.pending
                    .push_back(damage(offset, SECTOR, DamageKind::SegmentHeader));
            }
        }
    }

    /// The record at `start`, whose header holds; steps over all of it, intact or not.
    fn record(&mut self, start: usize, header: RecordHeader, bad_copy: Option<usize>) -> Item {
        let body = start.saturating_add(RECORD_HEADER_LEN);
        let end = body.saturating_add(header.len as usize);
        let Some(payload) = self.bytes.get(body..end) else {
            return self.torn_tail();
        };
        self.step(payload.len());
        self.position = end;
        if !header.holds_for(payload) {
            return damage(start, end.saturating_sub(start), DamageKind::Payload);
        }
        let found = Item::Found {
            offset: start as u64,
            payload: body..end,
        };
        match bad_copy {
            None => found,
            Some(copy) => {
                self.pending.push_back(found);
                damage(copy, HEADER_COPY_LEN, DamageKind::RecordHeader)
            }
        }
    }

    /// No header at `start`: everything up to the next one is unreadable, or the tail is torn.
    fn resynchronise(&mut self, start: usize) -> Item {
        match self.find_record(start.saturating_add(1)) {
            Some(next) => {
                self.position = next;
                damage(start, next.saturating_sub(start), DamageKind::Unreadable)
            }
            None => self.torn_tail(),
        }
    }

    fn torn_tail(&mut self) -> Item {
        let offset = self.position;
        self.position = self.bytes.len();
        Item::TornTail {
            offset: offset as u64,
            len: self.bytes.len().saturating_sub(offset) as u64,
        }
    }

    /// The first offset, at or after `from`, of a record of which one header copy holds.
    ///
    /// The payload is not asked: a header that holds was written here, and checking each
    /// claimed length would make hostile input cost quadratic time.
    fn find_record(&self, from: usize) -> Option<usize> {
        let marker = self.id.marker();
        let mut at = from;
        loop {
            let skipped = self
                .bytes
                .get(at..)?
                .windows(marker.len())
                .position(|window| window == marker);
            self.step(skipped.unwrap_or(self.bytes.len().saturating_sub(at)));
            let hit = at.saturating_add(skipped?);
            // The hit is a first copy, or the second copy of a header whose first is gone.
            let mut starts = [hit.checked_sub(HEADER_COPY_LEN), Some(hit)]
                .into_iter()
                .flatten();
            if let Some(start) = starts.find(|&start| start >= from && self.header_at(start).is_some()) {
                return Some(start);
            }
            at = hit.saturating_add(1);
        }
    }

    /// The header of a record at `start`, and where its bad copy is, if one is bad.
    fn header_at(&self, start: usize) -> Option<(RecordHeader, Option<usize>)> {
        self.step(RECORD_HEADER_LEN);
        let second_at = start.saturating_add(HEADER_COPY_LEN);
        let read = |at| RecordHeader::read(self.bytes.get(at..)?, self.id, start as u64);
        match (read(start), read(second_at)) {
            (Some(first), second) => Some((first, (second != Some(first)).then_some(second_at))),
            (None, Some(second)) => Some((second, Some(start))),
            (None, None) => None,
        }
    }

    /// Counts bytes looked at; the tests hold the total against the length of the input.
    fn step(&self, _bytes: usize) {
        #[cfg(test)]
        self.steps.set(self.steps.get().saturating_add(_bytes));
    }
}

impl Iterator for Scanner<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(item) = self.pending.pop_front() {
            return Some(item);
        }
        let start = self.position;
        if start >= self.bytes.len() {
            return None;
        }
        Some(match self.header_at(start) {
            Some((header, bad_copy)) => self.record(start, header, bad_copy),
            None => self.resynchronise(start),
        })
    }
}

fn damage(offset: usize, len: usize, kind: DamageKind) -> Item {
    Item::Damage(Damage {
        offset: offset as u64,
        len: len as u64,
        kind,
    })
}

fn unknown_format(copy: HeaderCopy) -> Option<u32> {
    match copy {
        HeaderCopy::UnknownFormat(format) => Some(format),
        HeaderCopy::Known(_) | HeaderCopy::Damaged => None,
    }
}
