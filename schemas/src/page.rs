//! Pages of messages, and the cursors between them.
//!
//! The order of messages is that of the stream; what is not stored yet comes after everything that is, in the order of
//! acceptance.

use std::fmt;
use std::str::FromStr;

/// A message's place in the order of all messages; as text it is the cursor behind which a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its sequence in the stream; the largest number while it is not stored.
    pub stream_seq: u64,
    /// Its place among those that are not stored, else 0.
    pub order: u64,
}

impl Place {
    /// Of a message that a stream keeps.
    pub const fn stored(stream_seq: u64) -> Self {
        Self { stream_seq, order: 0 }
    }

    /// Of a message that no stream keeps yet.
    pub const fn unstored(order: u64) -> Self {
        Self {
            stream_seq: u64::MAX,
            order,
        }
    }

    /// The place after it, whether or not something is there.
    pub const fn next(self) -> Self {
        match self.order.checked_add(1) {
            Some(order) => Self { order, ..self },
            None => Self::stored(self.stream_seq.saturating_add(1)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stream_seq, self.order)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor: use `next_cursor` of the page before")]
pub struct NoCursor;

impl FromStr for Place {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (stream_seq, order) = text.split_once('.').ok_or(NoCursor)?;
        Ok(Self {
            stream_seq: stream_seq.parse().map_err(|_| NoCursor)?,
            order: order.parse().map_err(|_| NoCursor)?,
        })
    }
}

/// A page that is being filled.
#[derive(Debug)]
pub struct PageOf<T> {
    items: Vec<T>,
    last: Option<Place>,
    full: bool,
    limit: usize,
    bytes: usize,
    bytes_max: usize,
}

impl<T> PageOf<T> {
    /// An empty page for at most `limit` items and `bytes_max` bytes together, but always one item.
    pub const fn new(limit: usize, bytes_max: usize) -> Self {
        Self {
            items: Vec::new(),
            last: None,
            full: false,
            limit,
            bytes: 0,
            bytes_max,
        }
    }

    /// Adds an item of so many bytes. False: it begins the next page.
    pub fn push(&mut self, place: Place, item: T, bytes: usize) -> bool {
        let total = self.bytes.saturating_add(bytes);
        if self.items.len() >= self.limit || (total > self.bytes_max && !self.items.is_empty()) {
            self.full = true;
            return false;
        }
        self.bytes = total;
        self.items.push(item);
        self.last = Some(place);
        true
    }

    /// The items, and behind which place the next page begins, if there is one.
    pub fn finish(self) -> (Vec<T>, Option<Place>) {
        (self.items, self.last.filter(|_| self.full))
    }
}

/// The first items, at most `limit`, and behind which place the next page begins.
pub fn page<T>(items: impl IntoIterator<Item = (Place, T)>, limit: usize) -> (Vec<T>, Option<Place>) {
    let mut page = PageOf::new(limit, usize::MAX);
    for (place, item) in items {
        if !page.push(place, item, 0) {
            break;
        }
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_is_a_place_and_nothing_else() {
        for place in [Place::stored(7), Place::unstored(3)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "7", "7.", ".1", "a.b", "-1.0", "1.2.3"] {
            assert_eq!(bad.parse::<Place>(), Err(NoCursor), "{bad}");
        }
        assert!(Place::stored(u64::MAX - 1) < Place::unstored(0));
    }

    proptest! {
        /// Page after page, every item is shown once and in order.
        #[test]
        fn pages_leave_nothing_out(
            sizes in proptest::collection::vec(0_usize..9, 0..40), limit in 1_usize..12, bytes_max in 0_usize..20,
        ) {
            let items = || (0..).zip(sizes.iter().copied()).map(|(n, size)| (Place::stored(n), size));
            let (mut shown, mut cursor) = (Vec::new(), None);
            loop {
                let rest = items().filter(|(place, _)| Some(*place) > cursor);
                let mut page = PageOf::new(limit, bytes_max);
                for (place, size) in rest {
                    if !page.push(place, size, size) { break }
                }
                let (some, next) = page.finish();
                prop_assert!(some.len() <= limit);
                prop_assert!(some.len() <= 1 || some.iter().sum::<usize>() <= bytes_max);
                shown.extend(some);
                if next.is_none() { break }
                cursor = next;
            }
            prop_assert_eq!(shown, sizes);
        }
    }
}
