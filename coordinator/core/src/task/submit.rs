//! A new task: what it must fulfil, and in which state it begins.

use serde_json::json;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id, TaskDraft, Timestamp};

use crate::capability;
use crate::log::World;
use crate::log::retain::Gone;
use crate::roster::{Member, Roster};
use crate::similar::similar;

/// What becomes of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Submission {
    /// It is new, and begins in this state.
    New(TaskState),
    /// The same was submitted before.
    Known,
}

/// Judges a submission (TASKS 2, first row).
///
/// # Errors
/// Why it is refused.
pub fn judge(
    world: &World,
    roster: &Roster,
    (from, id, at): (&AgentId, Id, Timestamp),
    draft: &TaskDraft,
) -> Result<Submission, ErrorDetail> {
    if let Some(known) = world.task(&id) {
        if known.task.submitted_by == *from && known.task.is_of(draft, from) {
            return Ok(Submission::Known);
        }
        let message = format!("another task was submitted under {id}");
        return Err(ErrorDetail::new(ErrorCode::IdempotencyConflict, message).hint("use a fresh id"));
    }
    if let Some(known) = world.gone(&id) {
        return Err(if known.is_of(draft, id, from) {
            gone(&id, known)
        } else {
            let message = format!("another task was submitted under {id}");
            ErrorDetail::new(ErrorCode::IdempotencyConflict, message).hint("use a fresh id")
        });
    }
    if draft.depends_on.contains(&id) {
        return Err(ErrorDetail::new(
            ErrorCode::InvalidMessage,
            "the task depends on itself, so it could never begin",
        )
        .details(json!({ "cycle": [id, id] })));
    }
    if let Some(deadline) = draft.deadline.filter(|deadline| *deadline <= at) {
        let message = format!("the deadline {deadline} is past: it is {at}");
        return Err(ErrorDetail::new(ErrorCode::InvalidMessage, message).hint("give a later one, or none"));
    }
    let unknown: Vec<&Id> = draft
        .depends_on
        .iter()
        .filter(|id| world.state_of(id).is_none())
        .collect();
    if let Some(first) = unknown.first() {
        return Err(ErrorDetail::new(
            ErrorCode::NotFound,
            format!("depends_on names {first}, which is no task"),
        )
        .hint("submit first what it depends on; `wagglebus task ls` lists all")
        .details(json!({ "unknown": unknown })));
    }
    if !draft.park {
        capable(world, roster, &draft.capabilities)?;
    }
    let done = |id: &Id| world.state_of(id) == Some(TaskState::Completed);
    Ok(Submission::New(if draft.depends_on.iter().all(done) {
        TaskState::Pending
    } else {
        TaskState::WaitingDependency
    }))
}

/// What is said of a task of which only is known how it ended.
pub fn gone(id: &Id, gone: &Gone) -> ErrorDetail {
    let Gone { state, at, .. } = gone;
    let message = format!("task {id} is {state} since {at}, and its record is not kept any more");
    ErrorDetail::new(ErrorCode::IllegalTransition, message).details(json!({ "state": state, "ended_at": at }))
}

/// Whether somebody enrolled has each of these capabilities.
fn capable(world: &World, roster: &Roster, wanted: &[CapabilityName]) -> Result<(), ErrorDetail> {
    let awaited = capability::awaited(roster, world.crew());
    let known: Vec<&CapabilityName> = capability::declared(roster).chain(awaited).collect();
    let Some(missing) = wanted.iter().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let similar = similar(missing.as_str(), known.iter().map(|name| name.as_str()));
    let hint = match similar.first() {
        Some(close) => format!("did you mean {close}? With `park` it waits for somebody who can"),
        None => "with `park` it waits for somebody who can".to_owned(),
    };
    Err(
        ErrorDetail::new(ErrorCode::UnknownCapability, format!("nobody can {missing}"))
            .hint(hint)
            .details(json!({ "similar": similar })),
    )
}

/// Whether an agent that is enrolled has all of these capabilities.
pub fn has(member: &Member, wanted: &[CapabilityName]) -> bool {
    let declared = member.capabilities();
    wanted
        .iter()
        .all(|name| declared.iter().any(|declared| declared.name == *name))
}
