//! Notices: messages of the coordinator about tasks (TASKS 3).

use crate::id::{AgentId, Id};
use crate::message::{Message, metadata};
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a notice tells, the `kind` of its metadata.
    NoticeKind, "notice" {
        /// To the holder: the task is given to it.
        Assigned = "task.assigned",
        /// To the former holder: the task is not its any more.
        Released = "task.released",
        /// To the submitter: the task is done.
        Completed = "task.completed",
        /// To the submitter: the task was given up.
        Failed = "task.failed",
        /// To the submitter: the task was withdrawn.
        Cancelled = "task.cancelled",
    }
}

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// What it tells.
    pub kind: NoticeKind,
    /// The task.
    pub task_id: Id,
    /// The assignment that it is about, where it is about one.
    pub epoch: Option<u64>,
}

impl Notice {
    /// Reads a message as a notice. `None`: it is none, or somebody else than the coordinator wrote it, or it does not name
    /// its task.
    pub fn of(message: &Message) -> Option<Self> {
        if message.from_agent != AgentId::coordinator() {
            return None;
        }
        let text = |key: &str| message.metadata.get(key)?.as_str();
        Some(Self {
            kind: text(metadata::KIND)?.parse().ok()?,
            task_id: text(metadata::TASK_ID)?.parse().ok()?,
            epoch: message
                .metadata
                .get(metadata::EPOCH)
                .and_then(serde_json::Value::as_u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;
    use crate::time::Timestamp;
    use serde_json::json;

    const TASK: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn message(from: &str, kind: &str, task: &str) -> Message {
        let mut draft = Draft::text("bob".parse().unwrap(), "work".to_owned());
        for (key, value) in [
            ("kind", json!(kind)),
            ("task_id", json!(task)),
            ("epoch", json!(4)),
        ] {
            draft.metadata.insert(key.to_owned(), value);
        }
        let at = Timestamp::from_unix_ms(0).unwrap();
        draft.into_message(Id::from_bytes([1; 16]), from.parse().unwrap(), at)
    }

    #[test]
    fn only_the_coordinator_gives_notice() {
        let notice = Notice {
            kind: NoticeKind::Assigned,
            task_id: TASK.parse().unwrap(),
            epoch: Some(4),
        };
        assert_eq!(
            Notice::of(&message("coordinator", "task.assigned", TASK)),
            Some(notice)
        );
        for (from, kind, task) in [
            ("mallory", "task.assigned", TASK),
            ("coordinator", "undeliverable", TASK),
            ("coordinator", "task.assigned", "7"),
        ] {
            assert_eq!(
                Notice::of(&message(from, kind, task)),
                None,
                "{from} {kind} {task}"
            );
        }
    }
}
