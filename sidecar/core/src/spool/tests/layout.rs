//! The bytes on disk are those of the table in the module's guide, and stay so.

use super::*;
use crate::spool::{MAX_PAYLOAD, PayloadTooLarge};
use crc32c::crc32c;

#[test]
fn segment_header_is_as_documented() {
    let mut sector = Vec::from(b"wbspool\n");
    sector.extend([1, 0, 0, 0]);
    sector.extend([0; 4]);
    sector.extend([7, 0, 0, 0, 0, 0, 0, 0]);
    sector.extend([0x65, 0x3a, 0x8b, 0xe0, 0xd2, 0x44, 0x1c, 0x9f]);
    sector.resize(508, 0);
    sector.extend(crc32c(&sector).to_le_bytes());

    let segment = Segment::of([[]; 0]);
    assert_eq!(segment.bytes, [sector.clone(), sector].concat());
}

#[test]
fn record_is_as_documented() {
    let segment = Segment::of([b"nectar"]);
    let record = &segment.bytes[1024..];

    let mut covered = ID.salt.to_le_bytes().to_vec();
    covered.extend(7_u64.to_le_bytes());
    covered.extend(1024_u64.to_le_bytes());
    covered.extend(6_u32.to_le_bytes());
    covered.extend(crc32c(b"nectar").to_le_bytes());

    assert_eq!(record[0..8], [0x9a, 0xc5, 0x74, 0x1f, 0x2d, 0xbb, 0xe3, 0x60]);
    assert_eq!(record[8..12], 6_u32.to_le_bytes());
    assert_eq!(record[12..16], crc32c(b"nectar").to_le_bytes());
    assert_eq!(record[16..20], crc32c(&covered).to_le_bytes());
    assert_eq!(record[20..40], record[0..20]);
    assert_eq!(record[40..], *b"nectar");
}

/// Goldens: files written by this format must be read for ever. CRC32C of "123456789" is the
/// published check value.
#[test]
fn checksums_are_frozen() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&Segment::of(["nectar", "", "pollen"]).bytes), 0xb74e_71de);
}

#[test]
fn largest_payload_is_accepted_and_one_byte_more_refused() {
    let mut segment = Segment::of([vec![b'x'; MAX_PAYLOAD]]);
    assert_eq!(read(&segment.bytes).records, segment.records);

    let before = segment.bytes.clone();
    let mut writer = Writer::resume(ID, before.len() as u64);
    let halves = [&[b'x'; MAX_PAYLOAD / 2][..], &[b'x'; MAX_PAYLOAD / 2 + 1][..]];
    assert_eq!(
        writer.append(&halves, &mut segment.bytes),
        Err(PayloadTooLarge { len: MAX_PAYLOAD + 1 })
    );
    assert_eq!(
        (segment.bytes, writer.end()),
        (before.clone(), before.len() as u64)
    );
}
