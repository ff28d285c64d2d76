//! The paths of pause and halt, and that of the WebSocket.

use serde_json::json;

use super::tasks::{UNDECIDED, key};
use super::{Content, Operation, flag, get, integer, query};
use crate::error::ErrorCode::{
    BusUnreachable, Fenced, Forbidden, IdempotencyConflict, IllegalTransition, InboxBusy, InvalidQuery,
    LevelNotReached, SpoolFull, UnknownAgent,
};

/// Every method of these paths.
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
    paths.into_iter().map(operation).chain([socket()]).collect()
}

/// The WebSocket. What its frames hold stands with the records that they carry.
fn socket() -> Operation {
    Operation {
        parameters: vec![
            query(
                "after",
                json!({"type": "integer", "minimum": 0}),
                "The last `seq` that was seen: unacked items after it are sent again with the same lease.",
            ),
            query(
                "slots",
                integer(1, 32, 1),
                "Messages that the reader holds at once.",
            ),
            query("takeover", flag(), "Take the inbox from another stream reader."),
        ],
        answers: vec![(
            101,
            "Text frames, each an object. From the server: `hello`; `message` and `task` (an item and its `seq`); \
             `receipt`; `result` (`ref`, `ok`, and the fields of the answer over HTTP, or `error`). From the client: \
             `send`, `ack`, `nak`, `progress`, `task`, `subscribe` (`slots`) and `heartbeat`, with `ref` and the fields of \
             the path of that name.",
            Content::Other("application/json"),
        )],
        errors: &[InvalidQuery, InboxBusy, BusUnreachable],
        ..get("/v1/ws", "ws", "Send, read and settle over one WebSocket")
    }
}
