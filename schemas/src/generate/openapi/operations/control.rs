//! The paths of pause and halt.

use super::tasks::{UNDECIDED, key};
use super::{Content, Operation, get};
use crate::error::ErrorCode::{
    Fenced, Forbidden, IdempotencyConflict, IllegalTransition, LevelNotReached, SpoolFull, UnknownAgent,
};

/// Every method of every path of pause and halt.
pub(super) fn control() -> Vec<Operation> {
    let paths = [
        (
            "/v1/agents/{id}/pause",
            "pauseAgent",
            "Pause an agent, as the operator: nothing is assigned or handed over to it",
        ),
        (
            "/v1/agents/{id}/resume",
            "resumeAgent",
            "Let a paused agent go on, as the operator",
        ),
        (
            "/v1/swarm/halt",
            "halt",
            "Halt the hive, as the operator: nothing is assigned or handed over to anybody",
        ),
        (
            "/v1/swarm/resume",
            "resumeSwarm",
            "Let a halted hive go on, as the operator",
        ),
    ];
    let operation = |(path, id, summary)| Operation {
        method: "post",
        parameters: vec![key()],
        answers: vec![(200, "The machine after it.", Content::Json("Fsm")), UNDECIDED],
        errors: &[
            Forbidden,
            UnknownAgent,
            IdempotencyConflict,
            IllegalTransition,
            Fenced,
            LevelNotReached,
            SpoolFull,
        ],
        ..get(path, id, summary)
    };
    paths.into_iter().map(operation).collect()
}
