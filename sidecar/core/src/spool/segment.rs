//! Which segment a file is, and the header sectors and file name that say so.

use std::fmt;
use std::str::FromStr;

use crc32c::crc32c;

/// The format this build writes and reads.
pub const FORMAT: u32 = 1;

/// Bytes before the first record: two copies of the header, each in a sector of its own.
pub const SEGMENT_HEADER_LEN: usize = 2 * SECTOR;

pub(super) const SECTOR: usize = 512;
const CRC_LEN: usize = 4;
const MAGIC: [u8; 8] = *b"wbspool\n";

/// Identity of a segment; every record header in it is bound to both values.
///
/// `Display` and `FromStr` are its file name, `<number>-<salt>.wb1`, both as 16
/// lower-case hex digits: names sort by number, and the name replaces a header of
/// which both copies are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentId {
    /// Place in the log: grows with each new segment.
    pub number: u64,
    /// Random, fresh for each segment. No message sender knows it, so no message body
    /// holds a marker.
    pub salt: u64,
}

impl SegmentId {
    /// The bytes with which each record header begins. Reversible: a record found by
    /// hand tells the salt.
    pub(super) fn marker(self) -> [u8; 8] {
        (!self.salt).to_le_bytes()
    }

    /// Appends both copies of the segment header.
    pub(super) fn write_header(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.resize(start.saturating_add(SECTOR - CRC_LEN), 0);
        let crc = crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_within(start..);
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}.wb{FORMAT}", self.number, self.salt)
    }
}

impl FromStr for SegmentId {
    type Err = NotASegmentName;

    fn from_str(name: &str) -> Result<Self, NotASegmentName> {
        let fail = || NotASegmentName {
            name: name.to_owned(),
        };
        let (number, rest) = name.split_once('-').ok_or_else(fail)?;
        let (salt, _) = rest.split_once('.').ok_or_else(fail)?;
        let hex = |digits| u64::from_str_radix(digits, 16).map_err(|_| fail());
        let id = Self {
            number: hex(number)?,
            salt: hex(salt)?,
        };
        // One spelling only: upper case, signs, short numbers and other formats are not ours.
        if id.to_string() == name {
            Ok(id)
        } else {
            Err(fail())
        }
    }
}

/// A file in the spool's folder whose name is not a segment's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is not a segment of format {FORMAT}; expected <number>-<salt>.wb{FORMAT}, 16 hex digits each"
)]
pub struct NotASegmentName {
    /// The name as found.
    pub name: String,
}

/// Why a segment can't be read at all. Nothing in it may be changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// A newer build wrote it: a header of another format whose CRC holds.
    #[error("segment has format {format}, this build reads {FORMAT}; use the build that wrote it")]
    UnknownFormat {
        /// The format found.
        format: u32,
    },
    /// Neither copy of the header holds, and the file name says nothing.
    #[error("both copies of the segment header are damaged; give the file its name back to read its records")]
    Unreadable,
}

/// What one header sector says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderCopy {
    Known(SegmentId),
    UnknownFormat(u32),
    Damaged,
}

impl HeaderCopy {
    /// Reads the copy in the given sector (0 or 1).
    pub(super) fn read(segment: &[u8], sector: usize) -> Self {
        segment
            .chunks_exact(SECTOR)
            .nth(sector)
            .and_then(Self::parse)
            .unwrap_or(Self::Damaged)
    }

    fn parse(sector: &[u8]) -> Option<Self> {
        let (mut fields, crc) = sector.split_last_chunk()?;
        if crc32c(fields) != u32::from_le_bytes(*crc) || take(&mut fields)? != MAGIC {
            return None;
        }
        let format = u32::from_le_bytes(take(&mut fields)?);
        if format != FORMAT {
            return Some(Self::UnknownFormat(format));
        }
        let _reserved: [u8; 4] = take(&mut fields)?;
        let number = u64::from_le_bytes(take(&mut fields)?);
        let salt = u64::from_le_bytes(take(&mut fields)?);
        Some(Self::Known(SegmentId { number, salt }))
    }
}

/// Takes the next `N` bytes off the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}
