//! Control frames: the JSON objects with a `$` between child and sidecar.

use serde_json::{Map, Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::{LINE_BYTES_MAX, NAK_DELAY_MS_MAX, NAK_REASON_BYTES_MAX};
use wagglebus_sidecar_core::command::TaskCommand;

use super::task;

/// What a child's line that begins with `{` asks for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::bridge) enum Line {
    /// A draft to be sent.
    Draft,
    /// A message is acknowledged.
    Ack {
        id: Id,
        lease: Option<String>,
        done: bool,
    },
    /// A message is given back.
    Nak {
        id: Id,
        lease: Option<String>,
        delay_ms: u64,
        reason: Option<String>,
    },
    /// A message is still being worked on.
    Progress {
        id: Id,
        lease: Option<String>,
        extend_ms: u64,
    },
    /// A command about a task.
    Task(TaskCommand),
    /// The child is ready for messages. It always was: nothing waits for this sign.
    Ready,
}

/// Tells a control frame from a draft.
pub(super) fn read(line: &[u8]) -> Result<Line, ErrorDetail> {
    let object: Map<String, Value> = decode::record("line", line, LINE_BYTES_MAX).map_err(|e| refused(&e))?;
    if object.contains_key("$") {
        verb(object)
    } else {
        Ok(Line::Draft)
    }
}

/// Reads a control frame; its `$` says what it is.
pub(in crate::bridge) fn verb(object: Map<String, Value>) -> Result<Line, ErrorDetail> {
    let verb = object.get("$").cloned().unwrap_or_default();
    let (known, line): (&[&str], _) = match verb.as_str() {
        Some("ready") => (&["$"], Line::Ready),
        Some("task") => return task::read(object).map(Line::Task),
        Some("ack") => {
            let done = field(&object, "done", Value::as_bool, "true or false")?.unwrap_or(true);
            (
                &["$", "id", "lease", "done"],
                Line::Ack {
                    id: id(&object)?,
                    lease: lease(&object)?,
                    done,
                },
            )
        }
        Some("nak") => {
            let delay_ms = field(&object, "delay_ms", Value::as_u64, "milliseconds")?.unwrap_or(1_000);
            if delay_ms > NAK_DELAY_MS_MAX {
                return Err(invalid(format!(
                    "delay_ms {delay_ms} is over the bound of {NAK_DELAY_MS_MAX}"
                )));
            }
            let reason = field(&object, "reason", |v| v.as_str().map(str::to_owned), "text")?;
            if reason
                .as_ref()
                .is_some_and(|reason| reason.len() > NAK_REASON_BYTES_MAX)
            {
                return Err(invalid(format!(
                    "reason is over the bound of {NAK_REASON_BYTES_MAX} bytes"
                )));
            }
            (
                &["$", "id", "lease", "delay_ms", "reason"],
                Line::Nak {
                    id: id(&object)?,
                    lease: lease(&object)?,
                    delay_ms,
                    reason,
                },
            )
        }
        Some("progress") => {
            let extend = field(&object, "extend", Value::as_u64, "seconds")?.unwrap_or(60);
            if !(5..=3_600).contains(&extend) {
                return Err(invalid(format!("extend {extend} is outside 5 to 3600 seconds")));
            }
            let extend_ms = extend.saturating_mul(1_000);
            (
                &["$", "id", "lease", "extend"],
                Line::Progress {
                    id: id(&object)?,
                    lease: lease(&object)?,
                    extend_ms,
                },
            )
        }
        _ => {
            return Err(invalid(format!(
                "{verb} is no control frame: use ack, nak, progress, task or ready"
            )));
        }
    };
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(invalid(format!("a control frame has no field {unknown:?}"))),
        None => Ok(line),
    }
}

/// The error frame about a line of the child.
pub(super) fn error(line: u64, error: &ErrorDetail) -> Vec<u8> {
    frame(&json!({ "$": "error", "line": line, "error": error }))
}

/// The frame with the task after a command.
pub(super) fn decided(line: u64, task: &Value) -> Vec<u8> {
    frame(&json!({ "$": "task", "line": line, "task": task }))
}

/// The frame that says that a line was accepted.
pub(super) fn accepted(line: u64, id: Id) -> Vec<u8> {
    frame(&json!({ "$": "accepted", "line": line, "id": id }))
}

fn frame(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// An error of decoding as every interface shows it.
pub(in crate::bridge) fn refused(error: &DecodeError) -> ErrorDetail {
    let code = match error {
        DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
        DecodeError::Json(_) => ErrorCode::InvalidJson,
        DecodeError::Record { .. } => ErrorCode::InvalidMessage,
    };
    ErrorDetail::new(code, error.to_string()).hint("one JSON object per line; nothing of this line was sent")
}

fn invalid(message: String) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidMessage, message)
}

fn id(object: &Map<String, Value>) -> Result<Id, ErrorDetail> {
    let text = field(
        object,
        "id",
        |v| v.as_str().map(str::to_owned),
        "the message's id",
    )?;
    let text = text.ok_or_else(|| invalid("the frame needs the message's id".to_owned()))?;
    text.parse()
        .map_err(|e: wagglebus_schemas::id::IdError| invalid(e.to_string()))
}

fn lease(object: &Map<String, Value>) -> Result<Option<String>, ErrorDetail> {
    field(object, "lease", |v| v.as_str().map(str::to_owned), "text")
}

fn field<T>(
    object: &Map<String, Value>,
    name: &str,
    read: impl FnOnce(&Value) -> Option<T>,
    expected: &str,
) -> Result<Option<T>, ErrorDetail> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    read(value)
        .map(Some)
        .ok_or_else(|| invalid(format!("{name} must be {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    #[test]
    fn frames_are_told_from_drafts() {
        let id: Id = ID.parse().unwrap();
        let read = |text: &str| read(text.replace("ID", ID).as_bytes());
        assert_eq!(read(r#"{"to_agent":"bob","content":"hi"}"#), Ok(Line::Draft));
        assert_eq!(read(r#"{"$":"ready"}"#), Ok(Line::Ready));
        assert_eq!(
            read(r#"{"$":"ack","id":"ID"}"#),
            Ok(Line::Ack {
                id,
                lease: None,
                done: true
            })
        );
        let progress = Line::Progress {
            id,
            lease: Some("x".into()),
            extend_ms: 5_000,
        };
        assert_eq!(
            read(r#"{"$":"progress","id":"ID","lease":"x","extend":5}"#),
            Ok(progress)
        );
        let nak = Line::Nak {
            id,
            lease: None,
            delay_ms: 0,
            reason: Some("busy".into()),
        };
        assert_eq!(
            read(r#"{"$":"nak","id":"ID","delay_ms":0,"reason":"busy"}"#),
            Ok(nak)
        );
    }

    #[test]
    fn bad_frames_are_named() {
        for (text, code) in [
            (r#"{"$":"shout"}"#, ErrorCode::InvalidMessage),
            (r#"{"$":7}"#, ErrorCode::InvalidMessage),
            (r#"{"$":"ack"}"#, ErrorCode::InvalidMessage),
            (r#"{"$":"ack","id":"x"}"#, ErrorCode::InvalidMessage),
            (r#"{"$":"ready","extra":1}"#, ErrorCode::InvalidMessage),
            (
                r#"{"$":"nak","id":"0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d","delay_ms":3600001}"#,
                ErrorCode::InvalidMessage,
            ),
            (
                r#"{"$":"progress","id":"0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d","extend":4}"#,
                ErrorCode::InvalidMessage,
            ),
            (r#"{"a":1,"a":2}"#, ErrorCode::InvalidJson),
            ("{", ErrorCode::InvalidJson),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().code, code, "{text}");
        }
    }
}
