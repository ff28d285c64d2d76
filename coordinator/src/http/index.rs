//! The fleet's latest messages without their texts: what lists are made of.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use wagglebus_http::history::{Asked, Choice, Order};
use wagglebus_schemas::conversation::{Conversation, Line, conversations};
use wagglebus_schemas::page::Place;
use wagglebus_schemas::{AgentId, Id, Message, Recipient, Timestamp};

use super::sight::Sight;

/// Most messages that are known, the latest ones: some 15 MiB of memory.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// A message.
#[derive(Debug)]
struct Entry {
    seq: u64,
    id: Id,
    conversation: Id,
    from: Arc<Recipient>,
    to: Arc<Recipient>,
    at_ms: i64,
    /// Somebody to whom it went is done with it.
    done: bool,
}

/// That a recipient is done with a message.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) message: Id,
    pub(super) sender: AgentId,
    pub(super) by: AgentId,
}

/// A message of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its sequence in the stream.
    pub(super) seq: u64,
    /// Whether its recipient is done with it.
    pub(super) done: bool,
}

/// The latest messages.
#[derive(Debug)]
pub(super) struct Index {
    /// In the order of the stream.
    entries: VecDeque<Entry>,
    by_id: BTreeSet<(Id, u64)>,
    /// Each name once, however many messages have it.
    names: BTreeSet<Arc<Recipient>>,
    entries_max: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self::bounded(ENTRIES_MAX)
    }
}

impl Index {
    fn bounded(entries_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            by_id: BTreeSet::new(),
            names: BTreeSet::new(),
            entries_max,
        }
    }

    /// How many messages are known.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds the message at this sequence, which must be above all others. The oldest one goes when there are too many.
    pub(super) fn add(&mut self, seq: u64, message: Message) {
        self.by_id.insert((message.id, seq));
        let entry = Entry {
            seq,
            id: message.id,
            conversation: message.conversation_id,
            from: self.name(message.from_agent.into()),
            to: self.name(message.to_agent),
            at_ms: message.timestamp.unix_ms(),
            done: false,
        };
        self.entries.push_back(entry);
        if self.entries.len() > self.entries_max {
            self.forget_oldest();
        }
    }

    /// Forgets what lies before this sequence: the stream keeps it no more.
    pub(super) fn forget_before(&mut self, first: u64) {
        while self.entries.front().is_some_and(|entry| entry.seq < first) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(entry) = self.entries.pop_front() else {
            return;
        };
        self.by_id.remove(&(entry.id, entry.seq));
        for name in [entry.from, entry.to] {
            // One is ours here, one that of the names.
            if Arc::strong_count(&name) == 2 {
                self.names.remove(&name);
            }
        }
    }

    fn name(&mut self, name: Recipient) -> Arc<Recipient> {
        if let Some(known) = self.names.get(&name) {
            return known.clone();
        }
        let name = Arc::new(name);
        self.names.insert(name.clone());
        name
    }

    /// Notes that a message is done; false when it is not known. Whom it did not go to has no say in it.
    pub(super) fn finish(&mut self, finished: &Finished) -> bool {
        let seqs = (finished.message, 0)..=(finished.message, u64::MAX);
        let mut known = false;
        for (_, seq) in self.by_id.range(seqs) {
            let at = self.entries.partition_point(|entry| entry.seq < *seq);
            if let Some(entry) = self.entries.get_mut(at)
                && entry.from.agent() == Some(&finished.sender)
            {
                known = true;
                entry.done |= entry.to.agent().is_none_or(|to| *to == finished.by);
            }
        }
        known
    }

    /// The messages of a page, and one more when there are more.
    pub(super) fn choose(&self, sight: &Sight, asked: &Asked) -> Vec<Chosen> {
        let is_wanted = |entry: &&Entry| entry.is_wanted(sight, &asked.choice);
        let show = |entry: &Entry| Chosen {
            seq: entry.seq,
            done: entry.done,
        };
        let count = asked.limit.saturating_add(1);
        match asked.order {
            Order::Asc => {
                let begin = self
                    .entries
                    .partition_point(|entry| asked.behind.is_some_and(|behind| entry.place() <= behind));
                let entries = self.entries.range(begin..).filter(is_wanted);
                entries.take(count).map(show).collect()
            }
            Order::Desc => {
                let end = self
                    .entries
                    .partition_point(|entry| asked.behind.is_none_or(|behind| entry.place() < behind));
                let entries = self.entries.range(..end).rev().filter(is_wanted);
                entries.take(count).map(show).collect()
            }
        }
    }

    /// The conversations by their last message, the latest first, as far as these messages tell.
    pub(super) fn conversations(
        &self,
        sight: &Sight,
        choice: &Choice,
        now: Timestamp,
    ) -> Vec<(Place, Conversation)> {
        let entries = self.entries.iter().filter(|entry| entry.is_wanted(sight, choice));
        let lines = entries.map(|entry| Line {
            place: entry.place(),
            conversation: entry.conversation,
            from: &*entry.from,
            to: &*entry.to,
            // It was one.
            at: Timestamp::from_unix_ms(entry.at_ms).unwrap_or(Timestamp::EPOCH),
        });
        conversations(lines, now)
    }
}

impl Entry {
    const fn place(&self) -> Place {
        Place::stored(self.seq)
    }

    fn is_wanted(&self, sight: &Sight, choice: &Choice) -> bool {
        // Agents alone send.
        self.from.agent().is_some_and(|from| {
            choice.takes(self.conversation, from, &self.to) && sight.takes(from, self.to.kind())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Draft;
    use wagglebus_schemas::conversation::ARCHIVED_AFTER_MS;

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    fn message(n: u8, from: &str, to: &str) -> Message {
        let draft = Draft::text(to.parse().unwrap(), "x".to_owned());
        let at = Timestamp::from_unix_ms(i64::from(n)).unwrap();
        draft.into_message(id(n), from.parse().unwrap(), at)
    }

    /// Messages 1 to 5, with holes between their sequences.
    fn index() -> Index {
        let mut index = Index::default();
        let messages = [
            ("alice", "bob"),
            ("bob", "alice"),
            ("carol", "all"),
            ("alice", "carol"),
            ("dave", "bob"),
        ];
        for (n, (from, to)) in (1..).zip(messages) {
            index.add(u64::from(n) * 10, message(n, from, to));
        }
        index
    }

    fn own(agent: &str) -> Sight {
        Sight::Own {
            agent: agent.parse().unwrap(),
            rooms: vec!["all".parse().unwrap()],
        }
    }

    fn asked(with: Option<&str>, limit: usize, behind: Option<u64>, order: Order) -> Asked {
        Asked {
            choice: Choice {
                conversation: None,
                with: with.map(|with| with.parse().unwrap()),
            },
            limit,
            behind: behind.map(Place::stored),
            order,
        }
    }

    fn seqs(index: &Index, sight: &Sight, asked: &Asked) -> Vec<u64> {
        index
            .choose(sight, asked)
            .iter()
            .map(|chosen| chosen.seq)
            .collect()
    }

    #[test]
    fn pages_go_either_way_and_tell_whether_there_is_more() {
        let (index, all) = (index(), Sight::Everything);
        assert_eq!(
            seqs(&index, &all, &asked(None, 2, None, Order::Asc)),
            [10, 20, 30]
        );
        assert_eq!(
            seqs(&index, &all, &asked(None, 9, Some(20), Order::Asc)),
            [30, 40, 50]
        );
        assert_eq!(
            seqs(&index, &all, &asked(None, 2, None, Order::Desc)),
            [50, 40, 30]
        );
        assert_eq!(
            seqs(&index, &all, &asked(None, 9, Some(30), Order::Desc)),
            [20, 10]
        );
        assert_eq!(
            seqs(&index, &all, &asked(None, 9, Some(35), Order::Asc)),
            [40, 50]
        );
        assert_eq!(
            seqs(&index, &all, &asked(Some("alice"), 9, None, Order::Asc)),
            [10, 20, 40]
        );
        assert_eq!(seqs(&index, &all, &asked(Some("all"), 9, None, Order::Asc)), [30]);
    }

    #[test]
    fn an_agent_is_shown_its_own_only() {
        let index = index();
        let bobs = |with| seqs(&index, &own("bob"), &asked(with, 9, None, Order::Asc));
        assert_eq!(bobs(None), [10, 20, 30, 50]);
        assert_eq!(bobs(Some("alice")), [10, 20]);
        assert_eq!(
            seqs(&index, &own("erin"), &asked(None, 9, None, Order::Asc)),
            [30]
        );
        let listed = index.conversations(&own("bob"), &Choice::default(), Timestamp::EPOCH);
        let ids: Vec<Id> = listed.iter().map(|(_, conversation)| conversation.id).collect();
        assert_eq!(ids, [id(5), id(3), id(2), id(1)]);
    }

    #[test]
    fn a_conversation_is_archived_after_seven_days() {
        let now = Timestamp::from_unix_ms(ARCHIVED_AFTER_MS + 4).unwrap();
        let listed = index().conversations(&Sight::Everything, &Choice::default(), now);
        let status: Vec<&str> = listed.iter().map(|(_, one)| one.status.as_str()).collect();
        assert_eq!(status, ["active", "archived", "archived", "archived", "archived"]);
        let names: Vec<&str> = listed[1].1.participants.iter().map(Recipient::as_str).collect();
        assert_eq!(names, ["alice", "carol"]);
    }

    #[test]
    fn only_whom_a_message_went_to_finishes_it() {
        let mut index = index();
        // Another sender used the same id.
        index.add(60, message(1, "erin", "bob"));
        let mut finish = |n, sender: &str, by: &str| {
            index.finish(&Finished {
                message: id(n),
                sender: sender.parse().unwrap(),
                by: by.parse().unwrap(),
            })
        };
        assert!(finish(1, "alice", "bob") && finish(3, "carol", "dave"));
        assert!(
            finish(2, "bob", "mallory"),
            "known, and not done by somebody else's word"
        );
        assert!(!finish(9, "alice", "bob") && !finish(4, "bob", "carol"));
        let page = index.choose(&Sight::Everything, &asked(None, 9, None, Order::Asc));
        let done = page.iter().filter(|chosen| chosen.done).map(|chosen| chosen.seq);
        assert_eq!(done.collect::<Vec<_>>(), [10, 30]);
    }

    #[test]
    fn the_oldest_go_with_their_names() {
        let mut index = Index::bounded(2);
        for (n, from) in [(1, "alice"), (2, "bob"), (3, "bob")] {
            index.add(u64::from(n), message(n, from, "carol"));
        }
        let names = |index: &Index| {
            index
                .names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (index.len(), names(&index)),
            (2, vec!["bob".to_owned(), "carol".to_owned()])
        );
        index.forget_before(3);
        assert_eq!((index.len(), index.by_id.len(), names(&index).len()), (1, 1, 2));
        index.forget_before(9);
        assert_eq!((index.len(), index.by_id.len(), names(&index).len()), (0, 0, 0));
    }
}
