//! What follows from stored lines, until its stream has it: an assignment counts from when its notice is stored, and what
//! nobody takes bounds what is decided (ADR 0053).

use std::collections::BTreeMap;

use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Id, Timestamp};

use super::coordination::Coordination;
use super::order::{Desk, Order};
use crate::log::letter::{self, Letter};
use crate::log::world::FOLLOWS_WORTH_MS;
use crate::log::{TaskEntry, World};

/// Time after which a stream that answered nothing is taken to take nothing, in milliseconds: longer than four thousand
/// lines take on a slow disk.
const SILENT_MS: u64 = 5_000;
/// Most bytes of records that wait for their line or their stream; then no more commands are read. A new leader may begin
/// with half of it.
pub(super) const BYTES_MAX: usize = 128 * 1024 * 1024;

/// A task that waits to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// By what its holder is told of it.
    notice: Option<Id>,
    /// Since when it can know, by our own clock; `None` while the notice is not stored.
    pub(super) since_ms: Option<u64>,
}

/// A record on its way.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    bytes: usize,
    /// For `WB_MESSAGES`, from which agents learn what they are to do.
    is_message: bool,
}

/// Records that are not stored yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Post {
    under_way: BTreeMap<Id, Parcel>,
    /// How many of them are messages, and since when none was taken.
    messages: usize,
    quiet_ms: u64,
    /// The bytes of all, those included whose line is not stored.
    bytes: usize,
    /// The task of each assignment that nobody was told of.
    untold: BTreeMap<Id, Id>,
}

impl Post {
    /// These follow from a line that is decided, and not stored yet.
    pub(super) fn decided(&mut self, letters: &[Letter]) {
        self.bytes += size(letters);
    }

    /// The line is stored, and they are published.
    pub(super) fn stored(&mut self, letters: &[Letter]) {
        self.bytes = self.bytes.saturating_sub(size(letters));
    }

    fn sent(&mut self, letter: &Letter, now_ms: u64) {
        let parcel = Parcel {
            bytes: letter.body.len(),
            is_message: matches!(letter.subject, Subject::Message { .. }),
        };
        if self.under_way.insert(letter.id, parcel).is_some() {
            return;
        }
        self.bytes += parcel.bytes;
        if parcel.is_message {
            if self.messages == 0 {
                self.quiet_ms = now_ms;
            }
            self.messages += 1;
        }
    }

    fn arrived(&mut self, id: &Id, now_ms: u64) {
        let Some(parcel) = self.under_way.remove(id) else {
            return; // It was published by a leadership that is over.
        };
        self.bytes = self.bytes.saturating_sub(parcel.bytes);
        if parcel.is_message {
            self.messages = self.messages.saturating_sub(1);
            self.quiet_ms = now_ms;
        }
    }

    /// Whether agents cannot be told of anything now.
    pub(super) fn is_mute(&self, now_ms: u64) -> bool {
        self.messages > 0 && now_ms.saturating_sub(self.quiet_ms) >= SILENT_MS
    }

    /// Whether more of it would be too much.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// Whether there is room again for what further commands bring.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes < BYTES_MAX / 4 * 3
    }
}

fn size(letters: &[Letter]) -> usize {
    letters.iter().map(|letter| letter.body.len()).sum()
}

impl Coordination {
    /// Publishes a record, and remembers it until its stream has it.
    pub(super) fn publish(&mut self, desk: &mut Desk<'_>, letter: Letter) {
        self.post.sent(&letter, desk.now.boot_ms);
        desk.orders.push(Order::Publish(letter));
    }

    /// These records are stored, or never will be: whoever is told of a task by one of them has its time from now on.
    pub fn published(&mut self, desk: &mut Desk<'_>, ids: &[Id]) {
        let now_ms = desk.now.boot_ms;
        for id in ids {
            self.post.arrived(id, now_ms);
            let task = self.post.untold.remove(id);
            let wait = task.and_then(|task| self.assigned.get_mut(&task));
            if let Some(wait) = wait.filter(|wait| wait.notice == Some(*id)) {
                wait.since_ms.get_or_insert(now_ms);
            }
        }
        self.settle_post(desk, ids);
    }

    /// A new leader publishes what its predecessor may have stored and not published, and the notice of each task that
    /// waits to be accepted: it may have waited longer than such records are remembered.
    pub(super) fn publish_again(&mut self, desk: &mut Desk<'_>) {
        let since = desk.now.wall.unix_ms().saturating_sub(FOLLOWS_WORTH_MS);
        let since = Timestamp::from_unix_ms(since).unwrap_or(Timestamp::EPOCH);
        let follows: Vec<Letter> = self.world.follows_after(since).cloned().collect();
        for letter in follows {
            self.publish(desk, letter);
        }
        let notices = notices(&self.world, since);
        for letter in notices {
            if !self.post.under_way.contains_key(&letter.id) {
                self.publish(desk, letter);
            }
        }
        let assigned = self.world.in_state(TaskState::Assigned);
        let assigned: Vec<(Id, Option<Id>)> = assigned.map(|entry| (entry.task.id, entry.notice)).collect();
        for (task, notice) in assigned {
            let notice = notice.filter(|notice| self.post.under_way.contains_key(notice));
            self.waits(task, notice, desk.now.boot_ms);
        }
    }

    /// A task waits to be accepted by whom this notice tells of it; one that waits already goes on.
    pub(super) fn waits(&mut self, task: Id, notice: Option<Id>, now_ms: u64) {
        let known = self.assigned.get(&task);
        if known.is_some_and(|known| known.notice == notice) {
            return;
        }
        let since_ms = notice.is_none().then_some(now_ms);
        self.assigned.insert(task, Wait { notice, since_ms });
        self.post.untold.extend(notice.map(|notice| (notice, task)));
    }

    /// Since when the holder of a task that waits to be accepted can know of it, `None` while it cannot.
    pub(super) fn told_ms(&self, entry: &TaskEntry, now_ms: u64) -> Option<u64> {
        let wait = self.assigned.get(&entry.task.id);
        wait.map_or(Some(now_ms), |wait| wait.since_ms)
    }

    /// Nothing can be decided or heard: whoever was told of a task has all its time afterwards.
    pub(super) fn hold_waits(&mut self, now_ms: u64) {
        self.hold_waits_of(now_ms, |_| true);
    }

    /// The same for some tasks.
    pub(super) fn hold_waits_of(&mut self, now_ms: u64, held: impl Fn(&Id) -> bool) {
        let held = self.assigned.iter_mut().filter(|(task, _)| held(task));
        for since_ms in held.filter_map(|(_, wait)| wait.since_ms.as_mut()) {
            *since_ms = now_ms;
        }
    }

    /// Whether what the leader would decide by itself had to wait: the log takes nothing, or too much waits already.
    pub(super) fn is_blocked(&self, now_ms: u64) -> bool {
        let silent = now_ms.saturating_sub(self.appending_ms) >= SILENT_MS;
        self.post.is_full() || (self.appending.is_some() && silent)
    }
}

/// What tells the holders of tasks that wait to be accepted of them, as it was when they were given, unless that was
/// before `since`.
fn notices(world: &World, since: Timestamp) -> Vec<Letter> {
    let assigned = world.in_state(TaskState::Assigned);
    let late = assigned.filter(|entry| entry.held_since > since);
    late.filter_map(letter::assignment).collect()
}
