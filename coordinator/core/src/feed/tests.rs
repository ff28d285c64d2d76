//! The ring: what readers are given who stay, come late, are slow, or move to another coordinator.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Behind, Bounds, Place, Position, Ring, Source};

const ROOMY: Bounds = Bounds {
    records: 100,
    bytes: 1_000_000,
};

/// Sequences of what a reader is given.
fn given(ring: &Ring<(Source, u64)>, place: &mut Place) -> Result<Vec<(Source, u64)>, Behind> {
    let mut given = Vec::new();
    while ring.take(place, 3, |_, item| given.push(*item))? > 0 {}
    Ok(given)
}

fn push(ring: &mut Ring<(Source, u64)>, source: Source, seq: u64) {
    assert!(
        ring.push(source, seq, Some((10, (source, seq)))),
        "{source:?} {seq}"
    );
}

use Source::{Events, Messages, Receipts};

#[test]
fn a_reader_that_stays_is_given_everything_once() {
    let mut ring = Ring::new(Position::new(5, 0, 0), ROOMY);
    let mut place = ring.end();
    push(&mut ring, Events, 6);
    push(&mut ring, Messages, 1);
    assert_eq!(given(&ring, &mut place), Ok(vec![(Events, 6), (Messages, 1)]));
    assert_eq!(given(&ring, &mut place), Ok(vec![]));
    // What is not shown moves the position all the same.
    assert!(ring.push(Receipts, 1, None));
    assert_eq!(given(&ring, &mut place), Ok(vec![]));
    assert_eq!(place.position(), Position::new(6, 1, 1));
}

#[test]
fn a_record_that_is_read_again_is_none() {
    let mut ring = Ring::new(Position::default(), ROOMY);
    push(&mut ring, Events, 1);
    assert!(!ring.push(Events, 1, Some((10, (Events, 1)))));
    let mut place = Place::after(Position::default());
    assert_eq!(given(&ring, &mut place), Ok(vec![(Events, 1)]));
}

#[test]
fn who_comes_back_is_given_what_it_has_not() {
    let mut ring = Ring::new(Position::new(10, 20, 30), ROOMY);
    for (source, seq) in [(Receipts, 31), (Events, 11), (Receipts, 32), (Messages, 21)] {
        push(&mut ring, source, seq);
    }
    for (position, expected) in [
        // Elsewhere the receipts came first.
        (Position::new(10, 20, 32), &[(Events, 11), (Messages, 21)][..]),
        (Position::new(11, 21, 32), &[]),
        // This coordinator is not as far as the other one was.
        (Position::new(13, 21, 31), &[(Receipts, 32)]),
    ] {
        let mut place = Place::after(position);
        assert_eq!(given(&ring, &mut place).unwrap(), expected, "{position}");
    }
    let mut before = Place::after(Position::new(10, 19, 30));
    assert_eq!(given(&ring, &mut before), Err(Behind));
    assert_eq!(before, Place::after(Position::new(10, 19, 30)));
}

#[test]
fn who_is_too_slow_is_behind_only_when_it_missed_something() {
    let bounds = Bounds {
        records: 2,
        bytes: 1_000_000,
    };
    let mut ring = Ring::new(Position::default(), bounds);
    let mut slow = ring.end();
    let mut has = Place::after(Position::new(2, 0, 0));
    for seq in 1..=4 {
        push(&mut ring, Events, seq);
    }
    assert_eq!(given(&ring, &mut slow), Err(Behind));
    assert_eq!(given(&ring, &mut has), Ok(vec![(Events, 3), (Events, 4)]));
}

#[test]
fn bytes_are_bounded_and_the_newest_is_kept() {
    let bounds = Bounds {
        records: 100,
        bytes: 25,
    };
    let mut ring = Ring::new(Position::default(), bounds);
    for seq in 1..=5 {
        push(&mut ring, Messages, seq);
    }
    let mut place = Place::after(Position::new(0, 3, 0));
    assert_eq!(given(&ring, &mut place), Ok(vec![(Messages, 4), (Messages, 5)]));
    assert!(!ring.reaches_back_to(&Position::new(0, 2, 0)));
    assert!(ring.push(Messages, 6, Some((1_000, (Messages, 6)))));
    assert_eq!(given(&ring, &mut place), Ok(vec![(Messages, 6)]));
}

#[test]
fn records_that_were_not_read_are_looked_for_elsewhere() {
    let mut ring = Ring::new(Position::default(), ROOMY);
    push(&mut ring, Events, 1);
    let mut waiting = ring.end();
    let mut late = Place::after(Position::default());
    // 2 and 3 were deleted while nobody read.
    push(&mut ring, Events, 4);
    for place in [&mut waiting, &mut late] {
        assert_eq!(given(&ring, place), Err(Behind));
    }
    let mut knows = Place::after(Position::new(3, 0, 0));
    assert_eq!(given(&ring, &mut knows), Ok(vec![(Events, 4)]));
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Events), Just(Messages), Just(Receipts)]
}

#[derive(Debug, Clone)]
enum Deed {
    /// A coordinator reads the next record of a stream, if there is one that the other may not have yet.
    Read(usize, Source),
    /// The reader takes some records.
    Take(usize),
    /// The reader goes to the other coordinator, with nothing but its position.
    Move,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..2_usize, source()).prop_map(|(of, source)| Deed::Read(of, source)),
        3 => (1..5_usize).prop_map(Deed::Take),
        1 => Just(Deed::Move),
    ]
}

proptest! {
    #[test]
    fn a_position_reads_as_it_is_written(events: u64, messages: u64, receipts: u64) {
        let position = Position::new(events, messages, receipts);
        prop_assert_eq!(position.to_string().parse(), Ok(position));
    }

    /// Two coordinators read the streams at different speeds and in different orders, with short memories; a reader moves
    /// between them and is given each record once and in order, or is told that it is behind.
    #[test]
    fn nothing_is_given_twice_or_left_out(deeds in vec(deed(), 0..200), records in 1..12_usize) {
        let bounds = Bounds { records, bytes: 1_000_000 };
        let mut rings = [Ring::new(Position::default(), bounds), Ring::new(Position::default(), bounds)];
        let (mut at, mut place) = (0, rings[0].end());
        let mut has = Position::default();
        for deed in deeds {
            match deed {
                Deed::Read(of, source) => {
                    let seq = rings[of].head().of(source) + 1;
                    push(&mut rings[of], source, seq);
                }
                Deed::Move => {
                    at = 1 - at;
                    place = Place::after(place.position());
                }
                Deed::Take(records) => {
                    let mut given = Vec::new();
                    let taken = rings[at].take(&mut place, records, |position, item| given.push((position, *item)));
                    for (position, (source, seq)) in given {
                        prop_assert_eq!(seq, has.of(source) + 1, "{:?}", source);
                        has.set(source, seq);
                        prop_assert_eq!(position, has);
                    }
                    prop_assert_eq!(place.position(), has);
                    match taken {
                        Ok(_) => {}
                        // What a reader of the streams would give it.
                        Err(Behind) => {
                            prop_assert!(!rings[at].reaches_back_to(&has));
                            for source in Source::ALL {
                                has.advance(source, rings[at].head().of(source));
                            }
                            place = Place::after(has);
                        }
                    }
                }
            }
        }
    }
}
