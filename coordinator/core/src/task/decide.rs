//! A command to the event that decides it. Every command becomes one, the refused ones too: no successor decides it again.

use wagglebus_schemas::command::TaskAction;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Hive, Id, TaskDraft};

use super::ask::{Ask, Asked};
use super::configure;
use super::holder::{self, Deed};
use super::scribe::{Line, Scribe};
use super::submit::{self, Submission};
use super::table::{Step, TaskEvent, step};
use crate::lead::round;
use crate::log::data::{FollowKind, ReleaseReason, TaskData};
use crate::log::{TaskEntry, World};
use crate::reserve;
use crate::roster::Roster;

/// Decides a command.
pub fn decide(world: &World, roster: &Roster, ask: &Ask, scribe: &mut Scribe<'_>) -> Event {
    let decided = match &ask.asked {
        Ok(Asked::Submit(draft)) => return submitted(world, roster, ask, draft, scribe),
        Ok(Asked::About { task, epoch, action }) => match world.task(task) {
            Some(entry) => about((world, roster), entry, ask, (*epoch, action), scribe),
            None => Err(unknown(world, task)),
        },
        Ok(Asked::Strategy(strategy)) => return configure::decide(world, ask, *strategy, scribe),
        // What is about agents is decided elsewhere.
        Ok(Asked::Control { .. }) => Err(ErrorDetail::new(ErrorCode::InvalidMessage, "it is about no task")),
        Err(error) => Err(error.clone()),
    };
    decided.unwrap_or_else(|error| refused(world, ask, error, scribe))
}

fn submitted(world: &World, roster: &Roster, ask: &Ask, draft: &TaskDraft, scribe: &mut Scribe<'_>) -> Event {
    // A submission without a readable id was refused when it was read.
    let Some(id) = ask.id else {
        return refused(
            world,
            ask,
            ErrorDetail::new(ErrorCode::InvalidMessage, "no id"),
            scribe,
        );
    };
    let known = world.task(&id);
    let (to, data) = match submit::judge(world, roster, (&ask.from, id, scribe.at), draft) {
        Ok(Submission::New(state)) => {
            let draft = TaskDraft {
                // The event's own head says it.
                id: None,
                ..draft.clone()
            };
            let data = TaskData {
                draft: Some(draft),
                ..answered(ask, scribe)
            };
            (state, data)
        }
        Ok(Submission::Known) => {
            let state = known.map_or(TaskState::Pending, |entry| entry.task.state);
            (state, answered(ask, scribe))
        }
        Err(error) => return refused(world, ask, error, scribe),
    };
    let line = Line {
        task: id.to_string(),
        seq: known.map_or(1, |entry| entry.seq + 1),
        from: known.map(|entry| entry.task.state),
        to: Some(to),
        event: "submit",
        guard: None,
        actor: &ask.from,
        cause: ask.cause(scribe.hive),
    };
    scribe.event(line, &data)
}

/// A verb about a task that exists, in the order of checks of TASKS 2.
fn about(
    (world, roster): (&World, &Roster),
    entry: &TaskEntry,
    ask: &Ask,
    (epoch, action): (Option<u64>, &TaskAction),
    scribe: &mut Scribe<'_>,
) -> Result<Event, ErrorDetail> {
    let task = &entry.task;
    let claim = matches!(action, TaskAction::Accept) && epoch.is_none();
    if let Some(spoken) = epoch
        && (spoken != task.epoch || matches!(task.state, TaskState::Pending | TaskState::WaitingDependency))
    {
        return Err(stale(entry, spoken));
    }
    let deed = holder::deed((world, roster), entry, ask, action, claim)?;
    match step(task.state, deed.event) {
        Step::Illegal => Err(illegal(entry, deed.event)),
        Step::Unchanged => {
            let data = answered(ask, scribe);
            Ok(scribe.event(line(entry, ask, task.state, deed.event, scribe.hive), &data))
        }
        Step::To(to) => {
            room(world, roster, entry, &deed)?;
            let line = line(entry, ask, to, deed.event, scribe.hive);
            let mut data = with_follows(entry, ask, to, deed, scribe);
            // Whoever decides by hand is told apart from the strategy.
            if let Some(agent) = data.assigned_to.clone() {
                let by = (&ask.from, &agent);
                data.explanation = round::overridden((world, roster), scribe.at, entry, by);
            }
            Ok(scribe.event(line, &data))
        }
    }
}

/// Whether the agent has room for the task beside what it holds. Force takes no account of it.
fn room(world: &World, roster: &Roster, entry: &TaskEntry, deed: &Deed) -> Result<(), ErrorDetail> {
    if !matches!(deed.event, TaskEvent::Claim | TaskEvent::Assign) {
        return Ok(());
    }
    let member = deed
        .data
        .assigned_to
        .as_ref()
        .and_then(|agent| roster.member(agent));
    let Some(member) = member else { return Ok(()) };
    let lacking = reserve::lacking(world, member, &entry.task);
    if lacking.is_empty() {
        return Ok(());
    }
    let hint = if deed.event == TaskEvent::Assign {
        "by force it is assigned all the same"
    } else {
        "complete or give back what it holds, or restart it with more resources"
    };
    let message = format!("{} {}", member.agent(), lacking.join("; "));
    Err(ErrorDetail::new(ErrorCode::Forbidden, message)
        .hint(hint)
        .details(serde_json::json!({ "agent": member.agent(), "lacking": lacking })))
}

fn line<'a>(entry: &TaskEntry, ask: &'a Ask, to: TaskState, event: TaskEvent, hive: &Hive) -> Line<'a> {
    Line {
        task: entry.task.id.to_string(),
        seq: entry.seq + 1,
        from: Some(entry.task.state),
        to: Some(to),
        event: event.as_str(),
        guard: event.guard(),
        actor: &ask.from,
        cause: ask.cause(hive),
    }
}

fn with_follows(
    entry: &TaskEntry,
    ask: &Ask,
    to: TaskState,
    deed: Deed,
    scribe: &mut Scribe<'_>,
) -> TaskData {
    let mut data = TaskData {
        follows: answered(ask, scribe).follows,
        ..deed.data
    };
    let former = entry.task.assigned_to.as_ref();
    if let Some(former) = former.filter(|_| entry.task.state.is_held()) {
        let forced = (deed.event == TaskEvent::AssignByForce).then_some(ReleaseReason::Forced);
        let cancelled = (deed.event == TaskEvent::Cancel).then_some(ReleaseReason::Cancelled);
        if let Some(reason) = forced.or(cancelled) {
            data.released = Some((former.clone(), reason));
            data.follows.push(scribe.follow(FollowKind::Released, former));
        }
    }
    if let Some(next) = data.assigned_to.clone().filter(|_| to == TaskState::Assigned) {
        data.follows.push(scribe.follow(FollowKind::Assigned, &next));
    }
    if to.is_terminal() {
        data.follows
            .push(scribe.follow(FollowKind::Ended, &entry.task.submitted_by));
    }
    data
}

/// The data of a command that is done: its sender gets a verdict.
fn answered(ask: &Ask, scribe: &mut Scribe<'_>) -> TaskData {
    let mut data = TaskData::default();
    if ask.id.is_some() {
        data.follows.push(scribe.follow(FollowKind::Verdict, &ask.from));
    }
    data
}

fn refused(world: &World, ask: &Ask, error: ErrorDetail, scribe: &mut Scribe<'_>) -> Event {
    let task = match &ask.asked {
        Ok(Asked::About { task, .. }) => Some(*task),
        Ok(Asked::Submit(_) | Asked::Control { .. } | Asked::Strategy(_)) | Err(_) => ask.id,
    };
    let entry = task.and_then(|id| world.task(&id));
    let state = entry.map(|entry| entry.task.state);
    let line = Line {
        task: task.map_or_else(|| format!("command {}", ask.seq), |id| id.to_string()),
        seq: entry.map_or(0, |entry| entry.seq + 1),
        from: state,
        to: state,
        event: "refused",
        guard: None,
        actor: &ask.from,
        cause: ask.cause(scribe.hive),
    };
    let data = TaskData {
        error: Some(error),
        ..answered(ask, scribe)
    };
    scribe.event(line, &data)
}

pub(super) fn unknown(world: &World, task: &Id) -> ErrorDetail {
    if let Some(known) = world.gone(task) {
        return submit::gone(task, known);
    }
    ErrorDetail::new(ErrorCode::NotFound, format!("there is no task {task}"))
        .hint("`wagglebus task ls` lists all")
}

pub(super) fn stale(entry: &TaskEntry, spoken: u64) -> ErrorDetail {
    let task = &entry.task;
    let message = format!(
        "assignment {spoken} of task {} is over: it is {} at assignment {}",
        task.id, task.state, task.epoch
    );
    ErrorDetail::new(ErrorCode::StaleEpoch, message)
        .hint("what you did for it does not count any more")
        .details(
            serde_json::json!({ "epoch": task.epoch, "state": task.state, "assigned_to": task.assigned_to }),
        )
}

pub(super) fn illegal(entry: &TaskEntry, event: TaskEvent) -> ErrorDetail {
    let task = &entry.task;
    let holder = |agent: &AgentId| format!(" (holder: {agent})");
    let message = format!(
        "{} is not possible: task {} is {}{}",
        event.as_str(),
        task.id,
        task.state,
        task.assigned_to.as_ref().map(holder).unwrap_or_default()
    );
    ErrorDetail::new(ErrorCode::IllegalTransition, message).details(
        serde_json::json!({ "state": task.state, "epoch": task.epoch, "assigned_to": task.assigned_to }),
    )
}
