//! What the fold does not know any more: tasks that ended long ago, agents that were removed long ago (ADR 0054), and lines
//! that are lost (ADR 0042).
//!
//! All who fold the same lines let go the same: it is decided by the time of the log and by counts, and by nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::{AgentId, Id, TaskDraft, Timestamp};

use super::entry::TaskEntry;
use super::index::Entity;
use super::letter::Letter;
use super::lookup::Facts;
use super::packed::Packed;
use super::world::World;

const DAY_MS: i64 = 86_400_000;
/// How long an ended task is known whole, in milliseconds of the log: as long as `WB_TASKS` keeps what was said of it.
pub const WHOLE_MS: i64 = 30 * DAY_MS;
/// Most ended tasks that are known whole.
pub const WHOLE_MAX: usize = 100_000;
/// Most bytes of ended tasks that are known whole, as JSON: three snapshots of them have room in their store.
pub const WHOLE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Ended tasks of which it is known why their agent was chosen.
pub const EXPLAINED_MAX: usize = 1_000;
/// Places in the log that are known of an ended task.
pub const ENDED_PLACES_MAX: usize = 100;
/// How long it is known of a task how it ended, in milliseconds of the log: a submission that is repeated, or that names it
/// as something it depends on, lies in `WB_TASKS` for 30 days at most.
pub const GONE_MS: i64 = 60 * DAY_MS;
/// Most tasks of which only that is known.
pub const GONE_MAX: usize = 500_000;
/// How long a removed agent is known, in milliseconds of the log.
pub const REMOVED_MS: i64 = 30 * DAY_MS;
/// Most removed agents that are known.
pub const REMOVED_MAX: usize = 1_000;

/// A task of which only this is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// How it ended.
    pub state: TaskState,
    /// When it ended.
    pub at: Timestamp,
    /// Who submitted it.
    pub submitted_by: AgentId,
    /// What was submitted, as a number.
    digest: u64,
}

impl Gone {
    fn of(entry: &TaskEntry) -> Self {
        Self {
            state: entry.task.state,
            at: entry.since,
            submitted_by: entry.task.submitted_by.clone(),
            digest: digest(&entry.task),
        }
    }

    /// Whether it was made of a draft like this one.
    pub fn is_of(&self, draft: &TaskDraft, id: Id, from: &AgentId) -> bool {
        let task = draft.clone().into_task(id, from.clone(), Timestamp::EPOCH);
        self.submitted_by == *from && self.digest == digest(&task)
    }
}

/// A number for what was submitted: FNV-1a over its JSON. Nobody gains by finding a second task of the same one: it would be
/// another task of its own under an id of its own.
fn digest(task: &Task) -> u64 {
    let submitted = Task {
        state: TaskState::Pending,
        assigned_to: None,
        epoch: 0,
        attempt: 0,
        progress: wagglebus_schemas::number::Fraction::default(),
        result: Value::Null,
        error: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        ..task.clone()
    };
    let bytes = serde_json::to_vec(&submitted).unwrap_or_default();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How much is known at most. Tests make it small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) whole: usize,
    pub(super) whole_bytes: usize,
    pub(super) explained: usize,
    pub(super) gone: usize,
    pub(super) removed: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            whole: WHOLE_MAX,
            whole_bytes: WHOLE_BYTES_MAX,
            explained: EXPLAINED_MAX,
            gone: GONE_MAX,
            removed: REMOVED_MAX,
        }
    }
}

type When = (Timestamp, Id);

/// In which order things are let go. It follows from the rest of the world, and is in no snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Order {
    /// Ended tasks that are known whole, with their bytes.
    whole: BTreeMap<When, usize>,
    bytes: usize,
    explained: BTreeSet<When>,
    gone: BTreeSet<When>,
    removed: BTreeSet<(Timestamp, AgentId)>,
    pub(super) bounds: Bounds,
}

impl Order {
    fn due_whole(&self, at: Timestamp) -> Option<When> {
        let (first, _) = self.whole.first_key_value()?;
        let many = self.whole.len() > self.bounds.whole || self.bytes > self.bounds.whole_bytes;
        (many || is_past(first.0, at, WHOLE_MS)).then_some(*first)
    }

    fn due_gone(&self, at: Timestamp) -> Option<When> {
        let first = self.gone.first()?;
        (self.gone.len() > self.bounds.gone || is_past(first.0, at, GONE_MS)).then_some(*first)
    }

    fn due_removed(&self, at: Timestamp) -> Option<(Timestamp, AgentId)> {
        let first = self.removed.first()?;
        (self.removed.len() > self.bounds.removed || is_past(first.0, at, REMOVED_MS)).then(|| first.clone())
    }
}

/// Whether `then` is more than so many milliseconds before `now`.
const fn is_past(then: Timestamp, now: Timestamp, ms: i64) -> bool {
    now.unix_ms().saturating_sub(then.unix_ms()) > ms
}

impl World {
    /// Goes on behind lines that are lost, the last of which has this sequence: the operator accepted it.
    pub fn lose(&mut self, seq: u64) {
        self.skip(seq);
        self.lost = self.lost.max(seq);
    }

    /// Whether the line with this sequence is lost: what views hold of it is told nowhere else.
    pub const fn is_lost(&self, seq: u64) -> bool {
        self.lost > 0 && seq <= self.lost
    }

    /// A task of which only is known how it ended.
    pub fn gone(&self, id: &Id) -> Option<&Gone> {
        self.gone.get(id)
    }

    /// Where a task stands, also one of which only is known how it ended.
    pub fn state_of(&self, id: &Id) -> Option<TaskState> {
        let whole = self.tasks.get(id).map(|entry| entry.task.state);
        whole.or_else(|| self.gone.get(id).map(|gone| gone.state))
    }

    /// What was let go with the last event, and is not known at all any more.
    pub fn forgotten(&self) -> &[Entity] {
        &self.forgotten
    }

    /// A task came to its end, or a snapshot tells that it did.
    pub(super) fn has_ended(&mut self, id: Id) {
        let Some(entry) = self.tasks.get(&id) else { return };
        let (when, explained) = ((entry.since, id), entry.explanation.is_some());
        let evidence = entry.evidence.as_ref().map_or(0, Packed::bytes);
        let bytes = serde_json::to_vec(&entry.task).map_or(0, |bytes| bytes.len()) + evidence;
        if let Some(before) = self.order.whole.insert(when, bytes) {
            self.order.bytes -= before;
        }
        self.order.bytes += bytes;
        if explained {
            self.order.explained.insert(when);
        }
    }

    /// A task was submitted, in a state.
    pub(super) fn submitted(&mut self, task: Task, seqs: (u64, u64)) {
        let (id, state) = (task.id, task.state);
        for needed in task
            .depends_on
            .iter()
            .filter(|_| state == TaskState::WaitingDependency)
        {
            self.dependents.entry(*needed).or_default().insert(id);
        }
        let entry = TaskEntry::new(task, seqs);
        self.lookup.add(id, Facts::of(&entry));
        self.tasks.insert(id, entry);
        self.open.entry(state).or_default().insert(id);
    }

    /// A task came from one state into another.
    pub(super) fn moved(&mut self, id: Id, from: TaskState, to: TaskState) {
        if from == to {
            return;
        }
        if let Some(ids) = self.open.get_mut(&from) {
            ids.remove(&id);
        }
        if from == TaskState::WaitingDependency {
            self.waits_no_more(id);
        }
        if to.is_terminal() {
            return self.has_ended(id);
        }
        self.open.entry(to).or_default().insert(id);
    }

    /// Whatever a task waited for need not be known on its account any more.
    fn waits_no_more(&mut self, id: Id) {
        let needed = self.tasks.get(&id).map(|entry| entry.task.depends_on.clone());
        for needed in needed.unwrap_or_default() {
            let Some(waiting) = self.dependents.get_mut(&needed) else {
                continue;
            };
            waiting.remove(&id);
            if waiting.is_empty() {
                self.dependents.remove(&needed);
                let gone = self.gone.get(&needed).map(|gone| (gone.at, needed));
                self.order.gone.extend(gone);
            }
        }
    }

    /// An agent's entry may have changed that was like this before.
    pub(super) fn agent_changed(&mut self, agent: &AgentId, removed: Option<Timestamp>) {
        if let Some(since) = removed {
            self.order.removed.remove(&(since, agent.clone()));
        }
        self.order
            .removed
            .extend(self.removed_since(agent).map(|since| (since, agent.clone())));
    }

    /// Since when an agent is removed.
    pub(super) fn removed_since(&self, agent: &AgentId) -> Option<Timestamp> {
        let entry = self.crew.agent(agent)?;
        (!entry.enrolled).then_some(entry.since)
    }

    /// Lets an event of an agent or of the hive happen, and says what follows from it.
    pub(super) fn machine_event(&mut self, seq: u64, event: &Event) -> Result<Vec<Letter>, String> {
        let agent: Option<AgentId> = event.entity_id.parse().ok();
        let agent = agent.filter(|_| event.entity == EventKind::Agent);
        let removed = agent.as_ref().and_then(|agent| self.removed_since(agent));
        let letters = self.crew.apply(seq, event)?;
        if let Some(agent) = &agent {
            self.agent_changed(agent, removed);
        }
        Ok(letters)
    }

    /// Lets go what is due at the time of the last event.
    pub(super) fn let_go(&mut self) {
        self.forgotten.clear();
        while self.order.explained.len() > self.order.bounds.explained
            && let Some((_, id)) = self.order.explained.pop_first()
        {
            if let Some(entry) = self.tasks.get_mut(&id) {
                entry.explanation = None;
            }
        }
        while let Some(when) = self.order.due_whole(self.at) {
            self.order.bytes -= self.order.whole.remove(&when).unwrap_or_default();
            self.order.explained.remove(&when);
            if let Some(entry) = self.tasks.remove(&when.1) {
                self.lookup.remove(when.1, &Facts::of(&entry));
                self.gone.insert(when.1, Gone::of(&entry));
                self.order.gone.insert(when);
            }
            self.index.forget(&Entity::Task(when.1));
        }
        while let Some(when) = self.order.due_gone(self.at) {
            self.order.gone.remove(&when);
            // Who waits for it must learn how it ended.
            if !self.dependents.contains_key(&when.1) {
                self.gone.remove(&when.1);
                self.forgotten.push(Entity::Task(when.1));
            }
        }
        while let Some(removed) = self.order.due_removed(self.at) {
            self.order.removed.remove(&removed);
            let (_, agent) = removed;
            self.crew.forget(&agent);
            self.practice.forget(&agent);
            self.index.forget(&Entity::Agent(agent.clone()));
            self.forgotten.push(Entity::Agent(agent));
        }
    }

    /// Works out in which order things are let go, as it follows from the rest.
    pub(super) fn put_in_order(&mut self) {
        self.order = Order::default();
        self.dependents.clear();
        for (id, entry) in &self.tasks {
            let waits = entry.task.state == TaskState::WaitingDependency;
            for needed in entry.task.depends_on.iter().filter(|_| waits) {
                self.dependents.entry(*needed).or_default().insert(*id);
            }
        }
        let ended = self.tasks.values().filter(|entry| entry.task.state.is_terminal());
        for id in ended.map(|entry| entry.task.id).collect::<Vec<_>>() {
            self.has_ended(id);
        }
        let waited_for = |id: &Id| self.dependents.contains_key(id);
        let gone = self.gone.iter().filter(|(id, gone)| {
            // Those were passed over.
            !(waited_for(id) && is_past(gone.at, self.at, GONE_MS))
        });
        self.order.gone = gone.map(|(id, gone)| (gone.at, *id)).collect();
        let agents: Vec<AgentId> = self.crew.agents().map(|(agent, _)| agent.clone()).collect();
        for agent in agents {
            self.agent_changed(&agent, None);
        }
    }
}
