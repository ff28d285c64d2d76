//! Particular injuries: moved records, false lengths, damaged markers.

use super::*;
use crate::spool::MAX_PAYLOAD;

/// The bytes of a record whose header claims `len`, with CRCs that hold.
fn claim(offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::resume(ID, offset as u64)
        .append(&[&vec![0; len]], &mut bytes)
        .unwrap();
    bytes.truncate(RECORD_HEADER_LEN);
    bytes
}

/// No payload length is weak, though CRCs are linear.
#[test]
fn a_moved_record_of_any_length_is_refused() {
    for len in 0..100 {
        let payload = vec![b'm'; len];
        let elsewhere = [
            Segment::of(["one byte further", ""]).bytes.len(),
            SEGMENT_HEADER_LEN + RECORD_HEADER_LEN + len,
            SEGMENT_HEADER_LEN + 4096,
        ];
        let original = Segment::of([&payload]);
        let record = &original.bytes[SEGMENT_HEADER_LEN..];
        for offset in elsewhere {
            let mut bytes = original.bytes.clone();
            bytes.resize(offset.max(bytes.len()), 0);
            let end = bytes.len();
            bytes.extend_from_slice(record);
            assert_eq!(read(&bytes).records, original.records, "length {len} at {end}");
        }
        for id in [
            SegmentId { number: 8, ..ID },
            SegmentId {
                salt: ID.salt ^ 1,
                ..ID
            },
        ] {
            let mut bytes = Segment::with_id(id, [[]; 0]).bytes;
            bytes.extend_from_slice(record);
            assert_eq!(
                read_as(&bytes, Some(id)).records,
                [],
                "length {len} in another segment"
            );
        }
    }
}

#[test]
fn both_copies_of_a_header_bad_cost_that_record_only() {
    let segment = Segment::of(["first", "second", "third"]);
    let second = &segment.records[1];
    // One byte of marker, length, payload CRC or header CRC, in both copies.
    for byte in 0..20 {
        let mut bytes = segment.bytes.clone();
        bytes[second.offset + byte] ^= 0x10;
        bytes[second.offset + 20 + byte] ^= 0x10;
        let reading = read(&bytes);
        let gap = Damage {
            offset: second.offset as u64,
            len: (second.end() - second.offset) as u64,
            kind: DamageKind::Unreadable,
        };
        assert_eq!(
            (reading.damage, reading.records.len(), reading.torn_tail),
            (vec![gap], 2, None)
        );
    }
}

#[test]
fn the_search_finds_a_record_by_its_second_copy_too() {
    let segment = Segment::of(["first", "second", "third"]);
    let (second, third) = (&segment.records[1], &segment.records[2]);
    let mut bytes = segment.bytes.clone();
    // A torn stretch: all of the second record, and the first copy of the third's header.
    bytes[second.offset..third.offset + 20].fill(0xee);
    let reading = read(&bytes);
    assert_eq!(
        reading.kinds(),
        [DamageKind::Unreadable, DamageKind::RecordHeader]
    );
    assert_eq!(reading.records, [segment.records[0].clone(), third.clone()]);
}

#[test]
fn the_search_begins_at_the_very_next_byte() {
    let mut segment = Segment::of(["first"]);
    segment.bytes.push(0xee);
    segment.push(b"second");
    let reading = read(&segment.bytes);
    assert_eq!(
        (reading.kinds(), reading.records),
        (vec![DamageKind::Unreadable], segment.records)
    );
}

/// A true second copy for a record that would begin inside the one already read.
#[test]
fn the_search_never_goes_back() {
    let mut segment = Segment::of(["first, and long enough"]);
    let end = segment.bytes.len();
    segment.bytes.push(0xee);
    segment.bytes.extend_from_slice(&claim(end + 1 - 20, 0)[20..]);
    let reading = read(&segment.bytes);
    assert_eq!(
        (reading.torn_tail, reading.records),
        (Some((end, 21)), segment.records)
    );
}

#[test]
fn a_bad_last_payload_is_damage_and_not_a_tail() {
    let segment = Segment::of(["first", "last"]);
    let mut bytes = segment.bytes.clone();
    *bytes.last_mut().unwrap() = 0;
    let reading = read(&bytes);
    assert_eq!(
        (reading.kinds(), reading.torn_tail),
        (vec![DamageKind::Payload], None)
    );
}

#[test]
fn a_header_that_holds_but_claims_more_than_there_is() {
    let segment = Segment::of(["first"]);
    let end = segment.bytes.len();
    let reading = read(&[&segment.bytes[..], &claim(end, 100), &[7; 99]].concat());
    assert_eq!(
        (reading.records.len(), reading.torn_tail),
        (1, Some((end, RECORD_HEADER_LEN + 99)))
    );
}

#[test]
fn a_length_over_the_limit_is_no_header() {
    let mut segment = Segment::of(["first"]);
    let end = segment.bytes.len();
    let mut covered = Vec::new();
    for field in [ID.salt, ID.number, end as u64] {
        covered.extend(field.to_le_bytes());
    }
    let mut fields = (MAX_PAYLOAD as u32 + 1).to_le_bytes().to_vec();
    fields.extend([0; 4]);
    covered.extend(&fields);
    let header = [&ID.marker()[..], &fields, &crc32c::crc32c(&covered).to_le_bytes()].concat();
    segment.bytes.extend(header.repeat(2));
    segment.push(b"after");
    let reading = read(&segment.bytes);
    assert_eq!(
        (reading.kinds(), reading.records),
        (vec![DamageKind::Unreadable], segment.records)
    );
}

/// A stale second copy: both hold for this place, but they differ. The first is used, and it is told.
#[test]
fn header_copies_that_differ_are_reported() {
    let (fresh, stale) = (Segment::of(["fresh"]), Segment::of(["stale too"]));
    let mut bytes = fresh.bytes.clone();
    bytes[1024 + 20..1024 + 40].copy_from_slice(&stale.bytes[1024 + 20..1024 + 40]);
    let reading = read(&bytes);
    assert_eq!(
        (reading.kinds(), reading.records),
        (vec![DamageKind::RecordHeader], fresh.records)
    );
}
