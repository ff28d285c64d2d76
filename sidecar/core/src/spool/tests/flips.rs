//! Every single bit of a segment, flipped.

use super::*;

/// The exact answer to one flipped bit: in a payload that record is lost; anywhere else
/// nothing is. Always one finding, and it covers the bit.
fn check_flip(segment: &Segment, bytes: &mut [u8], bit: usize, name: Option<SegmentId>) {
    flip(bytes, bit);
    let reading = read_as(bytes, name);
    flip(bytes, bit);

    let byte = bit / 8;
    let hit = segment
        .records
        .iter()
        .find(|record| (record.body()..record.end()).contains(&byte));
    let rest = segment.records.iter().filter(|record| Some(*record) != hit);
    assert!(
        reading.records.iter().eq(rest),
        "bit {bit}: the other records come back as written"
    );

    let [damage] = reading.damage[..] else {
        panic!("bit {bit}: one finding, not {:?}", reading.damage)
    };
    let expected = match hit {
        Some(_) => DamageKind::Payload,
        None if byte < SEGMENT_HEADER_LEN => DamageKind::SegmentHeader,
        None => DamageKind::RecordHeader,
    };
    assert_eq!(damage.kind, expected, "bit {bit}");
    assert!(
        (damage.offset..damage.offset + damage.len).contains(&(byte as u64)),
        "bit {bit}: {damage:?}"
    );
    assert_eq!(reading.torn_tail, None, "bit {bit}: nothing is cut");
}

#[test]
fn every_bit_of_4_kib() {
    let segment = Segment::realistic(4096);
    assert!(segment.bytes.len() > 4000 && segment.records.len() > 20);
    let mut bytes = segment.bytes.clone();
    for bit in 0..bytes.len() * 8 {
        check_flip(&segment, &mut bytes, bit, Some(ID));
        check_flip(&segment, &mut bytes, bit, None);
    }
}

/// The promise is about 64 KiB (RELIABILITY R8); of these, every 67th bit, so that all positions in a byte come in turn.
#[test]
fn a_sample_of_the_bits_of_64_kib() {
    let segment = Segment::realistic(64 << 10);
    let mut bytes = segment.bytes.clone();
    for bit in (0..bytes.len() * 8).step_by(67) {
        check_flip(&segment, &mut bytes, bit, Some(ID));
    }
}

/// Two bits in two different places: still no wrong record, and both are told.
#[test]
fn two_flips_cost_at_most_two_records() {
    let segment = Segment::realistic(4096);
    let bits = segment.bytes.len() * 8;
    for first in (0..bits).step_by(97) {
        for second in (first + 1..bits).step_by(1013) {
            let mut bytes = segment.bytes.clone();
            flip(&mut bytes, first);
            flip(&mut bytes, second);
            let reading = read(&bytes);
            assert!(
                reading
                    .records
                    .iter()
                    .all(|record| segment.records.contains(record))
            );
            assert!(
                reading.records.len() + 2 >= segment.records.len(),
                "bits {first}, {second}"
            );
            assert!(!reading.is_clean(), "bits {first}, {second}");
        }
    }
}
