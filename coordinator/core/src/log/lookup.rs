//! Which tasks concern whom: worked out of the tasks alone, so that no question and no sign looks at all of them.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use super::entry::TaskEntry;
use super::world::World;

/// What a task is found by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    state: TaskState,
    submitter: AgentId,
    agent: Option<AgentId>,
    notice: Option<Id>,
}

impl Facts {
    pub(super) fn of(entry: &TaskEntry) -> Self {
        let task = &entry.task;
        Self {
            state: task.state,
            submitter: task.submitted_by.clone(),
            agent: task.assigned_to.clone(),
            notice: entry.notice,
        }
    }
}

/// Ids of tasks. Nothing of it is stored: it follows from the tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lookup {
    /// Held ones, by the notice of their assignment.
    notices: BTreeMap<Id, Id>,
    /// By who holds them.
    held: BTreeMap<AgentId, BTreeSet<Id>>,
    /// By who submitted them or was given them.
    about: BTreeMap<AgentId, BTreeSet<Id>>,
    /// At their end, by their state.
    ended: BTreeMap<TaskState, BTreeSet<Id>>,
}

impl Lookup {
    /// As these tasks say.
    pub(super) fn of<'t>(tasks: impl IntoIterator<Item = &'t TaskEntry>) -> Self {
        let mut lookup = Self::default();
        for entry in tasks {
            lookup.add(entry.task.id, Facts::of(entry));
        }
        lookup
    }

    /// A task is another one than before.
    pub(super) fn change(&mut self, id: Id, before: &Facts, after: Facts) {
        if *before != after {
            self.remove(id, before);
            self.add(id, after);
        }
    }

    pub(super) fn add(&mut self, id: Id, facts: Facts) {
        let Facts {
            state,
            submitter,
            agent,
            notice,
        } = facts;
        if state.is_held() {
            self.notices.extend(notice.map(|notice| (notice, id)));
        }
        if state.is_terminal() {
            self.ended.entry(state).or_default().insert(id);
        }
        self.about.entry(submitter).or_default().insert(id);
        if let Some(agent) = agent {
            if state.is_held() {
                self.held.entry(agent.clone()).or_default().insert(id);
            }
            self.about.entry(agent).or_default().insert(id);
        }
    }

    /// A task is gone, or no longer what it was.
    pub(super) fn remove(&mut self, id: Id, facts: &Facts) {
        if let Some(notice) = facts
            .notice
            .filter(|notice| self.notices.get(notice) == Some(&id))
        {
            self.notices.remove(&notice);
        }
        take(&mut self.ended, &facts.state, &id);
        take(&mut self.about, &facts.submitter, &id);
        if let Some(agent) = &facts.agent {
            take(&mut self.held, agent, &id);
            take(&mut self.about, agent, &id);
        }
    }

    pub(super) fn of_notice(&self, notice: &Id) -> Option<&Id> {
        self.notices.get(notice)
    }

    pub(super) fn held_by(&self, agent: &AgentId) -> impl Iterator<Item = &Id> {
        self.held.get(agent).into_iter().flatten()
    }

    /// Those with an id before this one, the latest first.
    pub(super) fn about_before(&self, agent: &AgentId, id: &Id) -> impl Iterator<Item = &Id> {
        before(self.about.get(agent), id)
    }

    /// The same of those that came to this end.
    pub(super) fn ended_before(&self, state: TaskState, id: &Id) -> impl Iterator<Item = &Id> {
        before(self.ended.get(&state), id)
    }
}

/// Ids before this one, the latest first.
pub(super) fn before<'s>(ids: Option<&'s BTreeSet<Id>>, id: &Id) -> impl Iterator<Item = &'s Id> + use<'s> {
    let id = *id;
    ids.into_iter().flat_map(move |ids| ids.range(..id).rev())
}

/// What holds nothing any more goes: agents come and go.
fn take<K: Ord, V: Ord>(sets: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

impl World {
    /// Works out what no snapshot holds.
    pub(super) fn derive(&mut self) {
        self.lookup = Lookup::of(self.tasks.values());
        self.put_in_order();
    }

    /// The task whose holder was told of it by this notice.
    pub fn of_notice(&self, notice: &Id) -> Option<&TaskEntry> {
        self.tasks.get(self.lookup.of_notice(notice)?)
    }

    /// What an agent holds, by id.
    pub fn held_by(&self, agent: &AgentId) -> impl Iterator<Item = &TaskEntry> {
        self.lookup.held_by(agent).filter_map(|id| self.tasks.get(id))
    }

    /// Tasks that an agent submitted or was given, whose id comes before this one, the latest first.
    pub fn tasks_about(&self, agent: &AgentId, id: &Id) -> impl Iterator<Item = &TaskEntry> {
        self.lookup
            .about_before(agent, id)
            .filter_map(|id| self.tasks.get(id))
    }

    /// The same of those in a state.
    pub fn tasks_in(&self, state: TaskState, id: &Id) -> impl Iterator<Item = &TaskEntry> {
        let open = before(self.open.get(&state), id);
        open.chain(self.lookup.ended_before(state, id))
            .filter_map(|id| self.tasks.get(id))
    }

    /// Whether an agent has a task that it took on.
    pub fn has_task(&self, agent: &AgentId) -> bool {
        let mut held = self.held_by(agent);
        held.any(|entry| matches!(entry.task.state, TaskState::InProgress | TaskState::Blocked))
    }
}
