//! What is found, and what is looked at for it, in a stream of this process.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;

/// A stream that counts how often it is asked, and that refuses to be asked below its first message.
struct Memory {
    /// By sequence: subject and time in milliseconds.
    messages: BTreeMap<u64, (&'static str, i64)>,
    first: u64,
    asked: Cell<usize>,
    lowest: Cell<u64>,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_323_045_000 + ms).unwrap()
}

impl Memory {
    fn new(messages: impl IntoIterator<Item = (u64, &'static str, i64)>) -> Self {
        let messages = messages.into_iter();
        let messages: BTreeMap<_, _> = messages.map(|(seq, subject, ms)| (seq, (subject, ms))).collect();
        Self {
            first: messages.keys().next().copied().unwrap_or(1),
            messages,
            asked: Cell::new(0),
            lowest: Cell::new(u64::MAX),
        }
    }
}

impl Messages for Memory {
    async fn next(&self, _: &str, from: u64, subject: &str) -> Result<Option<Stored>, ReadError> {
        self.asked.set(self.asked.get() + 1);
        self.lowest.set(self.lowest.get().min(from));
        let mut rest = self.messages.range(from..);
        let found = rest.find(|(_, (of, _))| subject == ">" || subject == *of);
        Ok(found.map(|(seq, (subject, ms))| Stored {
            seq: *seq,
            subject: (*subject).to_owned(),
            time: at(*ms).to_string(),
            msg_id: None,
            payload: Vec::new(),
        }))
    }

    async fn sequences(&self, _: &str) -> Result<RangeInclusive<u64>, ReadError> {
        let last = self.messages.keys().next_back().copied();
        Ok(self.first..=last.unwrap_or_else(|| self.first.saturating_sub(1)))
    }
}

fn look(subjects: &[String]) -> Look<'_> {
    Look {
        stream: "S",
        subjects,
        limit: 10,
        looks_max: 1_000,
        since: None,
        until: None,
    }
}

async fn seqs(memory: &Memory, look: &Look<'_>) -> Found<u64> {
    newest(memory, look, |stored| Some(stored.seq)).await.unwrap()
}

/// Message `n` is stored at `n` milliseconds; every hundredth is a `b`.
fn long(sequences: RangeInclusive<u64>) -> Memory {
    let subject = |seq: u64| if seq.is_multiple_of(100) { "b" } else { "a" };
    let ms = |seq: u64| i64::try_from(seq).unwrap();
    Memory::new(sequences.map(|seq| (seq, subject(seq), ms(seq))))
}

#[tokio::test]
async fn until_begins_where_that_time_was() {
    let (memory, subjects) = (long(1..=100_000), ["a".to_owned()]);
    let found = seqs(
        &memory,
        &Look {
            until: Some(at(250)),
            limit: 3,
            ..look(&subjects)
        },
    )
    .await;
    assert_eq!((found.items, found.more), (vec![248, 249, 250], true));
    assert!(memory.asked.get() < 200, "{} questions", memory.asked.get());
    // Between the messages, before all of them and after them.
    for (until, last) in [
        (-1, None),
        (0, None),
        (1, Some(1)),
        (199, Some(199)),
        (200, Some(199)),
    ] {
        let narrow = Look {
            until: Some(at(until)),
            ..look(&subjects)
        };
        assert_eq!(
            seqs(&memory, &narrow).await.items.last().copied(),
            last,
            "{until}"
        );
    }
}

#[tokio::test]
async fn since_and_until_meet_with_gaps_in_between() {
    let memory = Memory::new([
        (7, "a", 10),
        (9, "a", 20),
        (40, "b", 30),
        (41, "a", 30),
        (90, "a", 40),
    ]);
    let subjects = ["a".to_owned(), "b".to_owned()];
    for (since, until, expected) in [
        (Some(20), Some(30), &[9, 40, 41][..]),
        (Some(21), None, &[40, 41, 90]),
        (None, Some(29), &[7, 9]),
        (Some(31), Some(39), &[]),
        (Some(41), None, &[]),
        (None, None, &[7, 9, 40, 41, 90]),
    ] {
        let range = Look {
            since: since.map(at),
            until: until.map(at),
            ..look(&subjects)
        };
        let found = seqs(&memory, &range).await;
        assert_eq!(
            (found.items.as_slice(), found.more),
            (expected, false),
            "{range:?}"
        );
    }
    let empty = Memory::new([]);
    let narrow = Look {
        since: Some(at(1)),
        until: Some(at(2)),
        ..look(&subjects)
    };
    assert_eq!(seqs(&empty, &narrow).await.items, [0; 0]);
}

#[tokio::test]
async fn nothing_is_asked_for_below_the_first_message() {
    let (memory, subjects) = (long(1_000_000..=1_000_100), ["c".to_owned()]);
    let found = seqs(&memory, &look(&subjects)).await;
    assert_eq!(
        (found.items, found.more, found.searched_to),
        (vec![], false, None)
    );
    assert_eq!(memory.lowest.get(), 1_000_000);
    assert!(memory.asked.get() < 100, "{} questions", memory.asked.get());
}

#[tokio::test]
async fn a_bound_that_was_reached_is_told_and_the_search_goes_on_from_there() {
    let (memory, subjects) = (long(1..=10_000), ["a".to_owned()]);
    let wanted = |stored: Stored| (stored.seq == 4_001).then_some(stored.seq);
    let mut until = None;
    for round in 1.. {
        let step = Look {
            until,
            ..look(&subjects)
        };
        let found = newest(&memory, &step, wanted).await.unwrap();
        if found.items == [4_001] {
            break;
        }
        assert!(found.items.is_empty() && found.more);
        let searched_to = found.searched_to.expect("not everything was looked at");
        assert!(until.is_none_or(|until| searched_to < until), "it goes on");
        assert!(round < 10, "a thousand are looked at in each");
        until = Some(searched_to);
    }
}

#[test]
fn only_the_newest_are_kept_and_more_is_told() {
    let found: BTreeMap<u64, u64> = (1..=5).map(|n| (n, n)).collect();
    assert_eq!(
        finish(found.clone(), 2, false),
        Found {
            items: vec![4, 5],
            more: true,
            searched_to: None
        }
    );
    assert_eq!(
        finish(found, 5, false),
        Found {
            items: vec![1, 2, 3, 4, 5],
            more: false,
            searched_to: None
        }
    );
    assert_eq!(
        finish::<u64>(BTreeMap::new(), 5, false),
        Found {
            items: vec![],
            more: false,
            searched_to: None
        }
    );
}
