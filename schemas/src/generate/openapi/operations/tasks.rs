//! The paths of tasks.

use serde_json::{Value, json};

use super::{Content, Operation, get, paging, query, read};
use crate::command::TaskVerb;
use crate::error::ErrorCode::{
    self, CoordinatorUnavailable, Fenced, Forbidden, IdempotencyConflict, IllegalTransition, InvalidQuery,
    LevelNotReached, NotFound, SpoolFull, StaleEpoch, UnknownAgent, UnknownCapability,
};
use crate::task::TaskState;

/// The verbs, with their paths and names, what they need, and what they do.
const VERBS: [(TaskVerb, &str, &str, &str); 9] = [
    (
        TaskVerb::Accept,
        "/v1/tasks/{id}/accept",
        "accept",
        "Take a task on, or without an assignment claim it; needs nothing",
    ),
    (
        TaskVerb::Refuse,
        "/v1/tasks/{id}/refuse",
        "refuse",
        "Give a task back; needs `reason`",
    ),
    (
        TaskVerb::Progress,
        "/v1/tasks/{id}/progress",
        "taskProgress",
        "Say how far a task is; needs `progress`, which may not fall without `note`",
    ),
    (
        TaskVerb::Block,
        "/v1/tasks/{id}/block",
        "block",
        "Say that a task waits for something; needs `reason`",
    ),
    (
        TaskVerb::Resume,
        "/v1/tasks/{id}/resume",
        "resume",
        "Go on with a task; needs nothing",
    ),
    (
        TaskVerb::Complete,
        "/v1/tasks/{id}/complete",
        "complete",
        "End a task; needs `result`, which may be null",
    ),
    (
        TaskVerb::Fail,
        "/v1/tasks/{id}/fail",
        "fail",
        "Give a task up; needs `error`",
    ),
    (
        TaskVerb::Cancel,
        "/v1/tasks/{id}/cancel",
        "cancel",
        "Withdraw a task of one's own; needs `reason`",
    ),
    (
        TaskVerb::Assign,
        "/v1/tasks/{id}/assign",
        "assign",
        "Give a task to an agent, as the operator; needs `agent`",
    ),
];
/// What every command can be refused with, by the sidecar or by the coordinator.
const COMMAND: &[ErrorCode] = &[
    InvalidQuery,
    Forbidden,
    NotFound,
    UnknownAgent,
    IdempotencyConflict,
    IllegalTransition,
    StaleEpoch,
    Fenced,
    LevelNotReached,
    SpoolFull,
];
pub(super) const UNDECIDED: (u16, &str, Content) = (
    202,
    "Kept, and not decided within 2 s; the verdict comes as a receipt about this id.",
    Content::Json("CommandAnswer"),
);

/// Every method of every path of tasks.
pub(super) fn tasks() -> Vec<Operation> {
    let submit = Operation {
        method: "post",
        parameters: vec![key()],
        body: Some("TaskDraft"),
        answers: vec![
            (201, "The task.", Content::Json("Task")),
            (
                200,
                "The task, which was submitted before.",
                Content::Json("Task"),
            ),
            UNDECIDED,
        ],
        errors: &[
            InvalidQuery,
            Forbidden,
            NotFound,
            UnknownCapability,
            IdempotencyConflict,
            Fenced,
            LevelNotReached,
            SpoolFull,
        ],
        ..get("/v1/tasks", "submit", "Submit a task")
    };
    let list = Operation {
        parameters: [
            query(
                "state",
                json!({"enum": TaskState::ALL}),
                "Only those in this state.",
            ),
            query(
                "agent",
                json!({"type": "string"}),
                "Only those that this agent holds, held last or submitted.",
            ),
        ]
        .into_iter()
        .chain(paging())
        .collect(),
        answers: vec![(200, "A page of tasks.", Content::Json("TaskPage"))],
        errors: &[InvalidQuery, CoordinatorUnavailable],
        ..get("/v1/tasks", "tasks", "List tasks")
    };
    let asked = &[InvalidQuery, NotFound, CoordinatorUnavailable];
    let mut operations = vec![
        submit,
        list,
        read("/v1/tasks/{id}", "task", "A task as it is now", "Task", asked),
        read(
            "/v1/tasks/{id}/explanation",
            "explanation",
            "Why a task went to whom",
            "Explanation",
            asked,
        ),
    ];
    operations.extend(VERBS.into_iter().map(|(_, path, id, summary)| Operation {
        method: "post",
        parameters: vec![key()],
        body: Some("Command"),
        answers: vec![(200, "The task after it.", Content::Json("Task")), UNDECIDED],
        errors: COMMAND,
        ..get(path, id, summary)
    }));
    operations
}

pub(super) fn key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "A name of your own for this command: a repeat under it is the same command.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_about_a_task_has_its_path() {
        for verb in TaskVerb::ALL {
            let path = VERBS
                .iter()
                .find(|(known, ..)| known == verb)
                .map(|(_, path, ..)| *path);
            let about_one = !matches!(verb, TaskVerb::Submit | TaskVerb::Control);
            assert_eq!(
                path,
                about_one.then(|| format!("/v1/tasks/{{id}}/{verb}")).as_deref()
            );
        }
    }
}
