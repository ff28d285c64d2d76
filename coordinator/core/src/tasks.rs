//! Questions about tasks: lists, one task, and why it went to whom.

use serde_json::Value;
use wagglebus_schemas::Id;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::task_api::{Explanation, TaskRequest, TasksRequest};

use crate::api::Known;
use crate::attention::Now;
use crate::lead::{Lead, round};
use crate::log::{TaskEntry, World};
use crate::query::{fill, limit};
use crate::task::submit;

/// One page, the latest first: ids that we make rise with time. Its cursor is the id of its last task.
pub(crate) fn list(lead: &Lead, query: &TasksRequest) -> Result<Page<Task>, ErrorDetail> {
    ready(lead)?;
    let limit = limit(query.limit)?;
    let before: Id = match &query.cursor {
        Some(cursor) => cursor.parse().map_err(|_| {
            let message = format!("{cursor:?} is no cursor of this list: use next_cursor of the page before");
            ErrorDetail::new(ErrorCode::InvalidQuery, message)
        })?,
        None => Id::from_bytes([0xff; 16]),
    };
    let world = lead.world();
    let entries: Box<dyn Iterator<Item = &TaskEntry>> = match (&query.agent, query.state) {
        (Some(agent), _) => Box::new(world.tasks_about(agent, &before)),
        (None, Some(state)) => Box::new(world.tasks_in(state, &before)),
        (None, None) => Box::new(world.tasks_before(&before)),
    };
    let wanted = |entry: &&TaskEntry| {
        let task = &entry.task;
        query.state.is_none_or(|state| state == task.state)
    };
    let (items, more) = fill(entries.filter(wanted).map(|entry| entry.task.clone()), limit);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Page { items, next_cursor })
}

/// One task.
pub(crate) fn task<'l>(lead: &'l Lead, query: &TaskRequest) -> Result<&'l TaskEntry, ErrorDetail> {
    ready(lead)?;
    lead.world()
        .task(&query.id)
        .ok_or_else(|| not_found(lead.world(), &query.id))
}

/// What is said of a task of which there is no record.
pub(crate) fn not_found(world: &World, id: &Id) -> ErrorDetail {
    match world.gone(id) {
        Some(known) => {
            let said = submit::gone(id, known);
            let hint = format!("`nats --context wagglebus kv get WB_tasks {id} --raw` may still have it");
            ErrorDetail {
                code: ErrorCode::NotFound,
                ..said
            }
            .hint(hint)
        }
        None => ErrorDetail::new(ErrorCode::NotFound, format!("there is no task {id}"))
            .hint("`wagglebus task ls` lists all"),
    }
}

/// Why a task went to whom, as it was when that was decided; of a task that waits, how everybody looks for it now. `chosen`
/// is null while nobody was chosen.
pub(crate) fn explanation(known: Known<'_>, query: &TaskRequest, now: Now) -> Result<Value, ErrorDetail> {
    let Known { roster, lead, .. } = known;
    let entry = task(lead, query)?;
    let waits = matches!(
        entry.task.state,
        TaskState::Pending | TaskState::WaitingDependency
    );
    let stored = entry.explanation.as_ref().filter(|_| !waits);
    if let Some(stored) = stored {
        return Ok(stored.value());
    }
    let world = lead.world();
    let mut explanation = if waits {
        round::explain(world, roster, now.wall.max(world.at()), entry)
    } else {
        Explanation {
            task_id: entry.task.id,
            strategy: entry.task.strategy.unwrap_or(world.settings().strategy()),
            candidates: Vec::new(),
            chosen: None,
            overridden: None,
        }
    };
    explanation.chosen.clone_from(&entry.task.assigned_to);
    serde_json::to_value(explanation).map_err(|error| {
        ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            format!("the answer cannot be encoded: {error}"),
        )
    })
}

pub(crate) fn ready(lead: &Lead) -> Result<(), ErrorDetail> {
    if lead.is_caught_up() {
        return Ok(());
    }
    if let Some((first, last)) = lead.missing() {
        let message = format!(
            "lines {first} to {last} of the hive's log are gone, and no snapshot that this coordinator can read tells of \
             them: it neither leads nor answers about tasks"
        );
        let error = ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message);
        return Err(error.hint(
            "a coordinator of the release that wrote the snapshots can read them; to go on without those lines: \
             `wagglebus coordinator rebuild --accept-loss`",
        ));
    }
    let error = ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        "the coordinator is still reading its log",
    );
    Err(error.retry_after_ms(500))
}
