//! Writes events: the one place where a line of the log is put together.

use wagglebus_schemas::event::{Cause, Event, EventKind};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp};

use crate::fsm::write::Because;
use crate::log::crew::MachineData;
use crate::log::data::{Follow, FollowKind, TaskData, object};

/// A source of fresh record ids (UUID version 7).
pub trait FreshIds {
    /// An id that was never used.
    fn fresh(&mut self) -> Id;
}

/// Who writes: the hive, the time of the decision, and ids for what is written.
pub struct Scribe<'a> {
    /// Whose log.
    pub hive: &'a Hive,
    /// When it is decided; never before the last event.
    pub at: Timestamp,
    /// Fresh ids.
    pub ids: &'a mut dyn FreshIds,
}

impl std::fmt::Debug for Scribe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The head of a task's event.
#[derive(Debug)]
pub struct Line<'a> {
    /// Which task: its id, or what was given for one.
    pub task: String,
    /// Number of the event among those of the task; 0 where there is no task.
    pub seq: u64,
    /// The state before.
    pub from: Option<TaskState>,
    /// The state after; `None` where there is no task.
    pub to: Option<TaskState>,
    /// What happened.
    pub event: &'static str,
    /// What had to hold.
    pub guard: Option<&'static str>,
    /// Who made it happen.
    pub actor: &'a AgentId,
    /// By what.
    pub cause: Cause,
}

impl Scribe<'_> {
    /// A record that is to follow from an event.
    pub fn follow(&mut self, kind: FollowKind, to: &AgentId) -> Follow {
        Follow {
            kind,
            id: self.ids.fresh(),
            to: to.clone(),
        }
    }

    /// An event of another machine than a task's: of what, its number, its states, its word and guard.
    pub fn machine_event(
        &mut self,
        (entity, entity_id): (EventKind, String),
        seq: u64,
        (from, to): (Option<String>, String),
        (word, guard): (&str, Option<&str>),
        because: Because,
        data: &MachineData,
    ) -> Event {
        Event {
            id: self.ids.fresh(),
            entity,
            entity_id,
            seq,
            from,
            to,
            event: word.to_owned(),
            actor: because.actor,
            cause: because.cause,
            guard: guard.map(str::to_owned),
            at: self.at,
            data: object(data),
        }
    }

    /// An event of a task.
    pub fn event(&mut self, line: Line<'_>, data: &TaskData) -> Event {
        Event {
            id: self.ids.fresh(),
            entity: EventKind::Task,
            entity_id: line.task,
            seq: line.seq,
            from: line.from.map(|state| state.to_string()),
            to: line
                .to
                .map_or_else(|| "none".to_owned(), |state| state.to_string()),
            event: line.event.to_owned(),
            actor: line.actor.clone(),
            cause: line.cause,
            guard: line.guard.map(str::to_owned),
            at: self.at,
            data: data.encode(),
        }
    }
}
