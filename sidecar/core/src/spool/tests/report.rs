//! The report for humans: counts, words, bounds.

use super::*;
use crate::spool::Report;

fn report(bytes: &[u8], name: Option<SegmentId>) -> Report {
    let scanner = Scanner::open(bytes, name).unwrap();
    let mut report = Report::new(scanner.id());
    scanner.for_each(|item| report.add(&item));
    report
}

#[test]
fn a_clean_segment_takes_one_line() {
    let report = report(&Segment::of(["a", "b"]).bytes, Some(ID));
    assert!(report.is_clean());
    assert_eq!(report.to_string(), "spool segment 7: 2 records kept");
}

#[test]
fn every_finding_has_its_line() {
    let mut segment = Segment::of(["first", "second", "third", "fourth", "fifth"]);
    let [first, second, third, ..] = &segment.records[..] else {
        unreachable!()
    };
    segment.bytes[600] ^= 1;
    segment.bytes[first.offset] ^= 1;
    segment.bytes[second.body()] ^= 1;
    segment.bytes[third.offset..third.body()].fill(0);
    segment.bytes.pop();
    let report = report(&segment.bytes, Some(SegmentId { number: 9, ..ID }));
    assert_eq!((report.kept, report.lost), (2, 2));
    assert_eq!(
        report.to_string(),
        "spool segment 7: 2 records kept, at least 2 lost\n  \
         the file name is another segment's; nothing lost\n  \
         byte 512: one copy of the segment header is damaged; nothing lost\n  \
         byte 1024: one copy of a record header is damaged; nothing lost\n  \
         byte 1069: a record of 46 bytes fails its checksum; skipped\n  \
         byte 1115: 45 bytes hold no record; skipped\n  \
         byte 1206: 44 bytes of torn tail, no complete record among them"
    );
}

#[test]
fn a_ruined_segment_gives_a_short_report() {
    let mut segment = Segment::of(vec!["x"; 100]);
    for record in &segment.records {
        segment.bytes[record.body()] ^= 1;
    }
    let report = report(&segment.bytes, Some(ID));
    assert_eq!(
        (report.kept, report.lost, report.damage.len(), report.unlisted),
        (0, 100, 16, 84)
    );
    assert_eq!(report.to_string().lines().count(), 18);
    assert!(!report.is_clean());
}
