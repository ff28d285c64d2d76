//! Records hidden inside message bodies: by a sender who does not know the salt, and by one who does.

use super::*;

const PLANT: &[u8] = b"forged";

/// A body for a record at `offset` that holds a whole record, made with `id` for exactly the
/// place where it will lie, then more of them, so that they chain.
fn body_with_plants(id: SegmentId, offset: usize) -> Vec<u8> {
    let mut body = b"Dear bo, ".to_vec();
    let mut writer = Writer::resume(id, (offset + RECORD_HEADER_LEN + body.len()) as u64);
    for _ in 0..3 {
        writer.append(&[PLANT], &mut body).unwrap();
    }
    body.extend_from_slice(b" yours, mallory");
    body
}

fn segment_with_plants(id: SegmentId) -> (Segment, Record) {
    let mut segment = Segment::of(["before", ""]);
    segment.push(&body_with_plants(id, segment.bytes.len()));
    let outer = segment.records[2].clone();
    segment.push(b"after");
    segment.push(b"last");
    (segment, outer)
}

fn forged(reading: &Reading) -> bool {
    reading.records.iter().any(|record| record.payload == PLANT)
}

/// Guards the tests below: the plants would be taken if the reader came across them.
#[test]
fn the_plants_are_real() {
    let (segment, outer) = segment_with_plants(ID);
    let start = segment.bytes[outer.body()..]
        .windows(8)
        .position(|bytes| bytes == ID.marker())
        .unwrap();
    let mut bytes = segment.bytes.clone();
    let mut cover = Writer::resume(ID, outer.offset as u64);
    let mut prefix = Vec::new();
    cover
        .append(&[&bytes[outer.body()..outer.body() + start]], &mut prefix)
        .unwrap();
    bytes.splice(outer.offset..outer.body() + start, prefix);
    assert!(forged(&read(&bytes)));
}

#[test]
fn an_intact_record_is_never_looked_into() {
    for salt in [ID.salt, !ID.salt, 0x1234_5678] {
        let (segment, _) = segment_with_plants(SegmentId { salt, ..ID });
        let reading = read(&segment.bytes);
        assert!(reading.is_clean());
        assert_eq!(reading.records, segment.records);
    }
}

/// Even with the salt known, no flipped bit of the outer record sets a plant free: a bad payload
/// is stepped over by its length, and the length is there twice.
#[test]
fn no_flipped_bit_of_the_outer_record_frees_a_plant() {
    for salt in [ID.salt, !ID.salt] {
        let (segment, outer) = segment_with_plants(SegmentId { salt, ..ID });
        for bit in outer.offset * 8..outer.end() * 8 {
            let mut bytes = segment.bytes.clone();
            flip(&mut bytes, bit);
            let reading = read(&bytes);
            assert!(!forged(&reading), "bit {bit}");
            assert_eq!(reading.damage.len(), 1, "bit {bit}");
            let others = segment.records.iter().filter(|record| **record != outer);
            let kept = reading.records.iter().filter(|record| **record != outer);
            assert!(kept.eq(others), "bit {bit}");
        }
    }
}

/// Nor does a write cut short inside the outer record: its header holds, the rest is tail.
#[test]
fn no_truncation_frees_a_plant() {
    let (segment, outer) = segment_with_plants(ID);
    for len in outer.offset + RECORD_HEADER_LEN / 2..outer.end() {
        let reading = read(&segment.bytes[..len]);
        assert_eq!(
            (reading.records.len(), reading.torn_tail),
            (2, Some((outer.offset, len - outer.offset)))
        );
    }
}

/// Both copies of the outer header destroyed: only now is the body searched. Without the salt
/// nothing in it counts, and the records behind it are found again.
#[test]
fn without_the_salt_a_plant_is_nothing() {
    let (segment, outer) = segment_with_plants(SegmentId { salt: !ID.salt, ..ID });
    let mut bytes = segment.bytes.clone();
    bytes[outer.offset..outer.body()].fill(0);
    let reading = read(&bytes);
    assert_eq!(reading.kinds(), [DamageKind::Unreadable]);
    assert!(
        reading
            .records
            .iter()
            .eq(segment.records.iter().filter(|record| **record != outer))
    );
}

/// The limit, stated in ADR-0004: salt, segment number and offset all known *and* both copies of
/// the outer header destroyed. The damage is reported, so it is not silent even then.
#[test]
fn limit_known_salt_and_both_header_copies_gone() {
    let (segment, outer) = segment_with_plants(ID);
    let mut bytes = segment.bytes.clone();
    bytes[outer.offset..outer.body()].fill(0);
    let reading = read(&bytes);
    assert!(forged(&reading));
    assert_eq!(reading.damage[0].kind, DamageKind::Unreadable);
    assert_eq!(reading.records.last(), segment.records.last());

    // A plant made for any other offset, or any other segment, is nothing even so.
    for (id, shift) in [(ID, 1), (SegmentId { number: 8, ..ID }, 0)] {
        let mut segment = Segment::of(["before"]);
        let outer = segment.bytes.len();
        segment.push(&body_with_plants(id, outer + shift));
        segment.push(b"after");
        segment.bytes[outer..outer + RECORD_HEADER_LEN].fill(0);
        assert!(!forged(&read(&segment.bytes)));
    }
}
