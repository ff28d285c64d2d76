//! What happened in a run: the log, the commands, and what each agent and submitter did and was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id};

/// Everything that a run is judged by.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Who can do what.
    pub(super) able: BTreeMap<AgentId, BTreeSet<CapabilityName>>,
    /// What was submitted.
    pub(super) submitted: Vec<Submitted>,
    /// The log, line by line.
    pub(super) lines: Vec<Line>,
    /// The commands, in the order of their stream.
    pub(super) commands: Vec<CommandLine>,
    /// What agents said of tasks.
    pub(super) deeds: Vec<Deed>,
    /// Ends of tasks that their submitters were told of: the task, and the notice's id.
    pub(super) told: Vec<(Id, Id)>,
    /// What was struck.
    pub(super) faults: Vec<Fault>,
}

/// A task as it was submitted.
#[derive(Debug, Clone)]
pub(super) struct Submitted {
    pub(super) id: Id,
    pub(super) capabilities: Vec<CapabilityName>,
    pub(super) depends_on: Vec<Id>,
}

/// A line of the log.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its place.
    pub(super) seq: u64,
    /// When the server stored it, in milliseconds since 1970.
    pub(super) stored_ms: u64,
    pub(super) event: Event,
}

/// A command as it lies in its stream.
#[derive(Debug, Clone)]
pub(super) struct CommandLine {
    pub(super) seq: u64,
    pub(super) verb: TaskVerb,
    pub(super) from: AgentId,
    pub(super) body: Value,
}

/// What an agent said of a task.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    pub(super) agent: AgentId,
    pub(super) task: Id,
    /// As which assignment.
    pub(super) epoch: Option<u64>,
    /// By which verb; none: by a reply to its assignment.
    pub(super) verb: Option<TaskVerb>,
    pub(super) result: Value,
    pub(super) answer: Answer,
}

/// What it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing, or nothing yet.
    None,
    /// The task after it.
    Done { state: TaskState },
    /// No.
    Refused(ErrorCode),
}

/// Something that was struck.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) on: On,
    /// Killed, else stopped.
    pub(super) killed: bool,
}

/// What was struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum On {
    Leader,
    Standby,
    Agent(AgentId),
}

/// What is written down while the run goes on; shared by all.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    deeds: Vec<Deed>,
    told: Vec<(Id, Id)>,
    submitted: Vec<Submitted>,
    faults: Vec<Fault>,
    odd: Vec<String>,
}

impl Book {
    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is about to be said; returns where the answer belongs.
    pub(super) fn says(&self, deed: Deed) -> usize {
        let mut entries = self.entries();
        entries.deeds.push(deed);
        entries.deeds.len() - 1
    }

    /// It was answered.
    pub(super) fn answered(&self, place: usize, answer: Answer) {
        if let Some(deed) = self.entries().deeds.get_mut(place) {
            deed.answer = answer;
        }
    }

    /// A submitter is told of an end.
    pub(super) fn told(&self, task: Id, notice: Id) {
        self.entries().told.push((task, notice));
    }

    /// How many different tasks' ends were told.
    pub(super) fn ends_told(&self) -> usize {
        let ids: BTreeSet<Id> = self.entries().told.iter().map(|(task, _)| *task).collect();
        ids.len()
    }

    /// A task is about to be submitted.
    pub(super) fn submits(&self, task: Submitted) {
        self.entries().submitted.push(task);
    }

    /// One of the tasks so far; none before the first.
    pub(super) fn some_task(&self, chance: u64) -> Option<Id> {
        let entries = self.entries();
        let at = chance.checked_rem(entries.submitted.len() as u64)?;
        entries
            .submitted
            .get(usize::try_from(at).ok()?)
            .map(|task| task.id)
    }

    /// Something was struck.
    pub(super) fn struck(&self, fault: Fault) {
        self.entries().faults.push(fault);
    }

    /// Something that must not happen.
    pub(super) fn odd(&self, what: String) {
        self.entries().odd.push(what);
    }

    /// Moves everything that was written down into the facts, and returns what must not have happened.
    pub(super) fn close(&self, facts: &mut Facts) -> Vec<String> {
        let entries = std::mem::take(&mut *self.entries());
        facts.deeds = entries.deeds;
        facts.told = entries.told;
        facts.submitted = entries.submitted;
        facts.faults = entries.faults;
        entries.odd
    }
}

/// The time by the system's clock, which the server's stamps are compared with.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
