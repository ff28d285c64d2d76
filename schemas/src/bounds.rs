//! Bounds of the parts of tasks and commands (TASKS 1), checked before anything is stored.

use serde::Serialize;
use serde_json::Value;

use crate::command::Command;
use crate::limits::{TASK_PART_BYTES_MAX, TASK_REST_BYTES_MAX};
use crate::task::TaskDraft;

/// A part of a task or a command is longer than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} has {bytes} bytes as JSON, over the bound of {bytes_max}; escaped characters count in full")]
pub struct TooLong {
    /// Which part.
    pub part: &'static str,
    /// How long it is.
    pub bytes: usize,
    /// How long it may be.
    pub bytes_max: usize,
}

impl TaskDraft {
    /// Whether each part is within its bound.
    ///
    /// # Errors
    /// The part that is not.
    pub fn check_bounds(&self) -> Result<(), TooLong> {
        let rest = Self {
            input: Value::Null,
            ..self.clone()
        };
        within("input", encoded(&self.input), TASK_PART_BYTES_MAX)?;
        within("the task without its input", encoded(&rest), TASK_REST_BYTES_MAX)
    }
}

impl Command {
    /// Whether each part is within its bound.
    ///
    /// # Errors
    /// The part that is not.
    pub fn check_bounds(&self) -> Result<(), TooLong> {
        let outcome = [&self.result, &self.evidence];
        let outcome = outcome.into_iter().flatten().map(encoded).sum();
        let rest = Self {
            result: None,
            evidence: None,
            ..self.clone()
        };
        within("the result with its evidence", outcome, TASK_PART_BYTES_MAX)?;
        within(
            "the command without its result",
            encoded(&rest),
            TASK_REST_BYTES_MAX,
        )
    }
}

/// Length as JSON. What cannot be written as JSON is refused where it is written.
fn encoded(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(0, |bytes| bytes.len())
}

const fn within(part: &'static str, bytes: usize, bytes_max: usize) -> Result<(), TooLong> {
    if bytes <= bytes_max {
        Ok(())
    } else {
        Err(TooLong {
            part,
            bytes,
            bytes_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(input: usize, note: usize) -> TaskDraft {
        let mut draft = TaskDraft::titled("work".parse().unwrap());
        draft.input = "x".repeat(input).into();
        draft.metadata.insert("note".into(), "y".repeat(note).into());
        draft
    }

    #[test]
    fn each_part_has_its_own_bound() {
        let quotes = 2;
        assert_eq!(draft(TASK_PART_BYTES_MAX - quotes, 30_000).check_bounds(), Ok(()));
        let long = draft(TASK_PART_BYTES_MAX - quotes + 1, 0).check_bounds();
        assert_eq!(long.unwrap_err().part, "input");
        let long = draft(0, TASK_REST_BYTES_MAX).check_bounds();
        assert_eq!(long.unwrap_err().part, "the task without its input");
        let mut command = Command {
            result: Some("x".repeat(50_000).into()),
            evidence: Some("y".repeat(TASK_PART_BYTES_MAX - 50_004).into()),
            note: Some("z".repeat(30_000)),
            ..Command::default()
        };
        assert_eq!(command.check_bounds(), Ok(()));
        command.evidence = Some("y".repeat(TASK_PART_BYTES_MAX - 50_003).into());
        assert_eq!(
            command.check_bounds().unwrap_err().part,
            "the result with its evidence"
        );
        command = Command {
            reason: Some("z".repeat(TASK_REST_BYTES_MAX)),
            ..Command::default()
        };
        assert_eq!(command.check_bounds().unwrap_err().bytes_max, TASK_REST_BYTES_MAX);
    }
}
