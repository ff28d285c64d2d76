//! What the leader does about alerts: watches, writes down what changed, has it told.

use std::collections::BTreeSet;

use wagglebus_schemas::event::{Cause, Event};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id, Message};

use super::coordination::Coordination;
use super::duty::FIRST_BEAT_MS;
use super::order::{Desk, Order};
use crate::alert::agents::Scene;
use crate::alert::line::Pen;
use crate::alert::trouble::{self, Found, Read};
use crate::alert::watch::{Move, Watches};
use crate::alert::{AlertNews, AlertOrder, Rule, Seen, Senses, Settings, agents, tasks};
use crate::log::Source;
use crate::order::Head;

/// Time between two looks at all open tasks, in milliseconds.
const TASKS_EVERY_MS: u64 = 1_000;
/// Changes after which the log is told how far others heard, though some of them did not.
const HEARD_EVERY: usize = 32;

/// What alerts need beside the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Alerting {
    settings: Settings,
    senses: Senses,
    watches: Watches,
    found: Found,
    tasks_ms: u64,
    /// Dead letters and reports are read.
    hears: bool,
    /// The last line whose change was given to the sinks, and those that they have not settled.
    given: u64,
    unsettled: BTreeSet<u64>,
    settled: usize,
}

impl Alerting {
    /// What is left when the log is read anew: what was chosen, and what lanes were found to hold.
    pub(super) fn anew(&mut self) -> Self {
        Self {
            settings: std::mem::take(&mut self.settings),
            senses: std::mem::take(&mut self.senses),
            ..Self::default()
        }
    }
}

impl Coordination {
    /// What the operator chose about alerts.
    pub fn set_alerts(&mut self, settings: Settings) {
        self.alerting.settings = settings;
    }

    /// The oldest urgent message of somebody was looked at, for whatever reason.
    pub fn saw_urgent(&mut self, agent: &AgentId, head: Result<Option<Head>, ()>, now_ms: u64) {
        self.alerting.senses.saw(agent, head, now_ms);
    }

    /// The session is new.
    pub fn alerts_reconnected(&mut self) {
        self.alerting.senses.reconnected();
    }

    /// Goes on where the former leader stood.
    pub(super) fn begin_alerts(&mut self, desk: &mut Desk<'_>) {
        self.alerting.found.read = self.world.alerts().read();
        self.hear_alerts(desk);
        self.alerts_stored(desk, self.world.last());
    }

    /// Has dead letters and reports read, from where they were read to, unless they are.
    pub(super) fn hear_alerts(&mut self, desk: &mut Desk<'_>) {
        if std::mem::replace(&mut self.alerting.hears, true) {
            return;
        }
        let Read {
            dead_letters,
            reports,
        } = self.alerting.found.read;
        desk.orders.push(Order::Alerts(AlertOrder::Listen {
            dead_letters,
            reports,
        }));
    }

    /// How far dead letters and reports were read.
    pub(super) const fn alerts_read(&self) -> Read {
        self.alerting.found.read
    }

    /// Dead letters or reports lie in another stream, and were read up to here.
    pub(super) fn alerts_renewed(&mut self, source: Source, read: u64) {
        self.alerting.found.renewed(source, read);
    }

    /// Nothing is read any more.
    pub(super) fn stop_listening(&mut self, desk: &mut Desk<'_>) {
        self.listening = false;
        self.alerting.hears = false;
        desk.orders.push(Order::StopListening);
    }

    /// Lines up to this one are stored: what changed by them is told.
    pub(super) fn alerts_stored(&mut self, desk: &mut Desk<'_>, last: u64) {
        let alerting = &mut self.alerting;
        if alerting.settings.sinks {
            let untold = self.world.alerts().untold();
            let new = untold.filter(|told| told.seq > alerting.given && told.seq <= last);
            for told in new {
                alerting.unsettled.insert(told.seq);
                let told = AlertOrder::Deliver(Box::new(told.clone()));
                desk.orders.push(Order::Alerts(told));
            }
        }
        alerting.given = alerting.given.max(last);
    }

    /// Something happened that alerts are about.
    pub fn alert_news(&mut self, desk: &mut Desk<'_>, news: AlertNews) {
        match news {
            AlertNews::Head { agent, head } => self.saw_urgent(&agent, head, desk.now.boot_ms),
            AlertNews::Letter {
                seq,
                agent,
                reason,
                at,
            } if self.leads() => self.alerting.found.letter(seq, agent, reason, at),
            AlertNews::Report { seq, failure } if self.leads() => {
                self.alerting.found.report(seq, failure.map(|failure| *failure));
            }
            AlertNews::Delivered { seq } if self.leads() => self.delivered(desk, seq),
            // Nobody but a leader asks for these.
            AlertNews::Letter { .. } | AlertNews::Report { .. } | AlertNews::Delivered { .. } => {}
        }
    }

    fn delivered(&mut self, desk: &mut Desk<'_>, seq: u64) {
        let alerting = &mut self.alerting;
        if !alerting.unsettled.remove(&seq) {
            return; // It belongs to a time that is over.
        }
        alerting.settled += 1;
        let first = alerting.unsettled.first();
        let up_to = first.map_or(alerting.given, |first| first.saturating_sub(1));
        if first.is_some() && alerting.settled < HEARD_EVERY {
            return;
        }
        alerting.settled = 0;
        let newest = self.world.alerts().untold().find(|told| told.seq <= up_to);
        if newest.is_some() {
            let event = self.pen(desk).delivered(up_to);
            self.write(desk, event);
            self.append(desk);
        }
    }

    /// Looks at every rule, and writes down what changed. Before tasks are taken from who is lost, so that it can be said
    /// what they were.
    pub(super) fn watch_over(&mut self, desk: &mut Desk<'_>, since_ms: u64) {
        self.record(desk);
        let now_ms = desk.now.boot_ms;
        let mut seen = Seen::default();
        let scene = Scene {
            world: &self.world,
            roster: desk.roster,
            settings: &self.alerting.settings,
            now: desk.now,
            at: self.stamp(desk.now),
            patient: now_ms.saturating_sub(since_ms) < FIRST_BEAT_MS,
        };
        let looks = agents::judge(scene, &mut self.alerting.senses, &mut seen);
        if now_ms >= self.alerting.tasks_ms {
            self.alerting.tasks_ms = now_ms.saturating_add(TASKS_EVERY_MS);
            tasks::judge(scene, &mut seen);
        }
        let looks = looks.into_iter().map(AlertOrder::LookAtUrgent);
        desk.orders.extend(looks.map(Order::Alerts));
        let alerting = &mut self.alerting;
        let moves = alerting
            .watches
            .step(self.world.alerts(), &alerting.settings, seen, now_ms);
        for one in moves {
            match one {
                Move::Fire(key, sighting) => {
                    let at = self.stamp(desk.now);
                    let lost: Option<AgentId> = if key.rule == Rule::AgentLost {
                        key.about.parse().ok()
                    } else {
                        None
                    };
                    let lost = lost.map(|agent| {
                        trouble::lost(
                            &agent,
                            &sighting.summary,
                            &sighting.evidence,
                            desk.ids.fresh(),
                            at,
                        )
                    });
                    let event = self.pen(desk).fire(&key, sighting);
                    self.write(desk, event);
                    if let Some(failure) = lost {
                        let read = self.world.alerts().read();
                        let event = self.pen(desk).failure(&failure, read);
                        self.write(desk, event);
                    }
                }
                Move::Resolve(id) => {
                    let Some(entry) = self.world.alerts().entry(&id).cloned() else {
                        continue;
                    };
                    let event = self.pen(desk).resolve(&entry);
                    self.write(desk, event);
                }
            }
        }
    }

    /// Writes down the failures that were told since the last time.
    fn record(&mut self, desk: &mut Desk<'_>) {
        let at = self.stamp(desk.now);
        let before = self.world.alerts().read();
        let failures = self.alerting.found.take(|| desk.ids.fresh(), at, before);
        for (failure, read) in failures {
            let event = self.pen(desk).failure(&failure, read);
            self.write(desk, event);
        }
    }

    /// Writes down that a task was given up for good.
    pub(super) fn record_given_up(&mut self, desk: &mut Desk<'_>, task: Id) {
        let Some(entry) = self.world.task(&task) else {
            return;
        };
        let task = &entry.task;
        // What failed for what it depends on has no failure of its own.
        let Some(agent) = task
            .assigned_to
            .clone()
            .filter(|_| task.state == TaskState::Failed)
        else {
            return;
        };
        let why = task
            .error
            .clone()
            .unwrap_or_else(|| "no reason was given".to_owned());
        let failure = trouble::given_up(task.id, &agent, &why, desk.ids.fresh(), self.stamp(desk.now));
        let read = self.world.alerts().read();
        let event = self.pen(desk).failure(&failure, read);
        self.write(desk, event);
    }

    /// The alert that a message of the operator replies to, if it replies to one.
    pub(super) fn replied_alert(&self, message: &Message) -> Option<Id> {
        let replied = message
            .in_reply_to()
            .filter(|_| message.from_agent == AgentId::operator())?;
        self.world.alerts().meant(&replied).map(|entry| entry.alert.id)
    }

    /// The operator knows of an alert. What is over or known already stays as it is, and is answered all the same.
    pub(super) fn acknowledge(
        &mut self,
        desk: &mut Desk<'_>,
        alert: Id,
        message: &Message,
        cause: Cause,
    ) -> bool {
        use wagglebus_schemas::alert::AlertState;
        let entry = self.world.alerts().entry(&alert);
        let Some(entry) = entry
            .filter(|entry| entry.alert.state == AlertState::Firing)
            .cloned()
        else {
            return false;
        };
        let event = self.pen(desk).acknowledge(&entry, &message.from_agent, cause);
        self.write(desk, event);
        self.append(desk);
        true
    }

    fn pen<'d>(&self, desk: &'d mut Desk<'_>) -> Pen<'d> {
        Pen {
            at: self.stamp(desk.now),
            ids: desk.ids,
            message: self.alerting.settings.message,
        }
    }
}

/// Whether a line says that a task was given up, and not only that it was.
pub(super) fn gives_up(event: &Event) -> bool {
    let failed = TaskState::Failed.as_str();
    event.to == failed && event.from.as_deref() != Some(failed)
}
