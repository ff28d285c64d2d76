//! What a holder says without a command: a reply to its assignment is the result, a receipt for it an acceptance.

use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{Cause, Event};
use wagglebus_schemas::level::{Level, ReceiptLevel};
use wagglebus_schemas::limits::TASK_PART_BYTES_MAX;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id, Message, Timestamp};

use super::decide::{illegal, stale, unknown};
use super::holder::forbidden;
use super::scribe::{Line, Scribe};
use super::table::{Step, TaskEvent, step};
use crate::log::data::{FollowKind, TaskData};
use crate::log::ended::Over;
use crate::log::letter::{self, Letter};
use crate::log::{TaskEntry, World};
use crate::roster::Member;

/// The event of a task whose holder replied to its assignment.
pub fn completed(
    entry: &TaskEntry,
    message: &Message,
    cause: Cause,
    scribe: &mut Scribe<'_>,
) -> Option<Event> {
    let Step::To(to) = step(entry.task.state, TaskEvent::Complete) else {
        return None;
    };
    let mut data = TaskData {
        result: Some(message.content.clone().into()),
        ..TaskData::default()
    };
    data.follows
        .push(scribe.follow(FollowKind::Verdict, &message.from_agent));
    data.follows
        .push(scribe.follow(FollowKind::Ended, &entry.task.submitted_by));
    let line = Line {
        task: entry.task.id.to_string(),
        seq: entry.seq + 1,
        from: Some(entry.task.state),
        to: Some(to),
        event: TaskEvent::Complete.as_str(),
        guard: Some("reply"),
        actor: &message.from_agent,
        cause,
    };
    Some(scribe.event(line, &data))
}

/// Why a reply to this notice is no result, by the order of checks of TASKS 2; `None` where it replies to no assignment
/// that is known, or repeats a result.
pub fn refusal(world: &World, notice: &Id, from: &AgentId) -> Option<ErrorDetail> {
    const WHY: &str = "does not hold it";
    if let Some(held) = world.of_notice(notice) {
        let holds = held.task.assigned_to.as_ref() == Some(from);
        return (!holds).then(|| forbidden(&held.task, from, WHY));
    }
    let Over { task, epoch } = world.ended().get(notice)?;
    let Some(entry) = world.task(&task) else {
        return Some(unknown(world, &task));
    };
    let waits = matches!(
        entry.task.state,
        TaskState::Pending | TaskState::WaitingDependency
    );
    if waits || entry.task.epoch != epoch {
        return Some(stale(entry, epoch));
    }
    if entry.task.assigned_to.as_ref() != Some(from) {
        return Some(forbidden(&entry.task, from, WHY));
    }
    match step(entry.task.state, TaskEvent::Complete) {
        Step::Illegal => Some(illegal(entry, TaskEvent::Complete)),
        Step::Unchanged | Step::To(_) => None,
    }
}

/// The receipt for a message from which nothing follows, or with why nothing does.
pub fn read(message: &Message, error: Option<ErrorDetail>, id: Id, at: Timestamp) -> Option<Letter> {
    letter::receipt(id, (message.from_agent.clone(), message.id), at, None, error)
}

/// Whether a reply is longer than a result may be.
pub fn is_too_long(message: &Message) -> bool {
    // As JSON: escaped characters count in full.
    serde_json::to_vec(&message.content).map_or(usize::MAX, |encoded| encoded.len()) > TASK_PART_BYTES_MAX
}

/// The refusal of such a reply.
pub fn too_long(message: &Message, id: Id, at: Timestamp) -> Option<Letter> {
    let error = ErrorDetail::new(
        ErrorCode::TooLarge,
        format!("a result has at most {TASK_PART_BYTES_MAX} bytes as JSON"),
    )
    .hint("put it where others can read it, and reply with the place");
    letter::receipt(
        id,
        (message.from_agent.clone(), message.id),
        at,
        None,
        Some(error),
    )
}

/// Whether a receipt for an assignment shows that its holder took note: it saw it, or was handed it by a bridge that can
/// prove no more. `None`: only the first heartbeat of the holder will say what this bridge can.
///
/// The bridge of the receipt counts, and not the one that is open by now.
pub fn is_acceptance(level: ReceiptLevel, bridge: Option<Bridge>, holder: Option<&Member>) -> Option<bool> {
    match level {
        ReceiptLevel::Seen | ReceiptLevel::Done => return Some(true),
        ReceiptLevel::Fetched | ReceiptLevel::Held | ReceiptLevel::Dead => return Some(false),
        ReceiptLevel::Injected => {}
    }
    let beat = holder.and_then(Member::heartbeat);
    let proofs = beat.map_or(&[][..], |beat| &beat.bridges[..]).iter();
    let said = proofs.filter(|proof| bridge.is_none_or(|bridge| bridge == proof.name));
    let said = said.map(|proof| proof.proves).max();
    match said.or_else(|| bridge.and_then(Bridge::proves)) {
        Some(best) => Some(best <= Level::Injected),
        None => beat.map(|_| false),
    }
}
