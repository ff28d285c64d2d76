//! The fold of the log: everything that the leader decides by, and every standby knows as well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Id, Timestamp};

use super::crew::Crew;
use super::data::TaskData;
use super::ended::{Ended, Over};
use super::entry::TaskEntry;
use super::error::FoldError;
use super::index::{Entity, Index};
use super::letter::{self, Letter};
use super::lookup::{Facts, Lookup};
use super::places::{Renewed, Source};
use super::post::{Following, Post};
use super::practice::Practice;
use super::retain::{ENDED_PLACES_MAX, Gone, Order};
use super::settings::Settings;
use crate::alert::Alerts;

/// How long before the end of the log a new leader publishes again what followed and was published, in milliseconds (TASKS 5).
pub const FOLLOWS_KEPT_MS: i64 = 15 * 60 * 1_000;
/// Age by the leader's clock above which what was published is not published again, in milliseconds: recipients know the ids
/// of what ended for 48 hours.
pub const FOLLOWS_WORTH_MS: i64 = 40 * 60 * 60 * 1_000;
/// Most bytes of such records that are remembered once they are published; the oldest are dropped first.
const FOLLOWS_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// What the log says. As JSON it is the body of a [`Snapshot`](super::snapshot::Snapshot).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    pub(super) tasks: BTreeMap<Id, TaskEntry>,
    pub(super) practice: Practice,
    pub(super) crew: Crew,
    settings: Settings,
    pub(super) index: Index,
    alerts: Alerts,
    /// Tasks that are not at their end, by their state.
    pub(super) open: BTreeMap<TaskState, BTreeSet<Id>>,
    /// Assignments that are over.
    #[serde(default)]
    ended: Ended,
    /// Who waits for a task, while it waits.
    pub(super) dependents: BTreeMap<Id, BTreeSet<Id>>,
    /// Sequence of the last event.
    last: u64,
    /// Sequence of the last decided record, by its stream.
    decided: BTreeMap<String, u64>,
    /// When that was.
    #[serde(default)]
    decided_at: BTreeMap<String, Timestamp>,
    /// When the last event was decided.
    pub(super) at: Timestamp,
    follows: VecDeque<(Timestamp, Letter)>,
    follows_bytes: usize,
    /// The last line whose loss the operator accepted.
    #[serde(default)]
    pub(super) lost: u64,
    #[serde(skip)]
    pub(super) lookup: Lookup,
    /// What may not be published.
    #[serde(default)]
    post: Post,
    /// Tasks of which only is known how they ended.
    #[serde(default)]
    pub(super) gone: BTreeMap<Id, Gone>,
    #[serde(skip)]
    pub(super) order: Order,
    /// What was let go with the last event.
    #[serde(skip)]
    pub(super) forgotten: Vec<Entity>,
}

impl World {
    /// The state of an empty log.
    pub fn new() -> Self {
        Self {
            tasks: BTreeMap::new(),
            practice: Practice::default(),
            crew: Crew::default(),
            settings: Settings::default(),
            index: Index::default(),
            alerts: Alerts::default(),
            open: BTreeMap::new(),
            ended: Ended::default(),
            dependents: BTreeMap::new(),
            last: 0,
            decided: BTreeMap::new(),
            decided_at: BTreeMap::new(),
            at: Timestamp::EPOCH,
            follows: VecDeque::new(),
            follows_bytes: 0,
            lost: 0,
            lookup: Lookup::default(),
            post: Post::default(),
            gone: BTreeMap::new(),
            order: Order::default(),
            forgotten: Vec::new(),
        }
    }

    /// Sequence of the last event, 0 before the first.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Sequence of the last record of a stream that was decided, 0 before the first.
    pub fn last_decided(&self, stream: &str) -> u64 {
        self.decided.get(stream).copied().unwrap_or(0)
    }

    /// When the last record of a stream was decided, if one was.
    pub fn decided_at(&self, stream: &str) -> Option<Timestamp> {
        self.decided_at.get(stream).copied()
    }

    /// Sequence of the last decided record of each stream of which one was.
    pub const fn all_decided(&self) -> &BTreeMap<String, u64> {
        &self.decided
    }

    /// When the last event was decided.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// A task.
    pub fn task(&self, id: &Id) -> Option<&TaskEntry> {
        self.tasks.get(id)
    }

    /// The tasks that somebody holds.
    pub fn held(&self) -> impl Iterator<Item = &TaskEntry> {
        let states = [TaskState::Assigned, TaskState::InProgress, TaskState::Blocked];
        states.into_iter().flat_map(|state| self.in_state(state))
    }

    /// Assignments that are over, the latest ones.
    pub const fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Every task, by id.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = &TaskEntry> {
        self.tasks.values()
    }

    /// Every task whose id comes before this one, the latest first.
    pub fn tasks_before(&self, id: &Id) -> impl Iterator<Item = &TaskEntry> {
        self.tasks.range(..*id).rev().map(|(_, entry)| entry)
    }

    /// What is known of agents at work.
    pub const fn practice(&self) -> &Practice {
        &self.practice
    }

    /// What the operator set for the hive.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known of agents and of the hive.
    pub const fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Where in the log the events of each of them stand.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Sequence in the log of the latest event of this one, 0 before the first.
    pub fn last_of(&self, entity: &Entity) -> u64 {
        self.index.last(entity)
    }

    /// What is known of alerts and failures.
    pub const fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Open tasks in a state, by id.
    pub fn in_state(&self, state: TaskState) -> impl Iterator<Item = &TaskEntry> {
        let ids = self.open.get(&state).into_iter().flatten();
        ids.filter_map(|id| self.tasks.get(id))
    }

    /// Tasks that wait for this one.
    pub fn dependents(&self, id: &Id) -> impl Iterator<Item = &TaskEntry> {
        let ids = self.dependents.get(id).into_iter().flatten();
        ids.filter_map(|id| self.tasks.get(id))
    }

    /// What followed from the events of the last time, and all that may not be published, the oldest first.
    pub fn follows(&self) -> impl Iterator<Item = &Letter> {
        let others = self.post.unpublished().map(|following| &following.letter);
        self.follows.iter().map(|(_, letter)| letter).chain(others)
    }

    /// What may not be published, and is owed.
    pub const fn post(&self) -> &Post {
        &self.post
    }

    /// What followed from the events of the last time and was published, decided after `since`, the oldest first: a new
    /// leader publishes it again.
    pub fn follows_after(&self, since: Timestamp) -> impl Iterator<Item = &Letter> {
        let late = move |(at, _): &&(Timestamp, Letter)| *at > since;
        self.follows.iter().filter(late).map(|(_, letter)| letter)
    }

    /// Passes over a line that cannot be read, or the end of a log whose lines are all purged.
    pub fn skip(&mut self, seq: u64) {
        self.last = self.last.max(seq);
    }

    /// Lets the event with this sequence happen, and says what follows from it.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub fn apply(&mut self, seq: u64, event: &Event) -> Result<Vec<Letter>, FoldError> {
        if seq <= self.last {
            return Err(FoldError::Order { seq, last: self.last });
        }
        let unreadable = |reason| FoldError::Unreadable {
            seq,
            entity: format!("{} {}", event.entity, event.entity_id),
            reason,
        };
        let letters = match event.entity {
            EventKind::Task => self.task_event(seq, event)?,
            EventKind::Agent | EventKind::Swarm => self.machine_event(seq, event).map_err(unreadable)?,
            EventKind::Config => self.settings.apply(event).map_err(unreadable)?,
            EventKind::Alert | EventKind::Failure => self.alerts.apply(seq, event).map_err(unreadable)?,
            EventKind::Conversation | EventKind::Leader => {
                let renewed = Renewed::decode(event).map_err(unreadable)?;
                renewed.into_iter().for_each(|renewed| self.renewed(renewed));
                let stored = self.post.apply(event).map_err(unreadable)?;
                self.remember(stored);
                Vec::new()
            }
            // What later versions write about other things changes nothing here.
            EventKind::Contract
            | EventKind::Decision
            | EventKind::Outcome
            | EventKind::Compliance
            | EventKind::Migration => Vec::new(),
        };
        self.index.apply(seq, event);
        if let Some(Entity::Task(id)) = Entity::of(event)
            && self.state_of(&id).is_some_and(TaskState::is_terminal)
        {
            self.index.shorten(&id, ENDED_PLACES_MAX);
        }
        self.last = seq;
        self.at = self.at.max(event.at);
        if let (Some(stream), Some(decided)) = (&event.cause.stream, event.cause.seq) {
            let last = self.decided.entry(stream.clone()).or_insert(0);
            *last = decided.max(*last);
            self.decided_at.insert(stream.clone(), event.at);
        }
        let others = self.post.follow(seq, event.at, &letters);
        self.remember(others);
        self.let_go();
        Ok(letters)
    }

    fn task_event(&mut self, seq: u64, event: &Event) -> Result<Vec<Letter>, FoldError> {
        let unreadable = |reason: String| FoldError::Unreadable {
            seq,
            entity: format!("task {}", event.entity_id),
            reason,
        };
        let data = TaskData::decode(&event.data).map_err(|error| unreadable(error.to_string()))?;
        let id: Option<Id> = event.entity_id.parse().ok();
        let known = id.filter(|id| self.tasks.contains_key(id));
        match (id, known, &data.draft) {
            (Some(id), None, Some(draft)) => {
                let state = state_of(event).map_err(unreadable)?;
                let mut task = draft.clone().into_task(id, event.actor.clone(), event.at);
                task.state = state;
                self.submitted(task, (event.seq, seq));
            }
            (_, Some(id), _) => {
                let to = state_of(event).map_err(unreadable)?;
                if let Some(entry) = self.tasks.get_mut(&id) {
                    let (from, before) = (entry.task.state, Facts::of(entry));
                    let held = entry.notice.filter(|_| from.is_held());
                    let over = Over {
                        task: id,
                        epoch: entry.task.epoch,
                    };
                    self.practice.apply(entry, event, to, &data);
                    entry.apply(seq, event, to, &data);
                    let now = entry.task.state;
                    let holds = entry.notice.filter(|_| now.is_held());
                    if let Some(notice) = held.filter(|_| holds != held) {
                        self.ended.add(notice, over);
                    }
                    self.lookup.change(id, &before, Facts::of(entry));
                    self.moved(id, from, now);
                }
            }
            // A command about a task that never was is refused, and changes nothing.
            (_, None, _) => {}
        }
        let task = id.and_then(|id| self.tasks.get(&id)).map(|entry| &entry.task);
        Ok(letter::letters(event, &data, task))
    }

    fn renewed(&mut self, renewed: Renewed) {
        match renewed.source {
            Source::Commands | Source::Messages | Source::Receipts => {
                self.post.renewed(renewed.source.stream(), renewed.decided);
                self.decided.insert(renewed.stream, renewed.decided);
            }
            Source::DeadLetters | Source::Reports => self.alerts.renewed(renewed.source, renewed.decided),
        }
    }

    /// Keeps what is published, as long as it may be published again.
    fn remember(&mut self, published: Vec<Following>) {
        if published.is_empty() {
            return;
        }
        for Following { at, letter, .. } in published {
            self.follows_bytes += letter.body.len();
            self.follows.push_back((at, letter));
        }
        let too_old = |kept: &Timestamp| self.at.unix_ms() - kept.unix_ms() > FOLLOWS_KEPT_MS;
        while let Some((kept, letter)) = self.follows.front()
            && (too_old(kept) || self.follows_bytes > FOLLOWS_BYTES_MAX)
        {
            self.follows_bytes -= letter.body.len();
            self.follows.pop_front();
        }
    }
}

fn state_of(event: &Event) -> Result<TaskState, String> {
    event
        .to
        .parse()
        .map_err(|error: wagglebus_schemas::UnknownWord| error.to_string())
}
