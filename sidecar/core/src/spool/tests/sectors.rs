//! Sectors that were written to the wrong place, twice, or not at all.

use super::*;

const SECTOR: usize = 512;

/// Whatever happened to the sectors: no record that was never written there, none lost that the
/// changed bytes do not touch, and never silence.
fn check(segment: &Segment, bytes: &[u8]) {
    let changed: Vec<bool> = segment
        .bytes
        .iter()
        .zip(bytes)
        .map(|(before, after)| before != after)
        .collect();
    let touched = |record: &Record| changed[record.offset..record.end()].contains(&true);
    let reading = read(bytes);
    for record in &reading.records {
        assert!(segment.records.contains(record), "{record:?} was never written");
    }
    for record in segment.records.iter().filter(|record| !touched(record)) {
        assert!(reading.records.contains(record), "{record:?} was not touched");
    }
    assert_eq!(reading.is_clean(), !changed.contains(&true));
}

fn whole_sectors() -> Segment {
    let mut segment = Segment::realistic(8000);
    segment.push(&vec![b'.'; 8192 - segment.bytes.len() - RECORD_HEADER_LEN]);
    assert_eq!(segment.bytes.len(), 8192);
    segment
}

#[test]
fn any_sector_over_any_other() {
    let segment = whole_sectors();
    for from in (0..8192).step_by(SECTOR) {
        for to in (0..8192).step_by(SECTOR) {
            let mut bytes = segment.bytes.clone();
            bytes.copy_within(from..from + SECTOR, to);
            check(&segment, &bytes);
        }
    }
}

#[test]
fn any_two_sectors_exchanged() {
    let segment = whole_sectors();
    for a in 0..16 {
        for b in 0..a {
            let mut sectors: Vec<&[u8]> = segment.bytes.chunks(SECTOR).collect();
            sectors.swap(a, b);
            check(&segment, &sectors.concat());
        }
    }
}

#[test]
fn any_block_zeroed_or_from_another_segment() {
    let segment = whole_sectors();
    let salt = Segment::realistic_with_id(SegmentId { salt: !ID.salt, ..ID }, 9000).bytes;
    let number = Segment::realistic_with_id(SegmentId { number: 8, ..ID }, 9000).bytes;
    for block in [SECTOR, 4096] {
        for at in (0..8192).step_by(block) {
            for foreign in [&[0; 8192][..], &salt, &number] {
                let mut bytes = segment.bytes.clone();
                bytes[at..at + block].copy_from_slice(&foreign[at..at + block]);
                check(&segment, &bytes);
            }
        }
    }
}
