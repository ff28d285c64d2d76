//! One coordinator's part in following the tasks: it reads the log, and while it leads it writes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Hive, Id, Timestamp};

use super::alerting::Alerting;
use super::duty::WAITING_MAX;
use super::muster::Muster;
use super::order::{Appended, Desk, Noted, Order};
use super::post::Posting;
use super::round;
use super::view::Views;
use super::waits::{Post, Wait};
use crate::assign::Backlog;
use crate::attention::Now;
use crate::fsm;
use crate::log::World;
use crate::log::letter::Letter;
use crate::task::{self, Ask, Asked, Scribe};

/// Time after which an append that was refused is tried anew, in milliseconds.
const RETRY_MS: u64 = 100;

/// What we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads along.
    Standby,
    /// Has the lease, and tries to write the first line of its time.
    Taking { next_ms: u64 },
    /// Writes the log.
    Leading { since_ms: u64 },
}

/// An event that was decided and is not stored yet.
#[derive(Debug, Clone)]
pub(super) struct Unstored {
    pub(super) seq: u64,
    /// What follows from it.
    pub(super) letters: Vec<Letter>,
    /// The state that it leads to, of what, if that is another one than before.
    pub(super) moved: Option<(EventKind, String)>,
}

/// The state of the coordination.
#[derive(Debug, Clone)]
pub struct Coordination {
    pub(super) hive: Hive,
    pub(super) instance: String,
    pub(super) world: World,
    pub(super) role: Role,
    /// The log was read to its end in this session.
    pub(super) caught_up: bool,
    /// The lines of the log that nobody can tell of, the first and the last.
    pub(super) missing: Option<(u64, u64)>,
    /// What was decided and is not stored yet, in order.
    pub(super) unstored: VecDeque<Unstored>,
    /// The sequence up to which the log is being appended to, and since when.
    pub(super) appending: Option<u64>,
    pub(super) appending_ms: u64,
    /// Id of the line with which we try to begin to lead.
    pub(super) first_line: Option<Id>,
    /// Events that were decided while an append was under way.
    pub(super) queue: Vec<Event>,
    /// Tasks that wait to be accepted.
    pub(super) assigned: BTreeMap<Id, Wait>,
    /// Receipts of which only the first heartbeat of their sender says what they mean, by their notice.
    pub(super) unsure: BTreeMap<Id, Noted>,
    /// What is published and not stored.
    pub(super) post: Post,
    /// Tasks whose dependencies may be settled.
    pub(super) unsettled: BTreeSet<Id>,
    /// Commands, messages and receipts are read.
    pub(super) listening: bool,
    /// The last message to the coordinator that was read.
    pub(super) read_messages: u64,
    /// The last receipt that was read.
    pub(super) read_receipts: u64,
    /// Decided events that may wait.
    pub(super) waiting_max: usize,
    /// What is being published, and what the log is to be told of that.
    pub(super) posting: Posting,
    /// Who is to be looked at.
    pub(super) muster: Muster,
    /// What waits for an agent.
    pub(super) backlog: Backlog,
    /// Something changed that may let a task be assigned.
    pub(super) reassess: bool,
    /// Nobody could begin anything when that was looked at last, and nothing but tasks came since.
    pub(super) all_busy: bool,
    /// What the buckets say of the log, and the last line that is known to be stored in it.
    pub(super) views: Views,
    pub(super) stored: u64,
    pub(super) alerting: Alerting,
    pub(super) sweep_ms: u64,
}

impl Coordination {
    /// A coordinator that has read nothing yet.
    pub fn new(hive: Hive, instance: String) -> Self {
        Self {
            hive,
            instance,
            world: World::new(),
            role: Role::Standby,
            caught_up: false,
            missing: None,
            unstored: VecDeque::new(),
            appending: None,
            appending_ms: 0,
            first_line: None,
            queue: Vec::new(),
            assigned: BTreeMap::new(),
            unsure: BTreeMap::new(),
            post: Post::default(),
            unsettled: BTreeSet::new(),
            listening: false,
            read_messages: 0,
            read_receipts: 0,
            waiting_max: WAITING_MAX,
            posting: Posting::default(),
            muster: Muster::default(),
            backlog: Backlog::default(),
            reassess: false,
            all_busy: false,
            views: Views::default(),
            stored: 0,
            alerting: Alerting::default(),
            sweep_ms: 0,
        }
    }

    /// What the log says, what was decided and not yet stored included.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Whether it writes the log.
    pub const fn leads(&self) -> bool {
        matches!(self.role, Role::Leading { .. })
    }

    /// Whether the log was read to its end since we are connected.
    pub const fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Up to which line of the log all that we decided is stored.
    pub fn stored(&self) -> u64 {
        let unstored = self.unstored.front();
        unstored.map_or(self.world.last(), |unstored| unstored.seq - 1)
    }

    /// When [`Coordination::tick`] has something to do.
    pub fn next_ms(&self) -> Option<u64> {
        match self.role {
            Role::Standby => None,
            Role::Taking { next_ms } => (self.caught_up && self.appending.is_none()).then_some(next_ms),
            Role::Leading { .. } => self.views.next_ms().into_iter().chain([self.sweep_ms]).min(),
        }
    }

    /// A line of the log was read.
    pub fn logged(&mut self, desk: &mut Desk<'_>, seq: u64, line: Result<Event, String>) {
        // What we wrote ourselves is known already.
        if seq <= self.world.last() {
            return;
        }
        if self.leads() {
            // Somebody else wrote the line: our own next append is refused.
            return self.reread(desk);
        }
        let id = line.as_ref().ok().map(|event| event.id);
        let read = line.and_then(|event| self.world.apply(seq, &event).map_err(|error| error.to_string()));
        match read {
            Ok(letters) => desk.orders.extend(letters.into_iter().map(Order::Heard)),
            Err(reason) => {
                let warning = format!("a line of the log is passed over: {reason}");
                desk.orders.push(Order::Warn(warning));
                self.world.skip(seq);
            }
        }
        // Only the log itself says that our first line is in it, and that we know all in front of it: the answer to an
        // append may be that to one of before a reread, whose place in the log was the same.
        if matches!(self.role, Role::Taking { .. }) && self.first_line.is_some() && id == self.first_line {
            self.appending = None;
            self.lead(desk);
        }
    }

    /// The log was read to its end, whose sequence is `last`.
    pub fn caught_up(&mut self, desk: &mut Desk<'_>, last: u64) {
        if !self.leads() {
            self.world.skip(last);
        }
        self.caught_up = true;
        self.missing = None;
        self.tick(desk);
    }

    /// We hold the lease.
    pub fn elected(&mut self, desk: &mut Desk<'_>) {
        if self.role == Role::Standby {
            self.role = Role::Taking { next_ms: 0 };
            self.tick(desk);
        }
    }

    /// We do not hold the lease any more.
    pub fn deposed(&mut self, desk: &mut Desk<'_>) {
        match self.role {
            Role::Standby => {}
            Role::Taking { .. } => {
                self.role = Role::Standby;
                self.appending = None;
                self.first_line = None;
            }
            Role::Leading { .. } => {
                // What was stored of what is under way nobody knows.
                self.reread(desk);
                self.role = Role::Standby;
            }
        }
    }

    /// The session is over. What is known may be old when the next one begins: only its reading tells.
    pub fn cut_off(&mut self, desk: &mut Desk<'_>) {
        self.deposed(desk);
        self.caught_up = false;
    }

    /// An append ended.
    pub fn appended(&mut self, desk: &mut Desk<'_>, after: u64, outcome: Appended) {
        if self.appending != Some(after) {
            return; // It belongs to a time that is over.
        }
        match (self.role, outcome) {
            // It is read soon.
            (Role::Taking { .. }, Appended::Stored(_)) => {}
            (Role::Taking { .. }, Appended::Refused) => {
                self.appending = None;
                self.first_line = None;
                self.role = Role::Taking {
                    next_ms: desk.now.boot_ms.saturating_add(RETRY_MS),
                };
            }
            (Role::Leading { .. }, Appended::Stored(last)) => {
                self.appending = None;
                self.stored = last;
                while let Some(stored) = self.unstored.pop_front_if(|unstored| unstored.seq <= last) {
                    self.post.stored(&stored.letters);
                    self.publish_of(desk, stored.seq, stored.letters);
                    desk.orders.extend(stored.moved.map(Order::Moved));
                }
                self.alerts_stored(desk, last);
                self.append(desk);
            }
            (Role::Leading { .. }, Appended::Refused) => self.reread(desk),
            (Role::Leading { .. } | Role::Taking { .. }, Appended::Impossible) => {
                self.deposed(desk);
                desk.orders.push(Order::Resign);
            }
            (Role::Standby, _) => {}
        }
    }

    /// A command was read. Only a leader reads commands.
    pub fn asked(&mut self, desk: &mut Desk<'_>, ask: &Ask) {
        if !self.leads() || ask.seq <= self.decided(Stream::Tasks) {
            return;
        }
        let at = self.stamp(desk.now);
        let mut scribe = Scribe {
            hive: &self.hive,
            at,
            ids: desk.ids,
        };
        let (world, roster) = (&self.world, desk.roster);
        let events = if let Ok(Asked::Control { agent, action }) = &ask.asked {
            fsm::control::decide(world, roster, ask, (agent.as_ref(), *action), &mut scribe)
        } else {
            vec![task::decide(world, roster, ask, &mut scribe)]
        };
        for event in events {
            self.write(desk, event);
        }
        self.tick(desk);
    }

    /// Somebody came, went or changed.
    pub fn roster_changed(&mut self, desk: &mut Desk<'_>) {
        self.reassess = true;
        self.all_busy = false;
        self.sweep_ms = 0;
        self.tick(desk);
    }

    pub(super) fn cause(&self, kind: CauseType, stream: Stream, id: Id, seq: u64) -> Cause {
        Cause {
            kind,
            id: Some(id),
            stream: Some(stream.name(&self.hive)),
            seq: Some(seq),
        }
    }

    /// Does what time and changes ask for.
    pub fn tick(&mut self, desk: &mut Desk<'_>) {
        match self.role {
            Role::Standby => {}
            Role::Taking { next_ms } => {
                if self.caught_up && self.appending.is_none() && desk.now.boot_ms >= next_ms {
                    self.take(desk);
                }
            }
            Role::Leading { since_ms } => self.duties(desk, since_ms),
        }
    }

    fn lead(&mut self, desk: &mut Desk<'_>) {
        self.role = Role::Leading {
            since_ms: desk.now.boot_ms,
        };
        self.stored = self.world.last();
        self.begin_post(desk);
        self.publish_again(desk);
        let waiting = self.world.in_state(TaskState::WaitingDependency);
        self.unsettled = waiting.map(|entry| entry.task.id).collect();
        self.muster = Muster::everybody();
        let pending = self.world.in_state(TaskState::Pending);
        self.backlog = Backlog::default();
        pending.for_each(|entry| self.backlog.put(round::job(entry)));
        self.reassess = true;
        self.sweep_ms = 0;
        self.survey(desk);
        self.begin_alerts(desk);
        self.tick(desk);
    }

    /// Everything that was decided and not stored is void: the log is read anew.
    pub(super) fn reread(&mut self, desk: &mut Desk<'_>) {
        let (hive, instance) = (self.hive.clone(), std::mem::take(&mut self.instance));
        let (alerting, waiting_max) = (self.alerting.anew(), self.waiting_max);
        *self = Self {
            role: Role::Taking {
                next_ms: desk.now.boot_ms.saturating_add(RETRY_MS),
            },
            alerting,
            waiting_max,
            ..Self::new(hive, instance)
        };
        desk.orders.push(Order::StopListening);
        desk.orders.push(Order::Reread);
    }

    /// The leader's time: never before the last event.
    pub(super) fn stamp(&self, now: Now) -> Timestamp {
        now.wall.max(self.world.at())
    }
}
