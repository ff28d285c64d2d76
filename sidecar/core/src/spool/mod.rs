//! The spool's file format: bytes to records and back, without IO.
//!
//! The spool is an append-only log in segments. This module turns payloads into
//! bytes ([`Writer`]) and a segment's bytes into records and findings
//! ([`Scanner`], [`Report`]). What a payload means, when to sync and when to roll
//! to the next segment are decided elsewhere. Why the format is ours: ADR-0004.
//!
//! # Layout
//!
//! Integers are little-endian; every CRC is CRC32C. A segment is a header of two
//! 512-byte sectors, then records without gaps.
//!
//! | segment header, written twice | bytes | content |
//! |---|---|---|
//! | magic | 0..8 | `wbspool\n` |
//! | format | 8..12 | 1 |
//! | reserved | 12..16 | zero |
//! | number | 16..24 | grows with each new segment |
//! | salt | 24..32 | random, new for each segment |
//! | padding | 32..508 | zero |
//! | CRC | 508..512 | of bytes 0..508 |
//!
//! Magic, format and CRC keep their places in every later format, so that a reader
//! can tell "newer than me" from "damaged". The file name says number, salt and
//! format a third time, in the folder instead of the file.
//!
//! | record | bytes | content |
//! |---|---|---|
//! | header, first copy | 0..20 | below |
//! | header, second copy | 20..40 | the same 20 bytes |
//! | payload | 40..40+length | at most 1 MiB |
//!
//! | record header | bytes | content |
//! |---|---|---|
//! | marker | 0..8 | the complement of the salt |
//! | length | 8..12 | of the payload |
//! | payload CRC | 12..16 | of the payload alone |
//! | header CRC | 16..20 | of salt, number, the record's offset (8 bytes each), length, payload CRC |
//!
//! # What follows from it
//!
//! - **One flipped bit costs at most one record.** In a payload it costs that
//!   record; anywhere else a second copy holds, and nothing is lost.
//! - **A record stays where it was written.** The header CRC names segment and
//!   offset: a copy in another place is not a record.
//! - **The reader never looks into a record whose length is known**, intact or not.
//!   It searches for a marker only where both copies of a header are bad.
//! - **Every byte is accounted for**: part of a record, a [`Damage`] or the torn tail.
//! - **Linear time**: the search never goes back, and a marker costs a bounded check.
//!
//! A segment with damage is fit for reading only; append to a new one. A torn tail alone
//! is ordinary: cut it, and go on there.

mod record;
mod report;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

pub use record::{MAX_PAYLOAD, PayloadTooLarge, RECORD_HEADER_LEN, Writer};
pub use report::Report;
pub use scan::{Damage, DamageKind, Item, Scanner};
pub use segment::{FORMAT, NotASegmentName, SEGMENT_HEADER_LEN, SegmentError, SegmentId};
