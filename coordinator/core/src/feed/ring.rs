//! The latest records of the feed, for all readers at once.

use std::collections::VecDeque;

use super::position::{Position, Source};

/// How much is kept. The newest record is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Records.
    pub records: usize,
    /// Their bytes together.
    pub bytes: usize,
}

/// Where a reader is. Its position is what it has been given; what it was given here and what it has of elsewhere are
/// told apart by that alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    position: Position,
    /// Number of the next record to be looked at; `None` before the first look.
    next: Option<u64>,
}

impl Place {
    /// Of a reader that has been given everything up to there.
    pub const fn after(position: Position) -> Self {
        Self { position, next: None }
    }

    /// What the reader has been given.
    pub const fn position(&self) -> Position {
        self.position
    }
}

/// The reader has missed records that are not kept here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind;

#[derive(Debug)]
struct Slot<T> {
    source: Source,
    seq: u64,
    bytes: usize,
    item: T,
}

/// The latest records, in the order in which they came.
#[derive(Debug)]
pub struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    bounds: Bounds,
    bytes: usize,
    /// Number of the first record kept, from 0.
    first: u64,
    /// Everything after it, up to the head, is kept.
    floor: Position,
    /// The last record of each stream.
    head: Position,
}

impl<T> Ring<T> {
    /// An empty one, for what comes after `start`.
    pub const fn new(start: Position, bounds: Bounds) -> Self {
        Self {
            slots: VecDeque::new(),
            bounds,
            bytes: 0,
            first: 0,
            floor: start,
            head: start,
        }
    }

    /// How far the streams were read.
    pub const fn head(&self) -> Position {
        self.head
    }

    /// The place of a reader that wants what comes from now on.
    pub fn end(&self) -> Place {
        Place {
            position: self.head,
            next: Some(self.past_the_last()),
        }
    }

    /// A record was read: `item` is what is shown of it, if anything. False for one that was read before.
    pub fn push(&mut self, source: Source, seq: u64, item: Option<(usize, T)>) -> bool {
        let last = self.head.of(source);
        if !self.head.advance(source, seq) {
            return false;
        }
        if seq.saturating_sub(1) > last {
            self.cut(source, seq - 1);
        }
        if let Some((bytes, item)) = item {
            self.bytes = self.bytes.saturating_add(bytes);
            let slot = Slot {
                source,
                seq,
                bytes,
                item,
            };
            self.slots.push_back(slot);
        }
        while self.slots.len() > 1
            && (self.slots.len() > self.bounds.records || self.bytes > self.bounds.bytes)
        {
            self.drop_first();
        }
        true
    }

    /// Whether a reader that has been given everything up to there can be given the rest from here.
    pub fn reaches_back_to(&self, position: &Position) -> bool {
        position.reaches(&self.floor)
    }

    /// Gives a reader its next records with their positions, at most `records` of them: how many there were to look at.
    /// What it has already is passed over.
    ///
    /// # Errors
    /// [`Behind`]; the place is as it was.
    pub fn take(
        &self,
        place: &mut Place,
        records: usize,
        mut give: impl FnMut(Position, &T),
    ) -> Result<usize, Behind> {
        let next = match place.next {
            Some(next) if next >= self.first => next,
            Some(_) | None if self.reaches_back_to(&place.position) => self.first,
            Some(_) | None => return Err(Behind),
        };
        let skipped = usize::try_from(next - self.first).unwrap_or(usize::MAX);
        let mut taken = 0;
        for slot in self.slots.iter().skip(skipped).take(records) {
            if place.position.advance(slot.source, slot.seq) {
                give(place.position, &slot.item);
            }
            taken += 1;
        }
        let taken_to = next.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        place.next = Some(taken_to);
        if taken_to == self.past_the_last() {
            // What was read last may be nothing that is shown.
            for source in Source::ALL {
                place.position.advance(source, self.head.of(source));
            }
        }
        Ok(taken)
    }

    fn past_the_last(&self) -> u64 {
        self.first
            .saturating_add(u64::try_from(self.slots.len()).unwrap_or(u64::MAX))
    }

    /// Records of a stream were not read, up to `seq`: whoever has not got them must look there.
    fn cut(&mut self, source: Source, seq: u64) {
        while !self.slots.is_empty() {
            self.drop_first();
        }
        // Nobody's next record is the first one any more.
        self.first = self.first.saturating_add(1);
        self.floor = self.head;
        self.floor.set(source, seq);
    }

    fn drop_first(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.first = self.first.saturating_add(1);
            self.bytes = self.bytes.saturating_sub(slot.bytes);
            self.floor.advance(slot.source, slot.seq);
        }
    }
}
