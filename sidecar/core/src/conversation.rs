//! Conversations and pages of them, out of single messages.
//!
//! The order of messages is that of the stream; what is not stored yet comes after everything that is, in the order of
//! acceptance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use wagglebus_schemas::conversation::{ARCHIVED_AFTER_MS, Conversation, ConversationStatus};
use wagglebus_schemas::{Id, Recipient, Timestamp};

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

/// What a conversation is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place.
    pub place: Place,
    /// Its conversation.
    pub conversation: Id,
    /// Its sender.
    pub from: Recipient,
    /// To whom it is addressed.
    pub to: Recipient,
    /// When it was written.
    pub at: Timestamp,
}

/// The conversations of these messages by their last message, the latest first. The place is that of the last message.
pub fn conversations(lines: impl IntoIterator<Item = Line>, now: Timestamp) -> Vec<(Place, Conversation)> {
    let mut found: BTreeMap<Id, (Place, BTreeSet<Recipient>, Timestamp, Timestamp)> = BTreeMap::new();
    for line in lines {
        let (place, participants, first, last) = found
            .entry(line.conversation)
            .or_insert_with(|| (line.place, BTreeSet::new(), line.at, line.at));
        *place = line.place.max(*place);
        participants.extend([line.from, line.to]);
        // Clocks of several machines: the order of the stream need not be that of the times.
        *first = line.at.min(*first);
        *last = line.at.max(*last);
    }
    let mut listed: Vec<_> = found
        .into_iter()
        .map(|(id, (place, participants, created_at, last_activity))| {
            let idle_ms = now.unix_ms().saturating_sub(last_activity.unix_ms());
            let status = if idle_ms >= ARCHIVED_AFTER_MS {
                ConversationStatus::Archived
            } else {
                ConversationStatus::Active
            };
            let conversation = Conversation {
                id,
                participants: participants.into_iter().collect(),
                created_at,
                last_activity,
                status,
            };
            (place, conversation)
        })
        .collect();
    listed.sort_by_key(|(place, conversation)| (std::cmp::Reverse(*place), conversation.id));
    listed
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

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    fn line(place: u64, conversation: u8, from: &str, to: &str, at: i64) -> Line {
        Line {
            place: Place::stored(place),
            conversation: id(conversation),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            at: Timestamp::from_unix_ms(at).unwrap(),
        }
    }

    #[test]
    fn the_latest_conversation_comes_first_with_everybody_in_it() {
        let lines = [
            line(1, 1, "alice", "bob", 100),
            line(2, 2, "carol", "alice", 200),
            line(3, 1, "bob", "alice", 50),
            line(4, 3, "alice", "room:ops", 400),
        ];
        let now = Timestamp::from_unix_ms(50 + ARCHIVED_AFTER_MS).unwrap();
        let listed = conversations(lines, now);
        let ids: Vec<Id> = listed.iter().map(|(_, conversation)| conversation.id).collect();
        assert_eq!(ids, [id(3), id(1), id(2)]);
        let (place, first) = &listed[1];
        assert_eq!(*place, Place::stored(3));
        let names: Vec<&str> = first.participants.iter().map(Recipient::as_str).collect();
        assert_eq!(names, ["alice", "bob"]);
        assert_eq!(
            (first.created_at.unix_ms(), first.last_activity.unix_ms()),
            (50, 100)
        );
        assert_eq!(first.status, ConversationStatus::Active);
    }

    #[test]
    fn seven_days_of_silence_archive_a_conversation() {
        let status = |idle_ms: i64| {
            let now = Timestamp::from_unix_ms(100 + idle_ms).unwrap();
            conversations([line(1, 1, "alice", "bob", 100)], now)[0].1.status
        };
        assert_eq!(status(ARCHIVED_AFTER_MS - 1), ConversationStatus::Active);
        assert_eq!(status(ARCHIVED_AFTER_MS), ConversationStatus::Archived);
    }

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
