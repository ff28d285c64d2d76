//! What the leader does: decides, takes what it decided for said, and has it appended.

use std::collections::BTreeSet;

use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use super::alerting;
use super::coordination::{Coordination, Unstored};
use super::order::{Desk, Order};
use super::round;
use crate::fsm;
use crate::log::{TaskEntry, World};
use crate::roster::{Member, Roster};
use crate::task::Scribe;
use crate::task::timer::{self, Failing};

/// How long a new leader waits for the first heartbeat of a holder before it takes it for lost, in milliseconds.
pub(super) const FIRST_BEAT_MS: u64 = 10_000;
/// Time between two looks at everything that time changes, in milliseconds.
const SWEEP_MS: u64 = 500;
/// How long a new leader waits until everybody enrolled was heard, in milliseconds: a little more than a heartbeat.
const HEARD_WITHIN_MS: u64 = 3_500;
/// Decided events that may wait to be appended; then no more commands are read, which wait where they are stored.
pub(super) const WAITING_MAX: usize = 4_096;

impl Coordination {
    /// Does what time and changes ask of a leader.
    pub(super) fn duties(&mut self, desk: &mut Desk<'_>, since_ms: u64) {
        self.listen(desk, since_ms);
        let sweeps = desk.now.boot_ms >= self.sweep_ms;
        if sweeps {
            self.sweep_ms = desk.now.boot_ms.saturating_add(SWEEP_MS);
        }
        if self.is_blocked(desk.now.boot_ms) {
            self.hold_waits(desk.now.boot_ms);
        } else {
            self.muster(desk, since_ms);
            if sweeps {
                self.sweep(desk, since_ms);
            }
            self.settle(desk);
            if std::mem::take(&mut self.reassess) {
                self.assign(desk);
            }
        }
        self.append(desk);
        self.project(desk);
    }

    /// Takes a decided event for said, and has it appended. False when it cannot be a line of the log: what it says has not
    /// happened then, and a command that asked for it is refused.
    pub(super) fn write(&mut self, desk: &mut Desk<'_>, event: Event) -> bool {
        self.admit_owed(desk, &event.cause);
        let decided = event.id;
        let seq = self.world.last() + 1;
        let id = task_of(&event);
        let held = id.and_then(|id| self.world.task(&id));
        let before = held.and_then(|entry| Some((entry.task.assigned_to.clone()?, entry.task.state)));
        let Some((event, letters)) = self.fold(desk, seq, event) else {
            return false;
        };
        self.post.decided(&letters);
        self.unstored.push_back(Unstored {
            seq,
            letters,
            moved: moved(&event),
        });
        let said = event.id == decided;
        self.said(desk, seq, event, before);
        said
    }

    /// What comes of an event that has just happened. `before` is who held its task, and in which state that was.
    fn said(&mut self, desk: &mut Desk<'_>, seq: u64, event: Event, before: Option<(AgentId, TaskState)>) {
        let id = task_of(&event);
        let (of_task, was_held) = (event.entity == EventKind::Task, before.is_some());
        let head = head(&event);
        self.views.changed(&self.world, seq, &event, desk.now.boot_ms);
        let given_up = id.filter(|_| alerting::gives_up(&event));
        self.queue.push(event);
        if !of_task {
            return self.machine_moved(&head);
        }
        if let Some(id) = id {
            self.holders_follow(desk, &head, id, before);
        }
        if let Some(task) = given_up {
            self.record_given_up(desk, task);
        }
        let Some(entry) = id.and_then(|id| self.world.task(&id)) else {
            return;
        };
        let (id, task) = (entry.task.id, &entry.task);
        if task.state == TaskState::Pending {
            self.backlog.put(round::job(entry));
        } else {
            self.backlog.remove(&id);
        }
        match task.state {
            TaskState::Assigned => {
                let notice = entry.notice;
                self.waits(id, notice, desk.now.boot_ms);
            }
            TaskState::Pending => {
                self.assigned.remove(&id);
                // Who let it go may begin another one; what is only new finds nobody where nobody was free.
                self.all_busy &= !was_held;
                self.reassess |= !self.all_busy;
            }
            TaskState::WaitingDependency => {
                self.unsettled.insert(id);
            }
            TaskState::InProgress | TaskState::Blocked => {
                self.assigned.remove(&id);
            }
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled => {
                self.assigned.remove(&id);
                let dependents = self.world.dependents(&id).map(|entry| entry.task.id);
                self.unsettled.extend(dependents);
                // Its holder is free.
                self.all_busy = false;
                self.reassess = true;
            }
        }
    }

    /// Appends what was decided, one batch at a time.
    pub(super) fn append(&mut self, desk: &mut Desk<'_>) {
        if self.listening && (self.queue.len() >= self.waiting_max || self.post.is_full()) {
            self.stop_listening(desk);
        }
        if self.appending.is_some() || self.queue.is_empty() || !self.leads() {
            return;
        }
        let count = u64::try_from(self.queue.len()).unwrap_or(u64::MAX);
        let after = self.world.last().saturating_sub(count);
        self.appending = Some(after);
        self.appending_ms = desk.now.boot_ms;
        desk.orders.push(Order::Append {
            after,
            events: std::mem::take(&mut self.queue),
        });
    }

    /// An event that the leader decides by itself. False when there is none, or it cannot be written.
    pub(super) fn by_itself(
        &mut self,
        desk: &mut Desk<'_>,
        decide: impl FnOnce(&World, &mut Scribe<'_>) -> Option<Event>,
    ) -> bool {
        let mut scribe = Scribe {
            hive: &self.hive,
            at: self.stamp(desk.now),
            ids: desk.ids,
        };
        decide(&self.world, &mut scribe).is_some_and(|event| self.write(desk, event))
    }

    /// Takes tasks from holders that are gone, or did not accept in time.
    pub(super) fn sweep(&mut self, desk: &mut Desk<'_>, since_ms: u64) {
        self.watch_over(desk, since_ms);
        self.reconsider(desk);
        let now_ms = desk.now.boot_ms;
        // While nobody can be told of anything, who has a task keeps it: nobody else could begin it.
        let mute = self.post.is_mute(now_ms);
        if mute || !self.listening {
            self.hold_waits(now_ms);
        }
        let held_back = |entry: &TaskEntry| {
            let holder = entry.task.assigned_to.as_ref();
            holder.is_some_and(|holder| self.world.crew().is_held_back(holder))
        };
        let overdue = |entry: &TaskEntry, told_ms: u64| {
            now_ms.saturating_sub(told_ms) >= entry.task.accept_timeout_ms.get()
        };
        let patient = desk.now.boot_ms.saturating_sub(since_ms) < FIRST_BEAT_MS;
        let mut releases = Vec::new();
        let mut waiting = BTreeSet::new();
        for entry in self.world.held() {
            let waits = entry.task.state == TaskState::Assigned;
            let told_ms = self.told_ms(entry, now_ms).filter(|_| waits);
            // No attempt counts that nobody was told of.
            if mute || (waits && told_ms.is_none()) {
                continue;
            }
            let lost = entry
                .task
                .assigned_to
                .as_ref()
                .is_some_and(|holder| is_lost(desk.roster, holder, patient));
            if lost {
                releases.push((entry.task.id, Failing::Lost));
            } else if waits && held_back(entry) {
                waiting.insert(entry.task.id);
            } else if told_ms.is_some_and(|told_ms| overdue(entry, told_ms)) {
                releases.push((entry.task.id, Failing::Timeout));
            }
        }
        // Who may get nothing cannot accept in time: it has all its time afterwards.
        self.hold_waits_of(now_ms, |task| waiting.contains(task));
        for (id, reason) in releases {
            self.by_itself(desk, |world, scribe| {
                timer::release(world.task(&id)?, reason, scribe)
            });
        }
        self.announcement_ends(desk);
        self.by_itself(desk, fsm::control::catch_up);
        self.mark(desk);
        // Deadlines come nearer, and who waits grows older.
        self.reassess |= !self.backlog.is_empty();
    }

    /// How many decided events may wait to be appended: then nothing more is read until there are fewer.
    pub const fn set_waiting_max(&mut self, events: usize) {
        self.waiting_max = events;
    }

    /// Begins to listen once it is known who is there and can do what: a submission would be refused only because nobody
    /// was heard yet. Who stood by for longer than a heartbeat knows it at once, whoever of those enrolled is silent.
    pub(super) fn listen(&mut self, desk: &mut Desk<'_>, since_ms: u64) {
        // Asked at each event for as long as we lead: who listens already asks nobody.
        if self.listening || self.queue.len() >= self.waiting_max || !self.post.has_room() {
            return;
        }
        let silent = |member: &Member| member.presence() == Presence::Never;
        let all_heard = desk.roster.is_listed() && !desk.roster.members().any(silent);
        let heard = desk.roster.is_listed() && desk.roster.heard_for_ms(desk.now) >= HEARD_WITHIN_MS;
        let waited = heard || desk.now.boot_ms.saturating_sub(since_ms) >= HEARD_WITHIN_MS;
        if !(all_heard || waited) {
            return;
        }
        self.listening = true;
        desk.orders.push(Order::Listen {
            commands: self.read_to(Stream::Tasks),
            messages: self.read_to(Stream::Messages),
            receipts: self.read_to(Stream::Receipts),
        });
        self.hear_alerts(desk);
    }

    /// Lets tasks begin whose dependencies are settled.
    pub(super) fn settle(&mut self, desk: &mut Desk<'_>) {
        while let Some(id) = self.unsettled.pop_first() {
            self.by_itself(desk, |world, scribe| {
                timer::ready(world, world.task(&id)?, scribe)
            });
        }
    }

    pub(super) fn assign(&mut self, desk: &mut Desk<'_>) {
        if self.post.is_mute(desk.now.boot_ms) {
            return; // Nobody could be told of it: it waits for a better moment.
        }
        self.all_busy = !round::is_somebody_free(&self.world, desk.roster);
        if self.all_busy {
            return;
        }
        let placements = round::placements(&self.world, desk.roster, desk.now, &mut self.backlog);
        for placement in placements {
            let explanation = serde_json::to_value(&placement.explanation).ok();
            self.by_itself(desk, |world, scribe| {
                timer::assign(
                    world.task(&placement.task)?,
                    &placement.agent,
                    explanation,
                    scribe,
                )
            });
        }
        // What was just written changes nothing about who is free.
        self.reassess = false;
    }
}

/// The task that an event is about.
fn task_of(event: &Event) -> Option<Id> {
    let of_task = event.entity == EventKind::Task;
    event.entity_id.parse().ok().filter(|_| of_task)
}

/// An event without its data, which may be long.
fn head(event: &Event) -> Event {
    Event {
        id: event.id,
        entity: event.entity,
        entity_id: event.entity_id.clone(),
        seq: event.seq,
        from: event.from.clone(),
        to: event.to.clone(),
        event: event.event.clone(),
        actor: event.actor.clone(),
        cause: event.cause.clone(),
        guard: event.guard.clone(),
        at: event.at,
        data: serde_json::Map::new(),
    }
}

/// The state that an event leads to, of what, if that is another one than before.
fn moved(event: &Event) -> Option<(EventKind, String)> {
    let moved = event.seq > 0 && event.from.as_ref() != Some(&event.to);
    moved.then(|| (event.entity, event.to.clone()))
}

/// Whether a holder is not there any more. Right after a takeover those of whom nothing was heard yet may still come.
fn is_lost(roster: &Roster, holder: &AgentId, patient: bool) -> bool {
    let Some(member) = roster.member(holder) else {
        return roster.is_listed();
    };
    let left = member
        .heartbeat()
        .is_some_and(|beat| matches!(beat.state, SessionState::Gone | SessionState::Detached));
    match member.presence() {
        Presence::Lost => true,
        Presence::Never => !patient,
        Presence::Alive | Presence::Suspect => left,
    }
}
