//! What was ordered to be published and is not known to be stored, and what the log is told of it (ADR 0051).

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Id};

use super::coordination::Coordination;
use super::order::{Desk, Order};
use super::unreadable::{self, Record};
use crate::log::Letter;
use crate::log::data::object;
use crate::log::post::{Origin, Owed, PUBLISHED, PostData, READ};

/// Time between two lines that say up to where messages were read and what was published, in milliseconds.
const MARK_MS: u64 = 10_000;
/// How much the log may hold that is not said to be published until it is said at once, in bytes.
const MARK_BYTES: usize = 16 * 1024 * 1024;
/// Most dead letters under way at once, with what they are about: further records are read again when it is their turn.
const UNDER_WAY_MAX: usize = 256;
/// Most dead letters of which one line tells.
const LINE_MAX: usize = 64;

/// What the leader waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Posting {
    /// The line from which each record follows that is under way, and how many do from each line.
    letters: BTreeMap<Id, u64>,
    lines: BTreeMap<u64, usize>,
    /// Dead letters that are not stored, and of which records each is.
    owing: BTreeMap<Origin, Owing>,
    origins: BTreeMap<Id, Origin>,
    /// Records whose dead letters a former leader owed: they come by once more, maybe when nothing is owed any more.
    inherited: BTreeSet<Origin>,
    under_way: usize,
    /// Those of which the log is to be told that they are stored.
    settled: BTreeSet<Origin>,
    marked_ms: u64,
}

/// A dead letter that is not known to be stored.
#[derive(Debug, Clone)]
struct Owing {
    owed: Owed,
    /// The log tells of it.
    logged: bool,
    /// It is being published; otherwise its record is to be read first.
    under_way: bool,
}

impl Posting {
    /// The line up to which everything is stored that follows, of a log that is stored up to `stored`.
    fn up_to(&self, stored: u64) -> u64 {
        let first = self.lines.keys().next();
        first.map_or(stored, |first| first.saturating_sub(1).min(stored))
    }

    /// Whether the dead letter of a record is seen to already.
    pub(super) fn knows(&self, origin: Origin) -> bool {
        self.owing.contains_key(&origin) || self.inherited.contains(&origin)
    }

    /// A stream is another one behind this sequence: records that are to be read again are gone. What is under way is not.
    pub(super) fn renewed(&mut self, stream: Stream, decided: u64) {
        let stays = |origin: &Origin| origin.stream != stream || origin.seq <= decided;
        self.owing
            .retain(|origin, owing| owing.under_way || stays(origin));
        self.inherited.retain(stays);
    }

    fn begin(&mut self, origin: Origin) {
        let owing = self.owing.get_mut(&origin).filter(|owing| !owing.under_way);
        if let Some(owing) = owing {
            owing.under_way = true;
            self.origins.insert(owing.owed.letter, origin);
            self.under_way += 1;
        }
    }
}

impl Coordination {
    /// Publishes what follows from a stored line.
    pub(super) fn publish_of(
        &mut self,
        desk: &mut Desk<'_>,
        seq: u64,
        letters: impl IntoIterator<Item = Letter>,
    ) {
        for letter in letters {
            if self.posting.letters.insert(letter.id, seq).is_none() {
                *self.posting.lines.entry(seq).or_default() += 1;
            }
            self.publish(desk, letter);
        }
    }

    /// A new leader publishes again what its predecessor may not have published, whatever the clocks say.
    pub(super) fn begin_post(&mut self, desk: &mut Desk<'_>) {
        let unpublished: Vec<(u64, Letter)> = self
            .world
            .post()
            .unpublished()
            .map(|following| (following.seq, following.letter.clone()))
            .collect();
        for (seq, letter) in unpublished {
            self.publish_of(desk, seq, [letter]);
        }
        let inherited = self.world.post().owed().map(|owed| owed.origin);
        self.posting.inherited = inherited.collect();
        let owed = self.world.post().owed().map(|owed| {
            let owing = Owing {
                owed: owed.clone(),
                logged: true,
                under_way: false,
            };
            (owed.origin, owing)
        });
        self.posting.owing.extend(owed);
        self.read_owed(desk);
    }

    /// Records are stored, or never will be: the log can say so of what they follow from.
    pub(super) fn settle_post(&mut self, desk: &mut Desk<'_>, ids: &[Id]) {
        if !self.leads() {
            return;
        }
        for id in ids {
            if let Some(seq) = self.posting.letters.remove(id) {
                let left = self.posting.lines.get_mut(&seq).map(|left| {
                    *left -= 1;
                    *left
                });
                if left == Some(0) {
                    self.posting.lines.remove(&seq);
                }
            } else if let Some(origin) = self.posting.origins.get(id).copied() {
                self.settle_owed(origin);
            }
        }
        self.read_owed(desk);
    }

    /// A dead letter is to be published; `record` is what it is about.
    pub(super) fn owe(&mut self, desk: &mut Desk<'_>, owed: Owed, record: &Record) {
        let origin = owed.origin;
        let letters = unreadable::letters(&self.hive, &owed, record);
        let owing = Owing {
            owed,
            logged: false,
            under_way: false,
        };
        self.posting.owing.insert(origin, owing);
        if self.posting.under_way < UNDER_WAY_MAX {
            self.posting.begin(origin);
            letters.for_each(|letter| self.publish(desk, letter));
        }
    }

    /// A record that was asked for was read; `None`: it is not there any more.
    pub fn reread_record(&mut self, desk: &mut Desk<'_>, origin: Origin, record: Option<&Record>) {
        let owing = self.posting.owing.get(&origin).filter(|_| self.leads());
        let Some(owed) = owing.map(|owing| &owing.owed) else {
            return; // It belongs to a time that is over.
        };
        match record {
            Some(record) => {
                let letters = unreadable::letters(&self.hive, owed, record);
                letters.for_each(|letter| self.publish(desk, letter));
            }
            None => {
                desk.orders.push(Order::Warn(format!(
                    "record {} of {} is gone before its dead letter was stored: {}",
                    origin.seq,
                    origin.stream.name(&self.hive),
                    owed.detail
                )));
                self.settle_owed(origin);
                self.read_owed(desk);
            }
        }
    }

    /// Has the records read whose turn it is.
    fn read_owed(&mut self, desk: &mut Desk<'_>) {
        let room = UNDER_WAY_MAX.saturating_sub(self.posting.under_way);
        if room == 0 || self.posting.owing.len() == self.posting.under_way {
            return;
        }
        let waiting = self.posting.owing.iter().filter(|(_, owing)| !owing.under_way);
        let next: Vec<Origin> = waiting.take(room).map(|(origin, _)| *origin).collect();
        for origin in next {
            self.posting.begin(origin);
            desk.orders.push(Order::ReadAgain(origin));
        }
    }

    fn settle_owed(&mut self, origin: Origin) {
        let Some(owing) = self.posting.owing.remove(&origin) else {
            return;
        };
        self.posting.origins.remove(&owing.owed.letter);
        self.posting.under_way -= usize::from(owing.under_way);
        if owing.logged {
            self.posting.settled.insert(origin);
        }
    }

    /// Tells the log of the dead letters that a line with this cause passes over and that are not known to be stored: a
    /// successor does not read their records again by itself.
    pub(super) fn admit_owed(&mut self, desk: &mut Desk<'_>, cause: &Cause) {
        let (Some(name), Some(seq)) = (&cause.stream, cause.seq) else {
            return;
        };
        let mut streams = Stream::ALL.iter();
        let Some(stream) = streams.find(|stream| stream.name(&self.hive) == *name).copied() else {
            return;
        };
        let (first, last) = (Origin { stream, seq: 0 }, Origin { stream, seq });
        let passed = self.posting.owing.range_mut(first..=last);
        let mut passed: Vec<Owed> = passed
            .filter_map(|(_, owing)| {
                let logged = std::mem::replace(&mut owing.logged, true);
                (!logged).then(|| owing.owed.clone())
            })
            .collect();
        while !passed.is_empty() {
            let rest = passed.split_off(passed.len().min(LINE_MAX));
            let data = PostData {
                owed: std::mem::replace(&mut passed, rest),
                ..PostData::default()
            };
            self.write_post(desk, None, &data);
        }
    }

    /// Lets the log know up to where messages were read from which nothing followed, and what was published: a successor
    /// answers and publishes the rest again.
    pub(super) fn mark(&mut self, desk: &mut Desk<'_>) {
        let due = desk.now.boot_ms.saturating_sub(self.posting.marked_ms) >= MARK_MS;
        if !due && self.world.post().bytes() < MARK_BYTES {
            return;
        }
        let read = Some(self.read_messages).filter(|read| *read > self.decided(Stream::Messages));
        let up_to = self.posting.up_to(self.stored);
        let first = self.world.post().first_unpublished();
        let mut settled = std::mem::take(&mut self.posting.settled).into_iter();
        let data = PostData {
            published: first.filter(|first| *first <= up_to).map(|_| up_to),
            settled: settled.by_ref().take(LINE_MAX).collect(),
            owed: Vec::new(),
        };
        self.posting.settled = settled.collect();
        if read.is_none() && data == PostData::default() {
            return;
        }
        self.posting.marked_ms = desk.now.boot_ms;
        self.write_post(desk, read, &data);
    }

    /// Writes a line about what we ourselves read and published.
    fn write_post(&mut self, desk: &mut Desk<'_>, read: Option<u64>, data: &PostData) {
        let kind = if read.is_some() {
            CauseType::Message
        } else {
            CauseType::Leader
        };
        let word = if read.is_some() { READ } else { PUBLISHED };
        let event = Event {
            id: desk.ids.fresh(),
            entity: EventKind::Conversation,
            entity_id: AgentId::coordinator().to_string(),
            seq: 0,
            from: None,
            to: word.to_owned(),
            event: word.to_owned(),
            actor: AgentId::coordinator(),
            cause: Cause {
                kind,
                id: None,
                stream: read.map(|_| Stream::Messages.name(&self.hive)),
                seq: read,
            },
            guard: None,
            at: self.stamp(desk.now),
            data: object(data),
        };
        self.write(desk, event);
    }
}
