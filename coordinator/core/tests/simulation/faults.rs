//! What goes wrong in a world, and how it is mended. Each world has its own kinds of weather.

use wagglebus_coordinator_core::task::{Ask, Asked, FreshIds as _};
use wagglebus_schemas::command::TaskAction;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Timestamp};

use crate::bus::Full;
use crate::chance::Chance;
use crate::node::{Ids, Request, Source};
use crate::sabotage::Sabotage;
use crate::sim::{Due, Sim, What};

/// What may go wrong in this world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Requests and answers are lost.
    pub(crate) lost: bool,
    /// Some things take long.
    pub(crate) slow: bool,
    /// Coordinators are cut off.
    cuts: bool,
    crashes: bool,
    freezes: bool,
    jumps: bool,
    /// Agents die and hang.
    deaths: bool,
    pub(crate) liars: bool,
    pub(crate) floods: bool,
    /// A shell gives up appends of before a reread; else they go on, and their answers come late.
    pub(crate) aborts: bool,
    /// Snapshots are taken, and lines go that they cover.
    pub(crate) purges: bool,
    /// Coordinators may not write for a while.
    bars: bool,
    /// Few decided events may wait.
    pub(crate) narrow: bool,
    /// There is no room for dead letters.
    pub(crate) letters_full: bool,
    /// The log or the messages have no room for minutes.
    pub(crate) full: bool,
}

impl Weather {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let mut maybe = |percent| chance.percent(percent);
        Self {
            lost: maybe(60),
            slow: maybe(50),
            cuts: maybe(50),
            crashes: maybe(60),
            freezes: maybe(50),
            jumps: maybe(50),
            deaths: maybe(60),
            liars: maybe(60),
            floods: maybe(30),
            aborts: maybe(50),
            purges: maybe(60),
            bars: maybe(40),
            narrow: maybe(40),
            full: maybe(25),
            letters_full: maybe(40),
        }
    }
}

impl Sim {
    pub(crate) fn fault(&mut self) {
        let (at, weather) = (self.chance.below(self.nodes.len()), self.weather);
        match self.chance.below(12) {
            0 | 1 if weather.crashes => self.crash(at),
            2 | 3 if weather.cuts => self.cut(at),
            4 | 5 => self.mend(at),
            6 if weather.freezes => {
                let until = self.now_ms + self.chance.between(300, 9_000);
                self.note(|| format!("node {at} is frozen until {until}"));
                self.nodes[at].frozen_until = until;
            }
            7 if weather.jumps => {
                // Minutes, and now and then days: more than anything is remembered for by the time of day.
                let most: u64 = if self.chance.percent(30) {
                    400_000_000
                } else {
                    800_000
                };
                let skew_ms =
                    i64::try_from(self.chance.between(0, most)).unwrap() - i64::try_from(most / 2).unwrap();
                self.note(|| format!("node {at} is off by {skew_ms} ms"));
                self.nodes[at].skew_ms = skew_ms;
            }
            8 | 9 if weather.deaths => {
                let agent = self.chance.below(self.agents.len());
                self.strike(agent);
            }
            10 if weather.bars => self.bar(at),
            11 if weather.full => {
                let until = self.now_ms + self.chance.between(30_000, 150_000);
                let log = self.chance.percent(50);
                self.note(|| {
                    let what = if log { "the log is" } else { "messages are" };
                    format!("{what} full until {until}")
                });
                let full = &mut self.bus.full_until;
                let stream = if log { &mut full.log } else { &mut full.messages };
                *stream = until;
            }
            _ => {}
        }
    }

    /// Whether what is asked for finds no room.
    pub(crate) fn is_full(&self, request: &Request) -> bool {
        let full = &self.bus.full_until;
        match request {
            Request::Append { .. } => self.now_ms < full.log,
            Request::Publish(letter) => {
                matches!(letter.subject, Subject::Message { .. }) && self.now_ms < full.messages
            }
            _ => false,
        }
    }

    pub(crate) fn crash(&mut self, at: usize) {
        if !self.nodes[at].up {
            return;
        }
        self.note(|| format!("node {at} crashes"));
        self.nodes[at].up = false;
        let after = self.chance.between(50, 12_000);
        self.after(after, Due::Restart(at));
    }

    fn cut(&mut self, at: usize) {
        let told = self.chance.percent(50);
        self.note(|| {
            format!(
                "node {at} is cut off, and {}",
                if told { "told so" } else { "not told" }
            )
        });
        self.nodes[at].cut = true;
        if told {
            self.bus_down(at);
        }
    }

    fn mend(&mut self, at: usize) {
        if std::mem::take(&mut self.nodes[at].cut) {
            self.note(|| format!("node {at} is connected again"));
        }
        if self.nodes[at].told {
            self.node_in(at, 1, What::Reconnect);
        }
        self.wake_readers(None);
        for source in Source::ALL {
            self.wake_readers(Some(source));
        }
    }

    /// Nothing goes wrong from here on.
    pub(crate) fn heal(&mut self) {
        self.calm = true;
        self.bus.full_until = Full::default();
        for at in 0..self.nodes.len() {
            self.nodes[at].frozen_until = 0;
            self.nodes[at].barred_until = 0;
            self.restart(at);
            self.mend(at);
        }
        for agent in &mut self.agents {
            agent.revive();
        }
    }

    /// Events that are not what the core decided.
    pub(crate) fn spoil(&mut self, at: usize, events: &mut Vec<Event>) {
        let Some(sabotage) = self.sabotage else { return };
        let world = self.nodes[at].coordination.world();
        let paused = self.checker.machines.paused();
        for event in &mut *events {
            let data = &mut event.data;
            match sabotage {
                Sabotage::MisjudgesHolder if event.event == "progress" => {
                    let error = ErrorDetail::new(ErrorCode::Forbidden, "no");
                    data.insert("error".into(), serde_json::to_value(error).unwrap());
                    event.event = "refused".into();
                    event.to = event.from.clone().unwrap();
                }
                Sabotage::LeavesOutNumber if event.event == "assign" => event.seq += 1,
                Sabotage::TurnsClockBack if event.event == "assign" => event.at = Timestamp::EPOCH,
                Sabotage::Revives if event.event == "progress" => event.to = "completed".into(),
                Sabotage::KeepsEpoch if event.event == "assign" && data["epoch"] != 1 => {
                    data["epoch"] = (data["epoch"].as_u64().unwrap() - 1).into();
                }
                Sabotage::AsksRefuser if event.event == "assign" && event.actor == AgentId::coordinator() => {
                    let entry = event.entity_id.parse().ok().and_then(|id| world.task(&id));
                    if let Some(refuser) = entry.and_then(|entry| entry.refused_by.first()) {
                        data["assigned_to"] = refuser.as_str().into();
                    }
                }
                Sabotage::MovesAgent if event.entity == EventKind::Agent && event.event == "accept" => {
                    event.to = "reset".into();
                }
                Sabotage::AsksPaused if event.event == "assign" => {
                    if let Some(paused) = paused {
                        data["assigned_to"] = paused.as_str().into();
                    }
                }
                Sabotage::TriesForEver if event.event == "assign" => data["attempt"] = 9.into(),
                Sabotage::ForgetsVerdict if event.cause.seq.is_some() => {
                    data.remove("follows");
                }
                _ => {}
            }
        }
        if sabotage == Sabotage::TellsTwice {
            crate::alerts::twice(events, || self.ids.fresh());
        }
        if sabotage == Sabotage::DecidesTwice {
            let decided = events.iter().find(|event| event.cause.seq.is_some()).cloned();
            events.extend(decided.map(|event| again(event, &mut self.ids)));
        }
    }

    /// The command counts as that of the task's holder.
    pub(crate) fn forge(&self, ask: &mut Ask) {
        if let Ok(Asked::About { task, action, .. }) = &ask.asked
            && matches!(action, TaskAction::Complete { .. })
            && let Some(holder) = self.checker.holder(task)
        {
            ask.from = holder;
        }
    }
}

fn again(event: Event, ids: &mut Ids) -> Event {
    Event {
        id: ids.fresh(),
        seq: event.seq + 1,
        from: Some(event.to.clone()),
        ..event
    }
}
