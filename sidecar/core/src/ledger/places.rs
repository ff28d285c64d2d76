//! What was sent and received, in the order of the stream: an index, so that a page costs what it shows.

use std::collections::BTreeSet;
use std::ops::Bound;

use wagglebus_schemas::page::Place;
use wagglebus_schemas::{Id, Level};

use super::{InEntry, Ledger, Name, OutEntry};
use crate::journal::Location;
use crate::record::{Key, Outcome};

/// From which end a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The oldest first.
    #[default]
    Forwards,
    /// The newest first.
    Backwards,
}

/// A message whose body is kept.
#[derive(Debug, Clone, Copy)]
pub enum Side<'a> {
    /// The agent sent it.
    Sent(&'a Id, &'a OutEntry),
    /// It was handed over to the agent.
    Received(&'a Key, &'a InEntry),
}

/// A message in the order of all messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its place.
    pub place: Place,
    /// Its body in the spool.
    pub body: Location,
    /// Its recipient is done with it.
    pub done: bool,
}

/// Part of the list of all messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What is wanted of it, in its order, each place once.
    pub told: Vec<Told>,
    /// Where it ended, when there may be more.
    pub next: Option<Place>,
}

impl Ledger {
    /// The messages behind a place (read backwards: before it) that are `wanted`, looking at no more than about `looks`.
    pub fn stretch(
        &self,
        behind: Option<Place>,
        direction: Direction,
        looks: usize,
        wanted: impl Fn(Side<'_>) -> bool,
    ) -> Stretch {
        let (lower, upper) = match (behind, direction) {
            (None, _) => (Bound::Unbounded, Bound::Unbounded),
            (Some(place), Direction::Forwards) => (Bound::Included(first_at(place.next())), Bound::Unbounded),
            (Some(place), Direction::Backwards) => (Bound::Unbounded, Bound::Excluded(first_at(place))),
        };
        let range = self.places.range((lower, upper));
        match direction {
            Direction::Forwards => self.collect(range, looks, wanted),
            Direction::Backwards => self.collect(range.rev(), looks, wanted),
        }
    }

    fn collect<'a>(
        &'a self,
        places: impl Iterator<Item = &'a (Place, Name)>,
        looks: usize,
        wanted: impl Fn(Side<'_>) -> bool,
    ) -> Stretch {
        let mut told: Vec<Told> = Vec::new();
        let mut at = None;
        for (looked, (place, name)) in places.enumerate() {
            // A place is never cut in two: who goes on behind it would miss the rest.
            if looked >= looks && at != Some(*place) {
                return Stretch { told, next: at };
            }
            at = Some(*place);
            let Some(found) = self.side(name).filter(|side| wanted(*side)) else {
                continue;
            };
            let Some(found) = self.told(*place, found) else {
                continue;
            };
            // What an agent wrote to itself was sent and received: one place, told once.
            match told.last_mut().filter(|last| last.place == *place) {
                Some(last) if found.done => *last = found,
                Some(_) => {}
                None => told.push(found),
            }
        }
        Stretch { told, next: None }
    }

    fn side<'a>(&'a self, name: &'a Name) -> Option<Side<'a>> {
        Some(match name {
            Name::Out(id) => Side::Sent(id, self.out.get(id)?),
            Name::In(key) => Side::Received(key, self.inn.get(key)?),
        })
    }

    fn told(&self, place: Place, side: Side<'_>) -> Option<Told> {
        let (body, done) = match side {
            Side::Sent(id, entry) => (entry.body?, self.level(id) == Some(Level::Done)),
            Side::Received(_, entry) => (entry.body?, matches!(entry.ended, Some((Outcome::Done, _)))),
        };
        Some(Told { place, body, done })
    }
}

/// Before everything at this place.
const fn first_at(place: Place) -> (Place, Name) {
    (place, Name::Out(Id::from_bytes([0; 16])))
}

/// Keeps the index when an entry moves, comes or goes.
pub(super) fn relocate(
    places: &mut BTreeSet<(Place, Name)>,
    (before, after): (Option<Place>, Option<Place>),
    name: impl Fn() -> Name,
) {
    if before == after {
        return;
    }
    if let Some(place) = before {
        places.remove(&(place, name()));
    }
    if let Some(place) = after {
        places.insert((place, name()));
    }
}

impl OutEntry {
    /// Its place in the order of all messages; `None`: it is no message, or its body is not kept.
    pub(super) fn place(&self) -> Option<Place> {
        let head = self.head.as_ref().filter(|_| self.is_message())?;
        self.body?;
        Some(
            self.seq
                .map_or_else(|| Place::unstored(head.order), Place::stored),
        )
    }
}

impl InEntry {
    /// Its place in the order of all messages; `None`: its body is not kept.
    pub(super) fn place(&self) -> Option<Place> {
        self.body?;
        Some(Place::stored(self.head.as_ref()?.stream_seq))
    }
}
