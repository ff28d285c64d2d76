//! What the leader does to tasks by itself: when what they wait for is there, when their agent is gone or silent, and
//! when there is somebody for them.

use serde_json::Value;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::event::{Cause, CauseType, Event};
use wagglebus_schemas::task::TaskState;

use super::holder::taken;
use super::scribe::{Line, Scribe};
use super::table::{Step, TaskEvent, step};
use crate::log::data::{FollowKind, ReleaseReason, TaskData};
use crate::log::{TaskEntry, World};

/// The event of a task whose dependencies have been settled, if they have.
pub fn ready(world: &World, entry: &TaskEntry, scribe: &mut Scribe<'_>) -> Option<Event> {
    if entry.task.state != TaskState::WaitingDependency {
        return None;
    }
    let mut all_done = true;
    for id in &entry.task.depends_on {
        match world.state_of(id) {
            Some(TaskState::Completed) => {}
            Some(TaskState::Failed | TaskState::Cancelled) => {
                let mut data = TaskData {
                    failure: Some("dependency_failed".to_owned()),
                    reason: Some(format!("task {id} was not completed")),
                    ..TaskData::default()
                };
                data.follows
                    .push(scribe.follow(FollowKind::Ended, &entry.task.submitted_by));
                return by_leader(
                    entry,
                    TaskEvent::DependencyFailed,
                    CauseType::Leader,
                    data,
                    scribe,
                );
            }
            Some(_) | None => all_done = false,
        }
    }
    let data = TaskData::default();
    all_done
        .then(|| by_leader(entry, TaskEvent::Ready, CauseType::Leader, data, scribe))
        .flatten()
}

/// Gives a waiting task to an agent.
pub fn assign(
    entry: &TaskEntry,
    agent: &AgentId,
    explanation: Option<Value>,
    scribe: &mut Scribe<'_>,
) -> Option<Event> {
    let mut data = TaskData {
        explanation,
        ..taken(&entry.task, agent)
    };
    data.follows.push(scribe.follow(FollowKind::Assigned, agent));
    by_leader(entry, TaskEvent::Assign, CauseType::Leader, data, scribe)
}

/// What a holder fails in, so that the leader takes its task from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It is gone.
    Lost,
    /// It did not accept in time.
    Timeout,
}

/// Takes a task from its holder.
pub fn release(entry: &TaskEntry, failing: Failing, scribe: &mut Scribe<'_>) -> Option<Event> {
    let task = &entry.task;
    let holder = task.assigned_to.clone()?;
    let (reason, cause, word) = match failing {
        Failing::Lost => (ReleaseReason::Lost, CauseType::Heartbeat, "was lost"),
        Failing::Timeout => (
            ReleaseReason::Timeout,
            CauseType::Timer,
            "did not accept it in time",
        ),
    };
    let event = if task.attempt < task.max_attempts.get() {
        TaskEvent::Release
    } else {
        TaskEvent::GiveUp
    };
    let mut data = TaskData {
        failure: Some(format!("{holder} {word}")),
        failed_on: Some(holder.clone()),
        released: Some((holder.clone(), reason)),
        ..TaskData::default()
    };
    data.follows.push(scribe.follow(FollowKind::Released, &holder));
    if event == TaskEvent::GiveUp {
        data.follows
            .push(scribe.follow(FollowKind::Ended, &task.submitted_by));
    }
    by_leader(entry, event, cause, data, scribe)
}

/// The holder took the task on, as a sign of its sidecar shows.
pub fn accepted(entry: &TaskEntry, cause: Cause, scribe: &mut Scribe<'_>) -> Option<Event> {
    let holder = entry.task.assigned_to.clone()?;
    let Step::To(to) = step(entry.task.state, TaskEvent::Accept) else {
        return None;
    };
    let line = Line {
        actor: &holder,
        ..line(entry, to, TaskEvent::Accept, cause, &holder)
    };
    Some(scribe.event(line, &TaskData::default()))
}

fn by_leader(
    entry: &TaskEntry,
    event: TaskEvent,
    kind: CauseType,
    data: TaskData,
    scribe: &mut Scribe<'_>,
) -> Option<Event> {
    let Step::To(to) = step(entry.task.state, event) else {
        return None;
    };
    let cause = Cause {
        kind,
        id: None,
        stream: None,
        seq: None,
    };
    let leader = AgentId::coordinator();
    Some(scribe.event(line(entry, to, event, cause, &leader), &data))
}

fn line<'a>(
    entry: &TaskEntry,
    to: TaskState,
    event: TaskEvent,
    cause: Cause,
    actor: &'a AgentId,
) -> Line<'a> {
    Line {
        task: entry.task.id.to_string(),
        seq: entry.seq + 1,
        from: Some(entry.task.state),
        to: Some(to),
        event: event.as_str(),
        guard: event.guard(),
        actor,
        cause,
    }
}
