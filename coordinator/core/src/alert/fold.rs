//! What the log says of alerts and failures.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::alert::{Alert, AlertState};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::{Id, Timestamp};

use super::letter::letters;
use super::line::{self, AlertData, FailureData};
use super::plan::plan;
use super::rule::Rule;
use super::seen::Key;
use super::trouble::{Read, Trouble};
use crate::log::{Letter, Source};

/// Alerts that are over and still listed.
const RESOLVED_MAX: usize = 500;
/// How long a change may wait to be told by somebody else than the log, in milliseconds of the log: as letters.
const TOLD_KEPT_MS: i64 = 15 * 60 * 1_000;
/// Lines of the log that must have come since as well: a clock that leaps does not age what was decided a moment ago.
const TOLD_KEPT_LINES: u64 = 1_000;
/// Most changes that wait.
const TOLD_MAX: usize = 1_024;
/// How long failures are remembered about which no alert ended, in milliseconds.
const TROUBLE_KEPT_MS: i64 = 24 * 3_600 * 1_000;

/// A change of an alert, to be told to whoever wants to hear of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Sequence of its line.
    pub seq: u64,
    /// The alert after it. Its `event_id` tells this change from all others, and `updated_at` when it was.
    pub alert: Alert,
}

/// An alert, and what was written about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertEntry {
    /// The record.
    pub alert: Alert,
    /// Number of its latest line.
    pub seq: u64,
    /// Messages to the operator about it: who replies to one of them knows of it.
    messages: Vec<Id>,
}

/// The fold of all lines `alert` and `failure`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alerts {
    known: BTreeMap<Id, AlertEntry>,
    /// Those that are over, the oldest first.
    over: VecDeque<Id>,
    /// Changes that were not told to everybody yet.
    untold: VecDeque<Told>,
    /// Up to where they were.
    delivered: u64,
    /// Failures, by class and agent.
    troubles: BTreeMap<String, Trouble>,
    read: Read,
}

impl Alerts {
    /// Every alert that is remembered, by id.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.known.values().map(|entry| &entry.alert)
    }

    /// Every one whose id comes before this one, the latest first.
    pub fn before(&self, id: &Id) -> impl Iterator<Item = &Alert> {
        self.known.range(..*id).rev().map(|(_, entry)| &entry.alert)
    }

    /// One alert.
    pub fn entry(&self, id: &Id) -> Option<&AlertEntry> {
        self.known.get(id)
    }

    /// The alert that is meant by its own id, or by that of a message about it.
    pub fn meant(&self, id: &Id) -> Option<&AlertEntry> {
        let about = || self.known.values().find(|entry| entry.messages.contains(id));
        self.known.get(id).or_else(about)
    }

    /// What is open, by its rule and what it is about. Of rules that later versions have nothing is said.
    pub fn open(&self) -> BTreeMap<Key, Id> {
        let open = self.all().filter(|alert| alert.state.is_open());
        let keyed = open.filter_map(|alert| {
            let rule: Rule = alert.rule.parse().ok()?;
            let about = alert.entity_id.clone();
            Some((Key { rule, about }, alert.id))
        });
        keyed.collect()
    }

    /// Changes that were not told to everybody yet, the oldest first.
    pub fn untold(&self) -> impl Iterator<Item = &Told> {
        self.untold.iter()
    }

    /// Up to which line everybody was told.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// What failed.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.values()
    }

    /// How far the streams that tell of failures were read.
    pub const fn read(&self) -> Read {
        self.read
    }

    /// A stream that tells of failures is another one, and was read up to here.
    pub fn renewed(&mut self, source: Source, read: u64) {
        self.read.renewed(source, read);
    }

    /// Lets a line about an alert or a failure happen, and says what is to be published because of it.
    ///
    /// # Errors
    /// What is wrong with its data.
    pub fn apply(&mut self, seq: u64, event: &Event) -> Result<Vec<Letter>, String> {
        match event.entity {
            EventKind::Failure => self.failed(event).map(|()| Vec::new()),
            EventKind::Alert if event.event == line::DELIVERED => {
                self.heard(event)?;
                Ok(Vec::new())
            }
            EventKind::Alert => {
                let data = AlertData::decode(&event.data)?;
                let letters = letters(event, &data);
                self.changed(seq, event, data);
                Ok(letters)
            }
            EventKind::Task
            | EventKind::Agent
            | EventKind::Swarm
            | EventKind::Contract
            | EventKind::Decision
            | EventKind::Outcome
            | EventKind::Compliance
            | EventKind::Config
            | EventKind::Conversation
            | EventKind::Migration
            | EventKind::Leader => Ok(Vec::new()),
        }
    }

    fn changed(&mut self, seq: u64, event: &Event, data: AlertData) {
        let AlertData { alert, message, .. } = data;
        let entry = self.known.entry(alert.id).or_insert_with(|| AlertEntry {
            alert: alert.clone(),
            seq: 0,
            messages: Vec::new(),
        });
        entry.seq = event.seq;
        entry.messages.extend(message);
        let was_open = entry.alert.state.is_open();
        entry.alert = alert.clone();
        if alert.state == AlertState::Resolved {
            if was_open || !self.over.contains(&alert.id) {
                self.over.push_back(alert.id);
            }
            // The next one begins anew.
            let about = |trouble: &Trouble| {
                trouble.agent.as_str() == alert.entity_id && trouble.rule().as_str() == alert.rule
            };
            self.troubles.retain(|_, trouble| !about(trouble));
        }
        while self.over.len() > RESOLVED_MAX
            && let Some(oldest) = self.over.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.untold.push_back(Told { seq, alert });
        let at = event.at;
        while self.untold.len() > TOLD_MAX
            || self.untold.front().is_some_and(|told| {
                older(told.alert.updated_at, at, TOLD_KEPT_MS)
                    && seq.saturating_sub(told.seq) > TOLD_KEPT_LINES
            })
        {
            self.untold.pop_front();
        }
    }

    fn heard(&mut self, event: &Event) -> Result<(), String> {
        let up_to = line::up_to(&event.data)?;
        self.delivered = self.delivered.max(up_to);
        self.untold.retain(|told| told.seq > up_to);
        Ok(())
    }

    fn failed(&mut self, event: &Event) -> Result<(), String> {
        let FailureData { failure, read } = FailureData::decode(&event.data)?;
        self.read.dead_letters = self.read.dead_letters.max(read.dead_letters);
        self.read.reports = self.read.reports.max(read.reports);
        let plan = plan(&failure.class);
        self.troubles
            .retain(|_, trouble| !older(trouble.last, event.at, TROUBLE_KEPT_MS));
        if !plan.escalates && failure.class != line::DEAD_LETTER {
            return Ok(());
        }
        let key = format!("{}/{}", failure.class, failure.agent);
        let count = failure.count();
        let trouble = self.troubles.entry(key).or_insert_with(|| Trouble {
            agent: failure.agent.clone(),
            class: failure.class.clone(),
            escalates: plan.escalates,
            count: 0,
            since: event.at,
            last: event.at,
            detail: String::new(),
        });
        trouble.count = trouble.count.saturating_add(count);
        trouble.last = event.at;
        trouble.detail = failure.detail;
        Ok(())
    }
}

impl Trouble {
    /// The rule that tells of it.
    pub fn rule(&self) -> Rule {
        if self.class == line::DEAD_LETTER {
            Rule::DeadLetter
        } else {
            Rule::Failure
        }
    }
}

/// Whether `then` is more than so many milliseconds before `now`.
fn older(then: Timestamp, now: Timestamp, ms: i64) -> bool {
    now.unix_ms().saturating_sub(then.unix_ms()) > ms
}
