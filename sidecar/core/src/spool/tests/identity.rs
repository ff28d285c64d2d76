//! Finding out which segment a file is, from its header copies and its name.

use super::*;
use crate::spool::{NotASegmentName, SegmentError};
use crc32c::crc32c;

const OTHER: SegmentId = SegmentId { number: 8, salt: 42 };

fn open(bytes: &[u8], name: Option<SegmentId>) -> Result<SegmentId, SegmentError> {
    Scanner::open(bytes, name).map(|scanner| scanner.id())
}

/// A header sector of another format whose CRC holds.
fn set_format(bytes: &mut [u8], sector: usize, format: u32) {
    let sector = &mut bytes[sector * 512..(sector + 1) * 512];
    sector[8..12].copy_from_slice(&format.to_le_bytes());
    let crc = crc32c(&sector[..508]);
    sector[508..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn the_name_round_trips_and_has_one_spelling() {
    let name = ID.to_string();
    assert_eq!(name, "0000000000000007-9f1c44d2e08b3a65.wb1");
    assert_eq!(name.parse(), Ok(ID));
    for bad in [
        "",
        "-",
        "7-9f1c44d2e08b3a65.wb1",
        "0000000000000007-9F1C44D2E08B3A65.wb1",
        "+000000000000007-9f1c44d2e08b3a65.wb1",
        "0000000000000007-9f1c44d2e08b3a65.wb2",
        "0000000000000007-9f1c44d2e08b3a65.wb1.tmp",
        "0000000000000007-9f1c44d2e08b3a65",
        "00000000000000007-9f1c44d2e08b3a65.wb1",
    ] {
        assert_eq!(
            bad.parse::<SegmentId>(),
            Err(NotASegmentName { name: bad.to_owned() })
        );
    }
}

#[test]
fn any_one_of_the_three_is_enough() {
    let segment = Segment::of(["kept"]);
    let gone = |sectors: &[usize]| {
        let mut bytes = segment.bytes.clone();
        for sector in sectors {
            bytes[sector * 512..(sector + 1) * 512].fill(0);
        }
        bytes
    };
    for (bytes, name, findings) in [
        (gone(&[0]), None, 1),
        (gone(&[1]), None, 1),
        (gone(&[0, 1]), Some(ID), 2),
    ] {
        let reading = read_as(&bytes, name);
        assert_eq!(reading.records, segment.records);
        assert_eq!(reading.kinds(), vec![DamageKind::SegmentHeader; findings]);
    }
    assert_eq!(open(&gone(&[0, 1]), None), Err(SegmentError::Unreadable));
    assert_eq!(open(&[], None), Err(SegmentError::Unreadable));
}

#[test]
fn records_decide_where_name_and_header_differ() {
    let ours = Segment::of(["kept"]);
    let theirs = Segment::with_id(OTHER, ["foreign"]);

    // The file was renamed: header and records agree.
    let renamed = read_as(&ours.bytes, Some(OTHER));
    assert_eq!(
        (renamed.kinds(), renamed.records),
        (vec![DamageKind::FileName], ours.records.clone())
    );

    // The header is another segment's: name and records agree.
    let overwritten = [&theirs.bytes[..1024], &ours.bytes[1024..]].concat();
    let reading = read(&overwritten);
    assert_eq!(
        (reading.kinds(), reading.records),
        (vec![DamageKind::SegmentHeader; 2], ours.records.clone())
    );

    // The copies differ, and there is no name: either order.
    for sectors in [
        [&theirs.bytes[..512], &ours.bytes[512..]],
        [&ours.bytes[..512], &theirs.bytes[512..1024]],
    ] {
        let bytes = [sectors[0], &sectors[1][..512], &ours.bytes[1024..]].concat();
        let reading = read_as(&bytes, None);
        assert_eq!(
            (reading.kinds(), reading.records),
            (vec![DamageKind::SegmentHeader], ours.records.clone())
        );
    }

    // No record to ask: the name counts.
    assert_eq!(open(&ours.bytes[..1024], Some(OTHER)), Ok(OTHER));
}

#[test]
fn an_unknown_format_is_refused_only_when_its_header_holds() {
    let segment = Segment::of(["kept"]);
    let mut newer = segment.bytes.clone();
    set_format(&mut newer, 0, 2);
    set_format(&mut newer, 1, 2);
    let refused = Err(SegmentError::UnknownFormat { format: 2 });
    assert_eq!(open(&newer, Some(ID)), refused);
    assert_eq!(open(&newer, None), refused);

    // One copy of the newer header damaged: still refused, on the word of the other.
    for sector in [0, 1] {
        let mut bytes = newer.clone();
        bytes[sector * 512 + 100] ^= 1;
        assert_eq!(open(&bytes, Some(ID)), refused);
    }

    // The format bytes damaged, without a CRC that holds: not a newer format.
    for bit in 8 * 8..12 * 8 {
        for copies in [&[0][..], &[1], &[0, 1]] {
            let mut bytes = segment.bytes.clone();
            copies.iter().for_each(|copy| flip(&mut bytes, copy * 4096 + bit));
            let reading = read(&bytes);
            assert_eq!(reading.kinds(), vec![DamageKind::SegmentHeader; copies.len()]);
            assert_eq!(reading.records, segment.records);
        }
    }

    // One copy says 1 and one says 2: the format that we can read is tried.
    let mut mixed = segment.bytes.clone();
    set_format(&mut mixed, 0, 2);
    assert_eq!(read(&mixed).records, segment.records);
}
