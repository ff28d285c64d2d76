//! One coordinator: the pure parts, and what its shell keeps of them.

use std::collections::BTreeMap;

use wagglebus_coordinator_core::attention::Attention;
use wagglebus_coordinator_core::lead::election::{Revision, Written};
use wagglebus_coordinator_core::lead::{Appended, Coordination, Election, Place, Record, Row};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_coordinator_core::log::post;
use wagglebus_coordinator_core::roster::Roster;
use wagglebus_coordinator_core::task::FreshIds;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::{Hive, Id, Timestamp};

/// Time of day at which every world begins.
pub(crate) const WALL_MS: i64 = 1_767_323_045_000;

/// Ids that count up.
#[derive(Debug, Default)]
pub(crate) struct Ids(u128);

impl FreshIds for Ids {
    fn fresh(&mut self) -> Id {
        self.0 += 1;
        Id::from_bytes((0x0192_f0c1_7c1e_7b11_8a52_0000_0000_0000 + self.0).to_be_bytes())
    }
}

/// What a shell asks of the server.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append { after: u64, events: Vec<Event> },
    Publish(Letter),
    ReadAgain(post::Origin),
    Survey,
    Project(Vec<Row>),
    Look,
    Write(Revision),
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Appended { after: u64, outcome: Appended },
    Published(Id),
    ReadAgain(post::Origin, Record),
    Surveyed(Vec<(Place, u64)>),
    Projected,
    Seen(Revision),
    Wrote(Written),
}

/// A place in a stream from which is read.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// Which reading: what belongs to a former one is dropped.
    pub(crate) number: u64,
    /// The next sequence.
    pub(crate) next: u64,
    pub(crate) caught_up: bool,
}

/// What a leader listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Commands,
    Messages,
    Receipts,
}

impl Source {
    pub(crate) const ALL: [Self; 3] = [Self::Commands, Self::Messages, Self::Receipts];
}

/// A coordinator.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) life: u64,
    pub(crate) up: bool,
    /// Nothing comes through, in either direction.
    pub(crate) cut: bool,
    /// It was told that it is cut off.
    pub(crate) told: bool,
    pub(crate) frozen_until: u64,
    /// Decided events after which it reads no more, where those are few.
    pub(crate) waiting_max: Option<usize>,
    /// Messages that it answered by itself since it read the log anew, with the id of the answer.
    pub(crate) answered: BTreeMap<Id, Id>,
    /// Until then the server refuses for good what it writes.
    pub(crate) barred_until: u64,
    /// By how much its time of day is wrong.
    pub(crate) skew_ms: i64,
    pub(crate) attention: Attention,
    pub(crate) roster: Roster,
    pub(crate) coordination: Coordination,
    pub(crate) election: Election,
    pub(crate) log: Reader,
    /// What a leader listens to: commands, messages, receipts.
    pub(crate) streams: [Option<Reader>; 3],
    /// The last dead letter that was read, while it leads.
    pub(crate) letters: Option<u64>,
    /// The last report, the same.
    pub(crate) reports: Option<u64>,
    /// What was asked of the server and not answered.
    pub(crate) pending: BTreeMap<u64, Request>,
    /// Which of them is about the lease.
    pub(crate) errand: Option<u64>,
    pub(crate) wake_at: Option<u64>,
}

impl Node {
    /// A coordinator that is not running.
    pub(crate) fn new() -> Self {
        Self {
            life: 0,
            up: false,
            cut: false,
            told: false,
            frozen_until: 0,
            barred_until: 0,
            waiting_max: None,
            answered: BTreeMap::new(),
            skew_ms: 0,
            attention: Attention::default(),
            roster: Roster::default(),
            coordination: Coordination::new(Hive::default(), String::new()),
            election: Election::new(),
            log: Reader {
                number: 0,
                next: 1,
                caught_up: false,
            },
            streams: [const { None }; 3],
            letters: None,
            reports: None,
            pending: BTreeMap::new(),
            errand: None,
            wake_at: None,
        }
    }

    /// A new life: nothing of the former one is known.
    pub(crate) fn start(&mut self, at: usize, now_ms: u64, reading: u64) {
        *self = Self {
            life: self.life + 1,
            up: true,
            cut: self.cut,
            barred_until: self.barred_until,
            waiting_max: self.waiting_max,
            skew_ms: self.skew_ms,
            coordination: Coordination::new(Hive::default(), instance((at, self.life + 1))),
            ..Self::new()
        };
        self.coordination.set_alerts(crate::alerts::settings());
        if let Some(events) = self.waiting_max {
            self.coordination.set_waiting_max(events);
        }
        self.log.number = reading;
        self.attention.advance(now_ms);
        self.attention.listen(true);
    }

    /// Its time of day.
    pub(crate) fn wall(&self, now_ms: u64) -> Timestamp {
        let ms = WALL_MS + i64::try_from(now_ms).unwrap() + self.skew_ms;
        Timestamp::from_unix_ms(ms).unwrap()
    }

    /// When one of its parts has something to do.
    pub(crate) fn next_ms(&mut self) -> Option<u64> {
        let roster = self.attention.promise(self.roster.next_due());
        let lease = self.election.next_ms().filter(|_| !self.told);
        let next = [roster, lease, self.coordination.next_ms()];
        next.into_iter().flatten().min()
    }
}

/// The name that a life of a node has in `leader` lines.
pub(crate) fn instance((node, life): (usize, u64)) -> String {
    format!("node-{node}-{life}")
}
