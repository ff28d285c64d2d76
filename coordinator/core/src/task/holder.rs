//! Who may do what to a task, and what that changes.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::TaskAction;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::task::{Task, TaskState};

use super::ask::Ask;
use super::submit::has;
use super::table::{Step, TaskEvent, step};
use crate::fsm::control::may_get;
use crate::log::data::TaskData;
use crate::log::{TaskEntry, World};
use crate::roster::Roster;
use crate::unknown::unknown_agent;

/// What a command comes to, before the table was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// The event of the table.
    pub event: TaskEvent,
    /// What it changes.
    pub data: TaskData,
}

/// What `ask` comes to, if its sender may do that.
///
/// # Errors
/// Why it may not, or what is wrong with what it asks.
pub fn deed(
    (world, roster): (&World, &Roster),
    entry: &TaskEntry,
    ask: &Ask,
    action: &TaskAction,
    claim: bool,
) -> Result<Deed, ErrorDetail> {
    let task = &entry.task;
    let from = &ask.from;
    let operator = *from == AgentId::operator();
    let changes = |event, data| Ok(Deed { event, data });
    match action {
        TaskAction::Accept if claim => {
            let member = roster.member(from).ok_or_else(|| unknown_agent(roster, from))?;
            if !has(member, &task.capabilities) {
                return Err(forbidden(task, from, "does not have its capabilities"));
            }
            may_get(world, entry, from)?;
            changes(TaskEvent::Claim, taken(task, from))
        }
        TaskAction::Cancel { reason } => {
            if !operator && *from != task.submitted_by {
                return Err(forbidden(task, from, "neither submitted it nor is the operator"));
            }
            let data = TaskData {
                reason: Some(reason.clone()),
                failure: Some(reason.clone()),
                ..TaskData::default()
            };
            changes(TaskEvent::Cancel, data)
        }
        TaskAction::Assign { agent, force } => {
            if !operator {
                return Err(forbidden(task, from, "is not the operator"));
            }
            if roster.member(agent).is_none() {
                return Err(unknown_agent(roster, agent));
            }
            may_get(world, entry, agent)?;
            let event = if *force {
                TaskEvent::AssignByForce
            } else {
                TaskEvent::Assign
            };
            changes(event, taken(task, agent))
        }
        TaskAction::Accept
        | TaskAction::Refuse { .. }
        | TaskAction::Progress { .. }
        | TaskAction::Block { .. }
        | TaskAction::Resume
        | TaskAction::Complete { .. }
        | TaskAction::Fail { .. } => {
            if task.assigned_to.as_ref() != Some(from) {
                return Err(forbidden(task, from, "does not hold it"));
            }
            by_holder(task, from, action)
        }
    }
}

fn by_holder(task: &Task, from: &AgentId, action: &TaskAction) -> Result<Deed, ErrorDetail> {
    let mut data = TaskData::default();
    let event = match action {
        TaskAction::Refuse { reason } => {
            data.reason = Some(reason.clone());
            data.attempt = Some(task.attempt.saturating_sub(1));
            data.refused_by = Some(from.clone());
            TaskEvent::Refuse
        }
        TaskAction::Progress { progress, note } => {
            // Where it cannot be told at all, that is what is wrong.
            let goes_on = matches!(step(task.state, TaskEvent::Progress), Step::To(_));
            if goes_on && *progress < task.progress && note.is_none() {
                let message = format!(
                    "progress falls from {} to {} without a note",
                    task.progress.get(),
                    progress.get()
                );
                return Err(ErrorDetail::new(ErrorCode::InvalidMessage, message).hint("say why in `note`"));
            }
            data.progress = Some(*progress);
            data.note.clone_from(note);
            TaskEvent::Progress
        }
        TaskAction::Block { reason } => {
            data.reason = Some(reason.clone());
            TaskEvent::Block
        }
        TaskAction::Complete { result, evidence } => {
            data.result = Some(result.clone());
            data.evidence.clone_from(evidence);
            TaskEvent::Complete
        }
        TaskAction::Fail { error, retryable } => {
            data.failure = Some(error.clone());
            if *retryable && task.attempt < task.max_attempts.get() {
                data.failed_on = Some(from.clone());
                TaskEvent::Retry
            } else {
                TaskEvent::Fail
            }
        }
        TaskAction::Resume => TaskEvent::Resume,
        TaskAction::Accept | TaskAction::Cancel { .. } | TaskAction::Assign { .. } => TaskEvent::Accept,
    };
    Ok(Deed { event, data })
}

/// A new assignment to an agent.
pub fn taken(task: &Task, agent: &AgentId) -> TaskData {
    TaskData {
        epoch: Some(task.epoch + 1),
        attempt: Some(task.attempt + 1),
        assigned_to: Some(agent.clone()),
        ..TaskData::default()
    }
}

pub(super) fn forbidden(task: &Task, from: &AgentId, why: &str) -> ErrorDetail {
    let holder = match (&task.assigned_to, task.state) {
        (Some(agent), _) => format!("; its holder is {agent}"),
        (None, TaskState::Pending) => "; nobody holds it".to_owned(),
        (None, _) => String::new(),
    };
    ErrorDetail::new(
        ErrorCode::Forbidden,
        format!("{from} {why}: task {}{holder}", task.id),
    )
}
