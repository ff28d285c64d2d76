//! Alerts in the worlds: dead letters that come, sinks that hear of changes or do not, and an account of every episode.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_coordinator_core::alert::line::{AlertData, DELIVERED};
use wagglebus_coordinator_core::alert::{AlertNews, AlertOrder, Rule as AlertRule, Settings};
use wagglebus_coordinator_core::log::World;
use wagglebus_coordinator_core::log::data::{Follow, FollowKind};
use wagglebus_schemas::alert::AlertState;
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use crate::bus::Bus;
use crate::checker::{Broken, Checker, check, fail};
use crate::node::WALL_MS;
use crate::reports::Written;
use crate::sabotage::{Rule, Sabotage};
use crate::sim::{Due, Sim, What};

/// What the operator of these worlds chose.
pub(crate) fn settings() -> Settings {
    let limits = [
        (AlertRule::TaskUnassigned, 5_000),
        (AlertRule::DeadLetter, 20_000),
    ];
    Settings {
        limits_ms: limits.into(),
        message: true,
        sinks: true,
    }
}

/// Every episode that the log tells of, by an account of its own.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    /// Rule and what it is about, with the alert that is open.
    open: BTreeMap<(String, String), Id>,
    /// The state of each alert, and the number of its latest line.
    states: BTreeMap<Id, (AlertState, u64)>,
    /// Changes, and those that a sink heard of.
    changes: BTreeSet<Id>,
    heard: BTreeSet<Id>,
    /// Dead letters that were written down, by agent.
    letters: BTreeMap<AgentId, u64>,
    reports: Written,
}

impl Episodes {
    /// A line about an alert or a failure; what is published because of it.
    pub(crate) fn line(&mut self, event: &Event) -> Result<Vec<Follow>, Broken> {
        if event.entity == EventKind::Failure {
            self.reports.line(event);
            let failure = &event.data["failure"];
            if failure["class"] == "dead_letter" {
                let agent = failure["agent"].as_str().unwrap().parse().unwrap();
                *self.letters.entry(agent).or_default() += failure["evidence"]["letters"].as_u64().unwrap();
            }
            return Ok(Vec::new());
        }
        if event.entity != EventKind::Alert || event.event == DELIVERED {
            return Ok(Vec::new());
        }
        let Ok(AlertData {
            alert,
            message,
            receipt,
        }) = AlertData::decode(&event.data)
        else {
            return fail(Rule::Folds, "its alert cannot be read".to_owned());
        };
        let key = (alert.rule.clone(), alert.entity_id.clone());
        let before = self.states.get(&alert.id).copied();
        let goes_on = match (before, alert.state) {
            // Once for each episode.
            (None, AlertState::Firing) => self.open.insert(key, alert.id).is_none(),
            (Some((AlertState::Firing, _)), AlertState::Acknowledged) => alert.acked_by.is_some(),
            (Some((AlertState::Firing | AlertState::Acknowledged, _)), AlertState::Resolved) => {
                self.open.remove(&key) == Some(alert.id)
            }
            _ => false,
        };
        check(Rule::Alerts, goes_on, || {
            format!("{alert:?} comes after {before:?}")
        })?;
        let seq = before.map_or(0, |(_, seq)| seq) + 1;
        let same = event.seq == seq && event.id == alert.event_id && event.entity_id == alert.id.to_string();
        check(Rule::Chain, same, || format!("{event:?} is number {seq}"))?;
        self.states.insert(alert.id, (alert.state, seq));
        self.changes.insert(alert.event_id);
        let follow = |to: &AgentId| {
            let to = to.clone();
            move |id| Follow {
                kind: FollowKind::Ended,
                id,
                to,
            }
        };
        let message = message.map(follow(&AgentId::operator()));
        Ok(message
            .into_iter()
            .chain(receipt.map(follow(&event.actor)))
            .collect())
    }

    /// What nobody has heard of.
    fn unheard(&self) -> Option<String> {
        let id = self.changes.iter().find(|id| !self.heard.contains(id))?;
        Some(format!("nobody heard of the change {id}"))
    }

    /// An alert that is open.
    pub(crate) fn any_open(&self) -> Option<Id> {
        self.open.values().next().copied()
    }
}

impl Checker {
    /// An event about an alert may have a message as its cause: each counts once.
    pub(crate) fn answer(&mut self, bus: &Bus, event: &Event) -> Result<(), Broken> {
        if event.entity == EventKind::Alert && event.cause.kind == CauseType::Message {
            self.replier(bus, event)?;
        }
        Ok(())
    }
}

impl Sim {
    pub(crate) fn alert_order(&mut self, at: usize, order: AlertOrder) {
        match order {
            AlertOrder::Listen {
                dead_letters,
                reports,
            } => {
                self.nodes[at].letters = Some(dead_letters);
                self.nodes[at].reports = Some(reports);
                self.node_in(at, 5, What::Letters);
            }
            // Nobody has urgent mail here.
            AlertOrder::LookAtUrgent(agent) => {
                let delay = self.delay();
                let news = AlertNews::Head {
                    agent,
                    head: Ok(None),
                };
                self.node_in(at, delay, What::Alerts(news));
            }
            AlertOrder::Deliver(told) => {
                let line = usize::try_from(told.seq - 1)
                    .ok()
                    .and_then(|n| self.bus.log.get(n));
                let stored = line.is_some_and(|line| line.event.id == told.alert.event_id);
                if !stored {
                    let what = format!("{told:?} is told and not stored");
                    self.checker.broken(Rule::Unfounded, what);
                }
                if self.sabotage == Some(Sabotage::TellsNobody) {
                    return;
                }
                self.checker.episodes.heard.insert(told.alert.event_id);
                let delay = self.delay();
                let news = AlertNews::Delivered { seq: told.seq };
                self.node_in(at, delay, What::Alerts(news));
            }
        }
    }

    pub(crate) fn alert_news(&mut self, at: usize, news: AlertNews) {
        self.lead(at, |c, desk| c.alert_news(desk, news));
    }

    /// Mail to somebody becomes a dead letter.
    pub(crate) fn dead_letter(&mut self) {
        let at = self.chance.below(self.agents.len());
        let agent = self.agents[at].name.clone();
        self.note(|| format!("a dead letter of {agent}"));
        self.bus.letters.push((agent, self.now_ms));
        for at in 0..self.nodes.len() {
            if self.nodes[at].up {
                let delay = self.delay();
                self.node_in(at, delay, What::Letters);
            }
        }
    }

    pub(crate) fn read_letters(&mut self, at: usize) {
        while let Some(read) = self.nodes[at].letters
            && let Some((agent, at_ms)) = usize::try_from(read)
                .ok()
                .and_then(|n| self.bus.letters.get(n))
                .cloned()
        {
            self.nodes[at].letters = Some(read + 1);
            let news = AlertNews::Letter {
                seq: read + 1,
                agent,
                reason: DeadReason::MaxDeliver,
                at: Timestamp::from_unix_ms(WALL_MS + i64::try_from(at_ms).unwrap()).unwrap(),
            };
            self.alert_news(at, news);
        }
        self.read_reports(at);
    }

    /// Why alerts are not as they should be once nothing goes wrong any more.
    pub(crate) fn alert_unrest(&self) -> Option<String> {
        let world = self
            .nodes
            .iter()
            .map(|node| node.coordination.world())
            .max_by_key(|world| world.last())?;
        self.checker
            .episodes
            .unheard()
            .or_else(|| self.checker.episodes.unwritten(&self.bus.letters))
            .or_else(|| self.checker.episodes.reports.missing(&self.bus.reports))
            .or_else(|| stale(world))
    }

    /// The operator says that they know of an alert.
    pub(crate) fn know(&mut self) {
        if let Some(alert) = self.checker.episodes.any_open() {
            self.reply(AgentId::operator(), alert);
        }
    }

    pub(crate) fn plan_dead_letters(&mut self) {
        for _ in 0..self.chance.below(5) {
            let after = self.chance.between(1_000, 80_000);
            self.after(after, Due::DeadLetter);
        }
    }
}

impl Episodes {
    /// Dead letters that the log does not tell of. A line that was written in part is written again.
    fn unwritten(&self, letters: &[(AgentId, u64)]) -> Option<String> {
        let mut counts: BTreeMap<&AgentId, u64> = BTreeMap::new();
        for (agent, _) in letters {
            *counts.entry(agent).or_default() += 1;
        }
        let written = |agent: &AgentId| self.letters.get(agent).copied().unwrap_or(0);
        let mut missing = counts
            .into_iter()
            .filter(|(agent, count)| written(agent) < *count);
        missing
            .next()
            .map(|(agent, count)| format!("{count} dead letters of {agent}, {} written", written(agent)))
    }
}

/// An alert whose cause is gone for good: everybody is back, and this task is at its end.
fn stale(world: &World) -> Option<String> {
    let alerts = world.alerts();
    let open = alerts.open().into_iter().find(|(key, _)| match key.rule {
        AlertRule::AgentLost | AlertRule::UrgentUnread => true,
        // These end some time after the last one, by clocks that may be wrong here.
        AlertRule::DeadLetter | AlertRule::Failure => false,
        AlertRule::TaskStuck | AlertRule::TaskOverdue | AlertRule::TaskAtRisk | AlertRule::TaskUnassigned => {
            key.about
                .parse()
                .ok()
                .and_then(|id| world.task(&id))
                .is_some_and(|entry| entry.task.state.is_terminal())
        }
    });
    open.map(|(key, id)| format!("alert {id} about {key:?} does not end"))
}

/// A leader that tells an episode twice.
pub(crate) fn twice(events: &mut Vec<Event>, fresh: impl FnOnce() -> Id) {
    let fire = events.iter().find(|event| event.event == "fire").cloned();
    events.extend(fire.map(|mut event| {
        let id = fresh();
        (event.id, event.entity_id) = (id, id.to_string());
        event.data["alert"]["id"] = id.to_string().into();
        event.data["alert"]["event_id"] = id.to_string().into();
        event.data.remove("message");
        event
    }));
}
