//! What is written is read, and nothing else is, whatever happened to the bytes.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Random bytes, and bytes that look like the format's own: records of another salt, and records of
/// ours for a place that no test reaches.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let lookalike = (any::<bool>(), 0..80_usize).prop_map(|(foreign, len)| {
        let salt = if foreign { !ID.salt } else { ID.salt };
        let mut bytes = Vec::new();
        let mut writer = Writer::resume(SegmentId { salt, ..ID }, 1 << 30);
        writer.append(&[&vec![b'!'; len]], &mut bytes).unwrap();
        bytes
    });
    prop_oneof![
        vec(any::<u8>(), 0..200),
        lookalike,
        Just(vec![0; 64]),
        Just(ID.marker().repeat(5))
    ]
}

/// Overwrites, cuts and insertions.
fn scribble() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    (any::<prop::sample::Index>(), 0..40_usize, vec(any::<u8>(), 0..40))
}

proptest! {
    #[test]
    fn payloads_come_back(number: u64, salt: u64, payloads in vec(payload(), 0..20)) {
        let id = SegmentId { number, salt };
        let segment = Segment::with_id(id, &payloads);
        for name in [Some(id), None] {
            let reading = read_as(&segment.bytes, name);
            prop_assert!(reading.is_clean());
            prop_assert_eq!(&reading.records, &segment.records);
        }
    }

    #[test]
    fn parts_are_joined(parts in vec(vec(any::<u8>(), 0..50), 0..6)) {
        let joined = Segment::of([parts.concat()]);
        let mut bytes = Vec::new();
        let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Writer::create(ID, &mut bytes).append(&borrowed, &mut bytes).unwrap();
        prop_assert_eq!(bytes, joined.bytes);
    }

    #[test]
    fn resumed_writing_is_the_same_as_unbroken(payloads in vec(payload(), 1..10)) {
        let mut bytes = Vec::new();
        let mut writer = Writer::create(ID, &mut bytes);
        for payload in &payloads {
            writer.append(&[payload], &mut bytes).unwrap();
        }
        prop_assert_eq!(bytes, Segment::of(&payloads).bytes);
    }

    #[test]
    fn scribbling_never_changes_a_record(
        payloads in vec(payload(), 1..12),
        scribbles in vec(scribble(), 1..6),
    ) {
        let segment = Segment::of(&payloads);
        let mut bytes = segment.bytes.clone();
        for (at, cut, insert) in scribbles {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, insert);
        }
        let reading = read(&bytes);
        for record in &reading.records {
            prop_assert!(segment.records.contains(record), "{record:?} was never written");
        }
        let untouched = bytes == segment.bytes;
        prop_assert!(!reading.is_clean() || untouched || segment.bytes.starts_with(&bytes));
    }

    #[test]
    fn arbitrary_bytes_hold_no_record(bytes in vec(any::<u8>(), 0..4096), name: Option<(u64, u64)>) {
        let name = name.map(|(number, salt)| SegmentId { number, salt });
        if let Ok(scanner) = Scanner::open(&bytes, name) {
            prop_assert_eq!(collect(&bytes, scanner).records, vec![]);
        }
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_header(tail in vec(any::<u8>(), 1..4096)) {
        let mut bytes = Segment::of([b"kept"]).bytes;
        let end = bytes.len();
        bytes.extend(&tail);
        let reading = read(&bytes);
        prop_assert_eq!(reading.records.len(), 1);
        prop_assert_eq!(reading.torn_tail, Some((end, tail.len())));
    }
}
