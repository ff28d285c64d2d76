//! The judge's own account of one task, by its own table of TASKS 2.

use serde_json::Value;
use wagglebus_schemas::event::{CauseType, Event};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use super::facts::CommandLine;

use TaskState as S;

const HELD: &[TaskState] = &[S::Assigned, S::InProgress, S::Blocked];
const BEGUN: &[TaskState] = &[S::Assigned, S::InProgress];

/// Event, from, to.
const MOVES: [(&str, &[TaskState], TaskState); 16] = [
    ("ready", &[S::WaitingDependency], S::Pending),
    ("ready", &[S::WaitingDependency], S::Failed),
    ("assign", &[S::Pending], S::Assigned),
    ("accept", &[S::Assigned], S::InProgress),
    ("accept", &[S::Pending], S::InProgress),
    ("refuse", BEGUN, S::Pending),
    ("progress", BEGUN, S::InProgress),
    ("block", BEGUN, S::Blocked),
    ("resume", &[S::Blocked], S::InProgress),
    ("complete", HELD, S::Completed),
    ("fail", HELD, S::Failed),
    ("fail", HELD, S::Pending),
    ("release", HELD, S::Pending),
    ("release", HELD, S::Failed),
    ("cancel", &[S::Pending, S::WaitingDependency], S::Cancelled),
    ("cancel", HELD, S::Cancelled),
];

/// Who completed it, as which assignment, with what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completion {
    pub(super) by: AgentId,
    pub(super) epoch: u64,
    pub(super) result: Value,
}

/// A task.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) state: TaskState,
    pub(super) holder: Option<AgentId>,
    pub(super) epoch: u64,
    pub(super) submitter: AgentId,
    pub(super) completed: Option<Completion>,
    /// Number of its last event.
    seq: u64,
}

/// What an event of a task did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// Nothing: it was refused, or had happened already.
    Nothing,
    /// The task was given to its holder.
    Given,
    /// The task moved.
    Moved,
}

impl Account {
    /// From its first event.
    pub(super) fn new(event: &Event) -> Result<Self, String> {
        let state = state(event)?;
        let begins = event.event == "submit" && event.from.is_none() && event.seq == 1;
        if !begins || !matches!(state, S::Pending | S::WaitingDependency) {
            return Err(format!(
                "does not begin with its submission, but with {}",
                told(event)
            ));
        }
        Ok(Self {
            state,
            holder: None,
            epoch: 0,
            submitter: event.actor.clone(),
            completed: None,
            seq: 1,
        })
    }

    /// Lets an event happen. `command` is the command that caused it, if one did.
    pub(super) fn advance(&mut self, event: &Event, command: Option<&CommandLine>) -> Result<Did, String> {
        let to = state(event)?;
        let follows = event.seq == self.seq + 1 && event.from.as_deref() == Some(self.state.as_str());
        if !follows {
            return Err(format!(
                "{} does not follow its event {} in state {}",
                told(event),
                self.seq,
                self.state
            ));
        }
        self.seq = event.seq;
        if event.data.contains_key("error") {
            let same = to == self.state;
            return same
                .then_some(Did::Nothing)
                .ok_or_else(|| format!("moved by a refusal: {}", told(event)));
        }
        let word = event.event.as_str();
        let moves = MOVES
            .iter()
            .any(|(event, from, end)| *event == word && from.contains(&self.state) && *end == to);
        if !moves {
            let repeats = to == self.state && matches!(event.cause.kind, CauseType::Command);
            return repeats
                .then_some(Did::Nothing)
                .ok_or_else(|| format!("{} is no move from {}", told(event), self.state));
        }
        let claims = word == "accept" && self.state == S::Pending;
        if word == "assign" || claims {
            return self.given(event, claims, to);
        }
        if matches!(word, "ready" | "release") {
            if event.actor != AgentId::coordinator() {
                return Err(format!("{}, which only the coordinator may do", told(event)));
            }
        } else if word != "cancel" {
            self.by_its_holder(event, command)?;
        }
        if word == "complete" {
            self.completed = Some(Completion {
                by: event.actor.clone(),
                epoch: self.epoch,
                result: event.data.get("result").cloned().unwrap_or_default(),
            });
        }
        if to == S::Pending {
            self.holder = None;
        }
        self.state = to;
        Ok(Did::Moved)
    }

    fn given(&mut self, event: &Event, claims: bool, to: TaskState) -> Result<Did, String> {
        let number = |name: &str| event.data.get(name).and_then(Value::as_u64);
        let to_whom = event.data.get("assigned_to").and_then(Value::as_str);
        let holder: Option<AgentId> = to_whom.and_then(|name| name.parse().ok());
        if number("epoch") != Some(self.epoch + 1) || holder.is_none() {
            return Err(format!(
                "assignment {:?} comes after {}",
                number("epoch"),
                self.epoch
            ));
        }
        if claims && holder.as_ref() != Some(&event.actor) {
            return Err(format!("{} claimed it for {holder:?}", event.actor));
        }
        self.epoch += 1;
        self.holder = holder;
        self.state = to;
        Ok(Did::Given)
    }

    /// Only the holder moves it, and only in the name of its present assignment.
    fn by_its_holder(&self, event: &Event, command: Option<&CommandLine>) -> Result<(), String> {
        if self.holder.as_ref() != Some(&event.actor) {
            return Err(format!("{} while {:?} holds it", told(event), self.holder));
        }
        let Some(command) = command else { return Ok(()) };
        let epoch = command.body.get("epoch").and_then(Value::as_u64);
        if epoch != Some(self.epoch) {
            return Err(format!(
                "{} was accepted with epoch {epoch:?} while {} is its assignment",
                told(event),
                self.epoch
            ));
        }
        Ok(())
    }
}

fn state(event: &Event) -> Result<TaskState, String> {
    event.to.parse().map_err(|_| format!("has no state {}", event.to))
}

/// An event in words.
pub(super) fn told(event: &Event) -> String {
    format!("{} by {}", event.event, event.actor)
}

/// The task that an event is about.
pub(super) fn task_of(event: &Event) -> Option<Id> {
    event.entity_id.parse().ok()
}
