//! Task frames of a child: commands about tasks.

use serde_json::{Map, Value};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::decode;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_sidecar_core::command::TaskCommand;

use super::frame::refused;

/// The fields of a task draft.
const DRAFT: &[&str] = &[
    "id",
    "title",
    "capabilities",
    "input",
    "priority",
    "deadline",
    "depends_on",
    "resources",
    "strategy",
    "max_attempts",
    "accept_timeout_ms",
    "stall_ms",
    "metadata",
    "park",
];
/// The fields of a command, whatever its verb needs of them.
const COMMAND: &[&str] = &[
    "id",
    "task_id",
    "epoch",
    "reason",
    "progress",
    "note",
    "result",
    "evidence",
    "error",
    "retryable",
    "agent",
    "force",
];

/// Reads the fields of a task frame.
pub(super) fn read(mut frame: Map<String, Value>) -> Result<TaskCommand, ErrorDetail> {
    let invalid = |message: String| ErrorDetail::new(ErrorCode::InvalidMessage, message);
    frame.remove("$");
    let verb = frame.remove("verb").unwrap_or_default();
    let known = verb.as_str().and_then(|verb| verb.parse::<TaskVerb>().ok());
    // Whom a control is about is the operator's affair, and an operator has no child.
    let Some(verb) = known.filter(|verb| *verb != TaskVerb::Control) else {
        let verbs = TaskVerb::ALL.iter().filter(|verb| **verb != TaskVerb::Control);
        let verbs: Vec<&str> = verbs.map(|verb| verb.as_str()).collect();
        return Err(invalid(format!(
            "{verb} is no verb of a task: use {}",
            verbs.join(", ")
        )));
    };
    let fields = if verb == TaskVerb::Submit { DRAFT } else { COMMAND };
    if let Some(unknown) = frame.keys().find(|key| !fields.contains(&key.as_str())) {
        return Err(invalid(format!(
            "a task frame of {verb} has no field {unknown:?}"
        )));
    }
    let bytes = Value::Object(frame).to_string().into_bytes();
    let command = if verb == TaskVerb::Submit {
        decode::record("task draft", &bytes, LINE_BYTES_MAX).map(|draft| TaskCommand::Submit(Box::new(draft)))
    } else {
        decode::record("command", &bytes, LINE_BYTES_MAX).map(|command| TaskCommand::Verb {
            verb,
            command: Box::new(command),
        })
    };
    command.map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wagglebus_schemas::{Command, TaskDraft};

    fn frame(value: Value) -> Result<TaskCommand, ErrorCode> {
        let Value::Object(frame) = value else {
            unreachable!()
        };
        read(frame).map_err(|error| error.code)
    }

    /// What a type writes when each of its fields is there.
    fn names(full: &impl serde::Serialize) -> Vec<String> {
        let Ok(Value::Object(fields)) = serde_json::to_value(full) else {
            unreachable!()
        };
        fields.keys().cloned().collect()
    }

    #[test]
    fn a_frame_is_a_submission_or_a_verb() {
        let submit = frame(json!({"$": "task", "verb": "submit", "title": "x", "park": true})).unwrap();
        assert_eq!((submit.verb(), submit.task_id()), (TaskVerb::Submit, None));
        let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
        let done = json!({"$": "task", "verb": "complete", "task_id": id, "epoch": 2, "result": null});
        let TaskCommand::Verb { verb, command } = frame(done).unwrap() else {
            unreachable!()
        };
        assert_eq!((verb, command.epoch), (TaskVerb::Complete, Some(2)));
        assert_eq!(command.result, Some(Value::Null), "null is a result");
    }

    #[test]
    fn a_bad_frame_is_named() {
        for bad in [
            json!({"$": "task"}),
            json!({"$": "task", "verb": "shout"}),
            json!({"$": "task", "verb": "control", "action": "halt"}),
            json!({"$": "task", "verb": "submit", "title": "x", "task_id": "y"}),
            json!({"$": "task", "verb": "accept", "action": "halt"}),
            json!({"$": "task", "verb": "accept", "task_id": "7"}),
            json!({"$": "task", "verb": "submit"}),
        ] {
            assert_eq!(
                frame(bad.clone()).unwrap_err(),
                ErrorCode::InvalidMessage,
                "{bad}"
            );
        }
    }

    #[test]
    fn every_field_of_the_records_is_known() {
        let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
        let command: Command = serde_json::from_value(json!({
            "id": id, "task_id": id, "epoch": 1, "reason": "", "progress": 1, "note": "", "result": 1, "evidence": 1,
            "error": "", "retryable": true, "agent": "a", "force": true,
        }))
        .unwrap();
        assert_eq!(names(&command).len(), COMMAND.len());
        assert!(
            names(&command)
                .iter()
                .all(|name| COMMAND.contains(&name.as_str()))
        );
        let draft: TaskDraft = serde_json::from_value(json!({
            "id": id, "title": "x", "capabilities": ["a"], "input": 1, "priority": "low",
            "deadline": "2026-01-02T03:04:05.678Z", "depends_on": [id], "resources": {"tokens": 1},
            "strategy": "weighted", "max_attempts": 1, "accept_timeout_ms": 1, "stall_ms": 1, "metadata": {"a": 1},
            "park": true,
        }))
        .unwrap();
        assert_eq!(names(&draft).len(), DRAFT.len());
        assert!(names(&draft).iter().all(|name| DRAFT.contains(&name.as_str())));
    }
}
