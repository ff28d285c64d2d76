//! Scanning is linear: bytes looked at, counted, against the length of the worst inputs known.

use super::*;

/// Each byte is searched once; each marker met costs two header checks.
const STEPS_PER_BYTE: usize = 1 + 2 * RECORD_HEADER_LEN;

fn check(bytes: &[u8], id: SegmentId) {
    let mut scanner = Scanner::open(bytes, Some(id)).unwrap();
    scanner.by_ref().for_each(drop);
    let limit = STEPS_PER_BYTE * (bytes.len() + RECORD_HEADER_LEN);
    let steps = scanner.steps.get();
    assert!(steps <= limit, "{steps} steps for {} bytes", bytes.len());
}

/// The same limit per byte at three sizes: a quadratic scan passes at most the first.
fn check_growth(id: SegmentId, build: impl Fn(usize) -> Vec<u8>) {
    for len in [1 << 14, 1 << 16, 1 << 18] {
        check(&build(len), id);
    }
}

fn with_header(id: SegmentId, tail: &[u8]) -> Vec<u8> {
    [&Segment::with_id(id, [[]; 0]).bytes, tail].concat()
}

#[test]
fn intact_and_torn() {
    check_growth(ID, |len| Segment::realistic(len).bytes);
    check_growth(ID, |len| with_header(ID, &vec![0; len]));
}

#[test]
fn nothing_but_markers() {
    check_growth(ID, |len| with_header(ID, &ID.marker().repeat(len / 8)));
}

/// A marker at every single byte.
#[test]
fn markers_that_overlap() {
    let id = SegmentId {
        number: 1,
        salt: u64::MAX,
    };
    check_growth(id, |len| with_header(id, &vec![0; len]));
}

/// The salt is known, and every 40 bytes hold a true header for their place that claims a payload
/// of the largest size: taken at their word one after another, they would cost quadratic time.
#[test]
fn headers_that_claim_everything() {
    for claimed in [1_000, 1_010, 100_010, 1 << 20] {
        check_growth(ID, |len| {
            let mut bytes = with_header(ID, &[]);
            let payload = vec![1; claimed];
            while bytes.len() < len {
                let mut record = Vec::new();
                Writer::resume(ID, bytes.len() as u64)
                    .append(&[&payload], &mut record)
                    .unwrap();
                bytes.extend_from_slice(&record[..RECORD_HEADER_LEN]);
            }
            bytes
        });
    }
}

/// Every record damaged in both header copies.
#[test]
fn every_header_bad() {
    check_growth(ID, |len| {
        let segment = Segment::realistic(len);
        let mut bytes = segment.bytes;
        for record in segment.records {
            bytes[record.offset + 9] ^= 1;
            bytes[record.offset + 29] ^= 1;
        }
        bytes
    });
}
