//! What is published because of an event: verdicts to those who asked, notices to those whom it concerns (TASKS 3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::notice::NoticeKind;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::{AgentId, Draft, Id, Priority, Recipient, Timestamp};

use super::data::{Follow, FollowKind, TaskData};
use super::entry::TaskEntry;

/// Most bytes of a task's input, as encoded, that the text of its assignment shows; the whole task is in its metadata.
const INPUT_SHOWN_BYTES: usize = 32 * 1024;

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Where.
    #[serde(with = "super::kept::subject")]
    pub subject: Subject,
    /// Its id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// Its CloudEvents type.
    pub event_type: String,
    /// The record: JSON. The fold, what waits for its line and what is being published hold one and the same.
    #[serde(with = "super::kept::text")]
    pub body: Arc<[u8]>,
}

/// The letters of a task's event. `task` is the task after it; without one the event is about no task that exists.
pub fn letters(event: &Event, data: &TaskData, task: Option<&Task>) -> Vec<Letter> {
    let letter = |follow: &Follow| match follow.kind {
        FollowKind::Verdict => verdict(event, data, task, follow),
        FollowKind::Assigned => assigned(event.at, task?, follow),
        FollowKind::Released => released(event, data, task?, follow),
        FollowKind::Ended => ended(event, task?, follow),
        FollowKind::Control => None,
    };
    data.follows.iter().filter_map(letter).collect()
}

fn verdict(event: &Event, data: &TaskData, task: Option<&Task>, follow: &Follow) -> Option<Letter> {
    let result = task
        .filter(|_| data.error.is_none())
        .and_then(|task| serde_json::to_value(task).ok());
    let about = (follow.to.clone(), event.cause.id?);
    receipt(follow.id, about, event.at, result, data.error.clone())
}

/// A receipt of the coordinator about what somebody sent it: done, or dead when there is an error.
pub fn receipt(
    id: Id,
    sent: (AgentId, Id),
    at: Timestamp,
    result: Option<Value>,
    error: Option<ErrorDetail>,
) -> Option<Letter> {
    let outcome = error.map_or(Ok(result), Err);
    of_receipt(&Receipt::verdict(id, sent, outcome, at))
}

/// A receipt of the coordinator, to whoever it is for.
pub(crate) fn of_receipt(receipt: &Receipt) -> Option<Letter> {
    let subject = Subject::Receipt {
        to: receipt.sender.clone(),
        level: receipt.level,
        from: AgentId::coordinator(),
    };
    let event_type = "io.wagglebus.receipt.v1.receipt".to_owned();
    encode(subject, receipt.id, event_type, receipt)
}

/// The notice of the assignment that a task waits to be accepted of, as it was when that was decided.
pub(crate) fn assignment(entry: &TaskEntry) -> Option<Letter> {
    let follow = Follow {
        kind: FollowKind::Assigned,
        id: entry.notice?,
        to: entry.task.assigned_to.clone()?,
    };
    assigned(entry.held_since, &entry.task, &follow)
}

fn assigned(at: Timestamp, task: &Task, follow: &Follow) -> Option<Letter> {
    let input = match &task.input {
        Value::Null => String::new(),
        Value::String(text) => format!("\n\n{}", shown(text)),
        data @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            format!("\n\n{}", shown(&data.to_string()))
        }
    };
    let content = format!(
        "{title}{input}\n\nReply to this message with the result; or say more with: \
         wagglebus task accept|progress|block|complete|fail|refuse {id}",
        title = task.title.as_str(),
        id = task.id,
    );
    let more = json!({ "task_id": task.id, "epoch": task.epoch, "task": task });
    let draft = Notice {
        kind: NoticeKind::Assigned,
        message_type: MessageType::Task,
        priority: task.priority,
        content,
        more,
    };
    draft.letter(at, task, follow)
}

fn released(event: &Event, data: &TaskData, task: &Task, follow: &Follow) -> Option<Letter> {
    let (_, reason) = data.released.as_ref()?;
    let reason = reason.as_str();
    // The epoch that the former holder had: a forced assignment has a new one.
    let epoch = if data.epoch.is_some() {
        task.epoch.saturating_sub(1)
    } else {
        task.epoch
    };
    let draft = Notice {
        kind: NoticeKind::Released,
        message_type: MessageType::Status,
        priority: Priority::Urgent,
        content: format!("{} is not yours any more: {reason}", task.title.as_str()),
        more: json!({ "task_id": task.id, "epoch": epoch, "reason": reason }),
    };
    draft.letter(event.at, task, follow)
}

fn ended(event: &Event, task: &Task, follow: &Follow) -> Option<Letter> {
    let (kind, content) = match task.state {
        TaskState::Completed => (
            NoticeKind::Completed,
            format!("{} is completed", task.title.as_str()),
        ),
        TaskState::Failed => {
            let why = task.error.as_deref().unwrap_or("no reason was given");
            (
                NoticeKind::Failed,
                format!("{} failed: {why}", task.title.as_str()),
            )
        }
        TaskState::Cancelled => (
            NoticeKind::Cancelled,
            format!("{} was cancelled", task.title.as_str()),
        ),
        TaskState::Pending
        | TaskState::WaitingDependency
        | TaskState::Assigned
        | TaskState::InProgress
        | TaskState::Blocked => return None,
    };
    let draft = Notice {
        kind,
        message_type: MessageType::Status,
        priority: task.priority,
        content,
        more: json!({ "task_id": task.id, "task": task }),
    };
    draft.letter(event.at, task, follow)
}

/// A message of the coordinator about a task.
struct Notice {
    kind: NoticeKind,
    message_type: MessageType,
    priority: Priority,
    content: String,
    more: Value,
}

impl Notice {
    fn letter(self, at: Timestamp, task: &Task, follow: &Follow) -> Option<Letter> {
        let mut data = Map::from_iter([(metadata::KIND.to_owned(), Value::from(self.kind.as_str()))]);
        if let Value::Object(more) = self.more {
            data.extend(more);
        }
        let draft = Draft {
            priority: self.priority,
            message_type: self.message_type,
            // All that is said of a task is one conversation.
            conversation_id: Some(task.id),
            metadata: data,
            ..Draft::text(Recipient::from(follow.to.clone()), self.content)
        };
        let message = draft.into_message(follow.id, AgentId::coordinator(), at);
        let subject = Subject::Message {
            to: follow.to.clone(),
            priority: self.priority,
            from: AgentId::coordinator(),
        };
        encode(subject, follow.id, message.event_type(), &message)
    }
}

/// The beginning of an input, cut between two characters. What counts is its length as JSON, since the message has a bound.
fn shown(text: &str) -> String {
    let mut bytes = 0;
    let beyond = text.char_indices().find(|(_, c)| {
        bytes += encoded_len(*c);
        bytes > INPUT_SHOWN_BYTES
    });
    let Some((end, _)) = beyond else {
        return text.to_owned();
    };
    format!(
        "{}… ({} bytes; the whole input is in metadata.task.input)",
        text.get(..end).unwrap_or_default(),
        text.len()
    )
}

/// Length of a character in a JSON text.
const fn encoded_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// A letter with this record.
pub(crate) fn encode<T: Serialize>(
    subject: Subject,
    id: Id,
    event_type: String,
    record: &T,
) -> Option<Letter> {
    let body = serde_json::to_vec(record).ok()?.into();
    Some(Letter {
        subject,
        id,
        event_type,
        body,
    })
}
