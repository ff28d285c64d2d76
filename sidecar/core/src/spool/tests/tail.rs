//! Torn tails: cut off, filled with zeros, filled with garbage.

use super::*;

#[test]
fn every_truncation_keeps_all_whole_records() {
    let segment = Segment::realistic(4096);
    for len in SEGMENT_HEADER_LEN..=segment.bytes.len() {
        let whole: Vec<_> = segment
            .records
            .iter()
            .filter(|record| record.end() <= len)
            .cloned()
            .collect();
        let end = whole.last().map_or(SEGMENT_HEADER_LEN, Record::end);
        for name in [Some(ID), None] {
            let reading = read_as(&segment.bytes[..len], name);
            assert_eq!(reading.records, whole, "cut at {len}");
            assert_eq!(reading.damage, []);
            assert_eq!(
                reading.torn_tail,
                (end < len).then_some((end, len - end)),
                "cut at {len}"
            );
        }
    }
}

#[test]
fn a_header_cut_short_is_a_torn_tail_from_the_start() {
    let segment = Segment::realistic(2048);
    for len in 0..SEGMENT_HEADER_LEN {
        let reading = read(&segment.bytes[..len]);
        assert_eq!(
            reading,
            Reading {
                torn_tail: Some((0, len)),
                ..Reading::default()
            },
            "cut at {len}"
        );
    }
}

#[test]
fn a_tail_of_zeros_ones_or_old_records_is_torn() {
    let segment = Segment::realistic(2048);
    let end = segment.bytes.len();
    let old = &Segment::realistic_with_id(SegmentId { number: 6, ..ID }, 8192).bytes[end..];
    for len in 1..=4096 {
        for tail in [&[0; 4096][..len], &[0xff; 4096][..len], &old[..len]] {
            let reading = read(&[&segment.bytes, tail].concat());
            assert_eq!(reading.records, segment.records);
            assert_eq!((reading.damage, reading.torn_tail), (vec![], Some((end, len))));
        }
    }
}

/// The blank markers that zeros and ones would make, if a salt were all ones or zeros.
#[test]
fn a_degenerate_salt_is_no_weaker() {
    for (salt, fill) in [(u64::MAX, 0), (0, 0xff)] {
        let id = SegmentId { number: 0, salt };
        let segment = Segment::with_id(id, ["a", "b"]);
        let reading = read_as(&[&segment.bytes[..], &[fill; 2000][..]].concat(), Some(id));
        assert_eq!(reading.records, segment.records);
        assert_eq!(reading.torn_tail, Some((segment.bytes.len(), 2000)));
    }
}

/// A batch whose pages reached the disk in the wrong order: what can be read is kept, and
/// only what follows the last legible header is the tail.
#[test]
fn zeros_inside_a_batch_cost_only_what_they_cover() {
    let segment = Segment::of(["first", "second", "third", "fourth"]);
    let [_, second, third, fourth] = &segment.records[..] else {
        unreachable!()
    };

    let mut bytes = segment.bytes.clone();
    bytes[second.offset..third.offset].fill(0);
    let reading = read(&bytes);
    assert_eq!(reading.kinds(), [DamageKind::Unreadable]);
    assert_eq!((reading.records.len(), reading.torn_tail), (3, None));

    bytes[third.offset..].fill(0);
    let reading = read(&bytes);
    let tail = (second.offset, fourth.end() - second.offset);
    assert_eq!((reading.records.len(), reading.torn_tail), (1, Some(tail)));
}

#[test]
fn writing_goes_on_where_the_tail_was_cut() {
    let segment = Segment::realistic(2048);
    for len in SEGMENT_HEADER_LEN..segment.bytes.len() {
        let mut bytes = segment.bytes[..len].to_vec();
        let mut expected = read(&bytes);
        let end = expected.torn_tail.take().map_or(len, |(offset, _)| offset);
        bytes.truncate(end);

        let mut writer = Writer::resume(ID, end as u64);
        let offset = writer.append(&[b"after ", b"the crash"], &mut bytes).unwrap() as usize;
        expected.records.push(Record {
            offset,
            payload: b"after the crash".to_vec(),
        });
        assert_eq!(read(&bytes), expected, "cut at {len}");
    }
}
