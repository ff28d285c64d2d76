//! A conversation: the messages that share a `conversation_id`.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Recipient;
use crate::id::Id;
use crate::page::Place;
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

/// Time without a message after which a conversation is archived, in milliseconds: 7 days.
pub const ARCHIVED_AFTER_MS: i64 = 7 * 24 * 3_600_000;

vocabulary! {
    /// Where a conversation stands.
    ConversationStatus, "status of a conversation" {
        /// It goes on.
        Active = "active",
        /// Nobody has written for 7 days; the next message makes it active again.
        Archived = "archived",
        /// Somebody ended it.
        Closed = "closed",
    }
}

/// A conversation, derived from its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Conversation")]
pub struct Conversation {
    /// The `conversation_id` of its messages.
    pub id: Id,
    /// Who wrote or was written to, rooms included, in alphabetical order.
    pub participants: Vec<Recipient>,
    /// Time of its first message.
    pub created_at: Timestamp,
    /// Time of its last message.
    pub last_activity: Timestamp,
    /// Where it stands.
    pub status: ConversationStatus,
}

/// What a conversation is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<R = Recipient> {
    /// Its place.
    pub place: Place,
    /// Its conversation.
    pub conversation: Id,
    /// Its sender.
    pub from: R,
    /// To whom it is addressed.
    pub to: R,
    /// When it was written.
    pub at: Timestamp,
}

/// The conversations of these messages by their last message, the latest first. The place is that of the last message.
pub fn conversations<R: Borrow<Recipient> + Ord>(
    lines: impl IntoIterator<Item = Line<R>>,
    now: Timestamp,
) -> Vec<(Place, Conversation)> {
    let mut found: BTreeMap<Id, (Place, BTreeSet<R>, Timestamp, Timestamp)> = BTreeMap::new();
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
                participants: participants
                    .iter()
                    .map(|name| Borrow::<Recipient>::borrow(name).clone())
                    .collect(),
                created_at,
                last_activity,
                status,
            };
            (place, conversation)
        })
        .collect();
    listed.sort_by_key(|(place, conversation)| (Reverse(*place), conversation.id));
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
