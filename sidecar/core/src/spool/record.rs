//! One record: its header, and the writer that puts records one after another.

use crc32c::{crc32c, crc32c_append};

use super::segment::{SEGMENT_HEADER_LEN, SegmentId, take};

/// Largest payload in bytes. A message is at most 320 KiB as encoded for the bus.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Bytes before a record's payload: the record header, twice.
pub const RECORD_HEADER_LEN: usize = 2 * HEADER_COPY_LEN;

pub(super) const HEADER_COPY_LEN: usize = 20;

/// A payload over [`MAX_PAYLOAD`]; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record payload of {len} bytes is over the spool's limit of {MAX_PAYLOAD}")]
pub struct PayloadTooLarge {
    /// The payload's length in bytes.
    pub len: usize,
}

/// Makes the bytes of one segment, in order.
///
/// Records are bound to their offset, so the bytes must reach the file exactly where
/// the writer believes its end is. After a failed or short write: cut the file back
/// and [`resume`](Self::resume).
#[derive(Debug)]
pub struct Writer {
    id: SegmentId,
    end: u64,
}

impl Writer {
    /// Begins a new segment: appends its header to `out`. Sync header and folder before
    /// the first record counts as stored.
    pub fn create(id: SegmentId, out: &mut Vec<u8>) -> Self {
        id.write_header(out);
        Self {
            id,
            end: SEGMENT_HEADER_LEN as u64,
        }
    }

    /// Goes on at `end`, the byte offset of the next record: the end of a clean file or
    /// the offset of a torn tail that was cut.
    pub fn resume(id: SegmentId, end: u64) -> Self {
        Self { id, end }
    }

    /// Length in bytes of the segment with everything appended so far.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends one record to `out` and returns its offset in the segment. The parts
    /// together are the payload, so that callers need not join them first.
    ///
    /// # Errors
    /// [`PayloadTooLarge`]; `out` and the writer are then unchanged.
    pub fn append(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<u64, PayloadTooLarge> {
        let len = parts
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let len = u32::try_from(len)
            .ok()
            .filter(|_| len <= MAX_PAYLOAD)
            .ok_or(PayloadTooLarge { len })?;
        let payload_crc = parts.iter().fold(0, |crc, part| crc32c_append(crc, part));

        let offset = self.end;
        let start = out.len();
        out.extend_from_slice(&self.id.marker());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&payload_crc.to_le_bytes());
        let crc = RecordHeader { len, payload_crc }.crc(self.id, offset);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_within(start..);
        for part in parts {
            out.extend_from_slice(part);
        }
        self.end = offset
            .saturating_add(RECORD_HEADER_LEN as u64)
            .saturating_add(u64::from(len));
        Ok(offset)
    }
}

/// What a record header says, once its marker and CRC have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) len: u32,
    payload_crc: u32,
}

impl RecordHeader {
    /// Reads one copy at the front of `copy`; `None` unless it was written for a record
    /// at `offset` of this very segment.
    pub(super) fn read(mut copy: &[u8], id: SegmentId, offset: u64) -> Option<Self> {
        let marker: [u8; 8] = take(&mut copy)?;
        let len = u32::from_le_bytes(take(&mut copy)?);
        let payload_crc = u32::from_le_bytes(take(&mut copy)?);
        let crc = u32::from_le_bytes(take(&mut copy)?);
        let header = Self { len, payload_crc };
        let holds = marker == id.marker() && len as usize <= MAX_PAYLOAD && crc == header.crc(id, offset);
        holds.then_some(header)
    }

    /// Whether these bytes are the payload that was written.
    pub(super) fn holds_for(self, payload: &[u8]) -> bool {
        crc32c(payload) == self.payload_crc
    }

    /// Binds length and payload to their place. The payload's own CRC must not begin with
    /// the place too: CRCs are linear, and at one payload length the two would cancel out.
    /// Offsets of one segment differ within 32 bits, and CRC32C detects every such burst:
    /// a record moved inside its segment is always noticed.
    fn crc(self, id: SegmentId, offset: u64) -> u32 {
        let crc = crc32c(&id.salt.to_le_bytes());
        let crc = crc32c_append(crc, &id.number.to_le_bytes());
        let crc = crc32c_append(crc, &offset.to_le_bytes());
        let crc = crc32c_append(crc, &self.len.to_le_bytes());
        crc32c_append(crc, &self.payload_crc.to_le_bytes())
    }
}
