//! Bounds of the parts of tasks and commands (TASKS 1), checked before anything is stored.

use serde::Serialize;
use serde_json::Value;

use crate::command::Command;
use crate::limits::{TASK_DEPTH_MAX, TASK_PART_BYTES_MAX, TASK_REST_BYTES_MAX};
use crate::task::TaskDraft;

/// A part of a task or a command is more than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// Too many bytes.
    #[error(
        "{part} has {bytes} bytes as JSON, over the bound of {bytes_max}; escaped characters count in full"
    )]
    Bytes {
        /// Which part.
        part: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Nested too deeply.
    #[error("{part} is nested {depth} deep, over the bound of {depth_max}")]
    Deep {
        /// Which part.
        part: &'static str,
        /// How deep it is.
        depth: usize,
        /// How deep it may be.
        depth_max: usize,
    },
}

impl TooLong {
    /// Which part.
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Bytes { part, .. } | Self::Deep { part, .. } => part,
        }
    }
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
        flat("input", &self.input)?;
        self.metadata
            .values()
            .try_for_each(|value| flat("metadata", value))?;
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
        outcome
            .iter()
            .copied()
            .flatten()
            .try_for_each(|value| flat("the result", value))?;
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

/// Whether a value is not nested too deeply: it travels inside of events, verdicts and notices, which are read with
/// [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).
fn flat(part: &'static str, value: &Value) -> Result<(), TooLong> {
    let depth = depth(value);
    if depth > TASK_DEPTH_MAX {
        return Err(TooLong::Deep {
            part,
            depth,
            depth_max: TASK_DEPTH_MAX,
        });
    }
    Ok(())
}

/// How deeply a value is nested: 0 for one that holds no others. It was read within a bound, so this ends.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
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
        Err(TooLong::Bytes {
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
        assert_eq!(long.unwrap_err().part(), "input");
        let long = draft(0, TASK_REST_BYTES_MAX).check_bounds();
        assert_eq!(long.unwrap_err().part(), "the task without its input");
        let mut command = Command {
            result: Some("x".repeat(50_000).into()),
            evidence: Some("y".repeat(TASK_PART_BYTES_MAX - 50_004).into()),
            note: Some("z".repeat(30_000)),
            ..Command::default()
        };
        assert_eq!(command.check_bounds(), Ok(()));
        command.evidence = Some("y".repeat(TASK_PART_BYTES_MAX - 50_003).into());
        assert_eq!(
            command.check_bounds().unwrap_err().part(),
            "the result with its evidence"
        );
        command = Command {
            reason: Some("z".repeat(TASK_REST_BYTES_MAX)),
            ..Command::default()
        };
        assert!(matches!(
            command.check_bounds().unwrap_err(),
            TooLong::Bytes {
                bytes_max: TASK_REST_BYTES_MAX,
                ..
            }
        ));
    }

    #[test]
    fn what_is_nested_deeper_could_not_be_read_where_it_travels() {
        let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let mut draft = TaskDraft::titled("deep".parse().unwrap());
        draft.input = nested(TASK_DEPTH_MAX);
        assert_eq!(draft.check_bounds(), Ok(()));
        draft.input = nested(TASK_DEPTH_MAX + 1);
        assert!(matches!(
            draft.check_bounds(),
            Err(TooLong::Deep { part: "input", .. })
        ));
    }
}
