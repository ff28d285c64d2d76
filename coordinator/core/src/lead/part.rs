//! Election and coordination together: what happens to either, and what they ask for.

use wagglebus_schemas::{AgentId, Hive, Priority};

use super::coordination::Coordination;
use super::election::{Election, Turn};
use super::order::{Desk, News, Order};
use crate::alert::Settings;
use crate::attention::Now;
use crate::effect::Effect;
use crate::log::World;
use crate::order::{Head, Look};
use crate::roster::Roster;
use crate::task::FreshIds;

/// One coordinator's part in leading.
#[derive(Debug, Clone)]
pub struct Lead {
    election: Election,
    coordination: Coordination,
    /// How often the log was begun to be read anew.
    reading: u64,
    connected: bool,
    changed: bool,
}

impl Lead {
    /// A coordinator that has read nothing, and is not connected.
    pub fn new(hive: Hive, instance: String) -> Self {
        Self {
            election: Election::new(),
            coordination: Coordination::new(hive, instance),
            reading: 0,
            connected: false,
            changed: false,
        }
    }

    /// What the log says.
    pub const fn world(&self) -> &World {
        self.coordination.world()
    }

    /// Which reading of the log counts: one more after each [`Order::Reread`].
    pub const fn reading(&self) -> u64 {
        self.reading
    }

    /// Whether we write the log.
    pub const fn leads(&self) -> bool {
        self.coordination.leads()
    }

    /// Up to which line of the log all is stored, while we write it.
    pub fn stored(&self) -> Option<u64> {
        self.leads().then(|| self.coordination.stored())
    }

    /// Whether the log was read to its end since we are connected: before that nothing can be said about tasks.
    pub const fn is_caught_up(&self) -> bool {
        self.coordination.is_caught_up()
    }

    /// How many records the views of the log are behind.
    pub fn behind(&self) -> usize {
        self.coordination.views().behind()
    }

    /// When [`Lead::tick`] has something to do, by the clock that never jumps.
    pub fn next_ms(&self) -> Option<u64> {
        if !self.connected {
            return None;
        }
        let election = self
            .election
            .next_ms()
            .filter(|_| self.coordination.missing().is_none());
        [election, self.coordination.next_ms()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The lines of the log that nobody can tell of, the first and the last: without them we do not lead.
    pub const fn missing(&self) -> Option<(u64, u64)> {
        self.coordination.missing()
    }

    /// A session began.
    pub fn connected(&mut self) {
        self.connected = true;
        self.coordination.alerts_reconnected();
    }

    /// The session is over: whatever was under way has no answer.
    pub fn disconnected(&mut self, now: Now, roster: &Roster, ids: &mut dyn FreshIds) -> Vec<Effect> {
        self.connected = false;
        self.election.step_down(now.boot_ms);
        self.with(now, roster, ids, Coordination::cut_off)
    }

    /// A heartbeat came from this agent, or its presence or enrolment changed.
    pub fn heard(&mut self, agent: AgentId) {
        self.coordination.heard(agent);
    }

    /// What the operator chose about alerts.
    pub fn set_alerts(&mut self, settings: Settings) {
        self.coordination.set_alerts(settings);
    }

    /// The head of a lane was looked at, for whatever reason.
    pub fn looked(&mut self, look: &Look, head: &Result<Option<Head>, ()>, now: Now) {
        if look.priority == Priority::Urgent {
            self.coordination
                .saw_urgent(&look.agent, head.clone(), now.boot_ms);
        }
    }

    /// Somebody came, went or changed.
    pub const fn roster_changed(&mut self) {
        self.changed = true;
    }

    /// Something happened to the log, the commands or the lease.
    pub fn happened(&mut self, now: Now, roster: &Roster, ids: &mut dyn FreshIds, news: News) -> Vec<Effect> {
        match news {
            // Whatever an earlier reading told is told again by this one.
            News::Logged { reading, .. }
            | News::CaughtUp { reading, .. }
            | News::Incomplete { reading, .. }
            | News::Restored { reading, .. }
            | News::Surveyed { reading, .. }
            | News::Projected { reading, .. }
                if reading != self.reading =>
            {
                Vec::new()
            }
            News::Logged { seq, line, .. } => self.with(now, roster, ids, |coordination, desk| {
                coordination.logged(desk, seq, line.map(|event| *event));
            }),
            News::CaughtUp { last, .. } => self.with(now, roster, ids, |coordination, desk| {
                coordination.caught_up(desk, last);
            }),
            News::Restored { world, .. } => self.with(now, roster, ids, |coordination, desk| {
                coordination.restored(desk, *world);
            }),
            News::Incomplete { first, last, .. } => {
                self.coordination.incomplete((first, last));
                // Somebody else may know them: the lease is not ours to keep.
                if self.coordination.missing().is_some() && self.election.holds() {
                    self.election.step_down(now.boot_ms);
                }
                Vec::new()
            }
            News::Surveyed { found, ended, .. } => self.with(now, roster, ids, |coordination, desk| {
                coordination.surveyed(desk, found, ended);
            }),
            News::Projected { failed, .. } => self.with(now, roster, ids, |coordination, desk| {
                coordination.projected(desk, failed);
            }),
            News::Appended { after, outcome } => self.with(now, roster, ids, |coordination, desk| {
                coordination.appended(desk, after, outcome);
            }),
            News::Published(stored) => self.with(now, roster, ids, |coordination, desk| {
                coordination.published(desk, &stored);
            }),
            News::Asked(ask) => self.with(now, roster, ids, |coordination, desk| {
                coordination.asked(desk, &ask);
            }),
            News::Told(told) => self.with(now, roster, ids, |coordination, desk| {
                coordination.told(desk, &told);
            }),
            News::Announced(announced) => self.with(now, roster, ids, |coordination, desk| {
                coordination.announced(desk, &announced);
            }),
            News::Noted(noted) => self.with(now, roster, ids, |coordination, desk| {
                coordination.noted(desk, noted);
            }),
            News::Unreadable(mail) => self.with(now, roster, ids, |coordination, desk| {
                coordination.unreadable(desk, &mail);
            }),
            News::Shortened(found) => self.with(now, roster, ids, |coordination, desk| {
                coordination.shortened(desk, found);
            }),
            News::ReadAgain(origin, record) => self.with(now, roster, ids, |coordination, desk| {
                coordination.reread_record(desk, origin, record.as_deref());
            }),
            News::Alerts(news) => self.with(now, roster, ids, |coordination, desk| {
                coordination.alert_news(desk, news);
            }),
            News::LeaseSeen(revision) => {
                self.election.seen(now.boot_ms, revision);
                Vec::new()
            }
            News::LeaseWrote(written) => match self.election.wrote(now.boot_ms, written) {
                Some(Turn::Elected) => self.with(now, roster, ids, Coordination::elected),
                Some(Turn::Deposed) => self.with(now, roster, ids, Coordination::deposed),
                None => Vec::new(),
            },
        }
    }

    /// Does what time and changes ask for.
    pub fn tick(&mut self, now: Now, roster: &Roster, ids: &mut dyn FreshIds) -> Vec<Effect> {
        if !self.connected {
            return Vec::new();
        }
        let changed = std::mem::take(&mut self.changed);
        let mut effects = self.with(now, roster, ids, |coordination, desk| {
            if changed {
                coordination.roster_changed(desk);
            } else {
                coordination.tick(desk);
            }
        });
        if self.coordination.missing().is_none() {
            effects.extend(self.election.due(now.boot_ms).map(Effect::Lease));
        }
        effects
    }

    fn with(
        &mut self,
        now: Now,
        roster: &Roster,
        ids: &mut dyn FreshIds,
        act: impl FnOnce(&mut Coordination, &mut Desk<'_>),
    ) -> Vec<Effect> {
        let mut orders: Vec<Order> = Vec::new();
        let led = self.coordination.leads();
        let mut desk = Desk {
            now,
            roster,
            ids,
            orders: &mut orders,
        };
        act(&mut self.coordination, &mut desk);
        let rereads = orders.iter().filter(|order| **order == Order::Reread).count();
        self.reading += u64::try_from(rereads).unwrap_or(u64::MAX);
        if orders.contains(&Order::Resign) {
            self.election.step_down(now.boot_ms);
        }
        let leads = self.coordination.leads();
        let turn = (led != leads).then_some(Effect::Leads(leads));
        orders.into_iter().map(Effect::Tasks).chain(turn).collect()
    }
}
