//! The table of the local API: each path with its parameters, bodies and errors.

mod alerts;
mod control;
mod fsm;
mod tasks;

use serde_json::{Value, json};

use crate::error::ErrorCode::{
    self, BusUnreachable, CoordinatorUnavailable, IdempotencyConflict, InboxBusy, InvalidQuery, LeaseLost,
    LevelNotProvable, LevelNotReached, NotFound, RateLimited, SenderMismatch, SpoolFull, UnknownAgent,
    UnknownCapability,
};
use crate::level::Level;

/// One method of one path.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Query parameters and headers.
    pub(super) parameters: Vec<Value>,
    /// The schema of its JSON body.
    pub(super) body: Option<&'static str>,
    pub(super) answers: Vec<(u16, &'static str, Content)>,
    pub(super) errors: &'static [ErrorCode],
}

/// The content of an answer.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// JSON of a schema.
    Json(&'static str),
    /// Anything else, by its media type.
    Other(&'static str),
}

/// Every method of every path.
pub(super) fn operations() -> Vec<Operation> {
    let send = Operation {
        parameters: vec![
            query(
                "wait",
                json!({"enum": Level::ALL}),
                "Answer once the message came this far. Absent: at the first of stored and accepted.",
            ),
            query(
                "timeout",
                seconds(0, 3_600, 5),
                "How long to wait for it, in seconds.",
            ),
            query("park", flag(), "Accept a recipient that nobody knows yet."),
            json!({
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "A name of your own for this message: a repeat under it is the same message.",
            }),
        ],
        body: Some("Draft"),
        answers: vec![
            (
                201,
                "Stored, or come as far as was asked for; or known from before.",
                Content::Json("SendAnswer"),
            ),
            (
                202,
                "Accepted: safe in the spool, and stored as soon as NATS can be reached.",
                Content::Json("SendAnswer"),
            ),
        ],
        errors: &[
            SenderMismatch,
            UnknownAgent,
            UnknownCapability,
            IdempotencyConflict,
            LevelNotProvable,
            InvalidQuery,
            CoordinatorUnavailable,
            BusUnreachable,
            LevelNotReached,
            SpoolFull,
        ],
        ..get("/v1/messages", "send", "Send a message")
    };
    let take = Operation {
        parameters: vec![
            query("max", integer(1, 32, 1), "Take up to this many, in lane order."),
            query(
                "timeout",
                seconds(0, 60, 0),
                "How long to wait for the first, in seconds.",
            ),
            query(
                "lease",
                seconds(5, 3_600, 60),
                "How long they stay yours, in seconds.",
            ),
        ],
        answers: vec![(
            200,
            "The messages; none after the time-out.",
            Content::Json("InboxAnswer"),
        )],
        errors: &[InvalidQuery, RateLimited],
        ..get(
            "/v1/inbox",
            "take",
            "Take messages under a lease; a request that breaks off gives them back",
        )
    };
    let stream = Operation {
        parameters: vec![
            query(
                "slots",
                integer(1, 32, 1),
                "How many messages to hold at once, beside one urgent.",
            ),
            query("takeover", flag(), "Replace the present stream reader."),
            json!({
                "name": "Last-Event-ID",
                "in": "header",
                "schema": {"type": "string"},
                "description": "The last event seen: what came after it and is not acknowledged is sent again.",
            }),
        ],
        answers: vec![(
            200,
            "Events: message, task (a notice about a task instead of a message), receipt, closed.",
            Content::Other("text/event-stream"),
        )],
        errors: &[InvalidQuery, InboxBusy],
        ..get(
            "/v1/inbox/stream",
            "stream",
            "Be handed messages as server-sent events",
        )
    };
    let agents = Operation {
        parameters: paging().to_vec(),
        answers: vec![(200, "A page of the roster.", Content::Json("AgentPage"))],
        errors: &[InvalidQuery, CoordinatorUnavailable],
        ..get("/v1/agents", "agents", "List agents")
    };
    let with = query(
        "with",
        json!({"type": "string"}),
        "Only those with this agent, or in this room.",
    );
    let order = query(
        "order",
        json!({"type": "string", "enum": ["asc", "desc"], "default": "asc"}),
        "Whether the oldest message comes first, or the newest.",
    );
    let messages = Operation {
        parameters: [with.clone(), order.clone()]
            .into_iter()
            .chain(paging())
            .collect(),
        answers: vec![(
            200,
            "Messages of the last 48 hours in the order of the stream; a page of long ones has fewer than asked for.",
            Content::Json("MessagePage"),
        )],
        errors: &[InvalidQuery],
        ..get(
            "/v1/messages",
            "messages",
            "What was sent and received, in both directions",
        )
    };
    let conversations = Operation {
        parameters: [with].into_iter().chain(paging()).collect(),
        answers: vec![(
            200,
            "Conversations of the last 48 hours, the latest first.",
            Content::Json("ConversationPage"),
        )],
        errors: &[InvalidQuery],
        ..get("/v1/conversations", "conversations", "List conversations")
    };
    let conversation = Operation {
        parameters: [order].into_iter().chain(paging()).collect(),
        answers: vec![(
            200,
            "Its messages in the order of the stream.",
            Content::Json("MessagePage"),
        )],
        errors: &[InvalidQuery, NotFound],
        ..get(
            "/v1/conversations/{id}/messages",
            "conversation",
            "What was sent and received in a conversation in the last 48 hours",
        )
    };
    let rooms = Operation {
        parameters: paging().to_vec(),
        answers: vec![(200, "A page of rooms, by name.", Content::Json("RoomPage"))],
        errors: &[InvalidQuery, CoordinatorUnavailable],
        ..get("/v1/rooms", "rooms", "List rooms with their members")
    };
    let mut operations = vec![
        rooms,
        room(
            "/v1/rooms/{name}/join",
            "join",
            "Join a room: its posts from now on come to the inbox",
        ),
        room("/v1/rooms/{name}/leave", "leave", "Leave a room"),
        Operation {
            method: "post",
            ..send
        },
        take,
        stream,
        agents,
        messages,
        conversations,
        conversation,
    ];
    operations.extend(tasks::tasks());
    operations.extend(alerts::coordinators());
    operations.extend([
        settle(
            "/v1/inbox/{id}/ack",
            "ack",
            "Acknowledge a message",
            "AckRequest",
            "AckAnswer",
            &[NotFound, LeaseLost],
        ),
        settle(
            "/v1/inbox/{id}/read",
            "read",
            "End a message that was read elsewhere before its hand-over",
            "ReadRequest",
            "AckAnswer",
            &[LeaseLost, RateLimited, BusUnreachable, SpoolFull],
        ),
        settle(
            "/v1/inbox/{id}/nak",
            "nak",
            "Give a message back, to come again",
            "NakRequest",
            "NakAnswer",
            &[NotFound, LeaseLost, RateLimited],
        ),
        settle(
            "/v1/inbox/{id}/progress",
            "progress",
            "Extend a lease",
            "ProgressRequest",
            "ProgressAnswer",
            &[NotFound, LeaseLost],
        ),
        read(
            "/v1/inbox/peek",
            "peek",
            "See what waits, taking nothing",
            "InboxPeek",
            &[InvalidQuery],
        ),
        read(
            "/v1/messages/{id}",
            "message",
            "A message sent or received in the last 48 hours",
            "Message",
            &[NotFound],
        ),
        read(
            "/v1/messages/{id}/trace",
            "trace",
            "How far a message came, and why not further",
            "Trace",
            &[NotFound],
        ),
        read(
            "/v1/agents/{id}",
            "agent",
            "One agent",
            "Agent",
            &[UnknownAgent, CoordinatorUnavailable],
        ),
        other("/livez", "livez", "Whether the sidecar lives", "text/plain"),
        Operation {
            answers: vec![
                (200, "Every check is ok.", Content::Json("Readiness")),
                (503, "Some check is not.", Content::Json("Readiness")),
            ],
            ..get("/readyz", "readyz", "Whether the sidecar can do its work")
        },
        other(
            "/metrics",
            "metrics",
            "OpenMetrics",
            "application/openmetrics-text",
        ),
        other("/openapi.json", "openapi", "This document", "application/json"),
    ]);
    operations
}

fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        path,
        method: "get",
        id,
        summary,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    }
}

fn read(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    schema: &'static str,
    errors: &'static [ErrorCode],
) -> Operation {
    Operation {
        answers: vec![(200, summary, Content::Json(schema))],
        errors,
        ..get(path, id, summary)
    }
}

fn room(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "post",
        answers: vec![(
            200,
            "Done; an equal repeat has the same answer.",
            Content::Json("RoomAnswer"),
        )],
        errors: &[InvalidQuery, RateLimited, CoordinatorUnavailable],
        ..get(path, id, summary)
    }
}

fn other(path: &'static str, id: &'static str, summary: &'static str, media: &'static str) -> Operation {
    Operation {
        answers: vec![(200, summary, Content::Other(media))],
        ..get(path, id, summary)
    }
}

fn settle(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    body: &'static str,
    answer: &'static str,
    errors: &'static [ErrorCode],
) -> Operation {
    let answers = vec![(
        200,
        "Done; an equal repeat of an ack has the same answer.",
        Content::Json(answer),
    )];
    Operation {
        method: "post",
        body: Some(body),
        answers,
        errors,
        ..get(path, id, summary)
    }
}

fn paging() -> [Value; 2] {
    [
        query("limit", integer(1, 500, 50), "Items of the page."),
        query(
            "cursor",
            json!({"type": "string"}),
            "`next_cursor` of the page before.",
        ),
    ]
}

pub(super) fn query(name: &str, schema: Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": schema, "description": description})
}

fn integer(least: u32, most: u32, default: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most, "default": default})
}

fn seconds(least: u32, most: u32, default: u32) -> Value {
    json!({"type": "number", "minimum": least, "maximum": most, "default": default})
}

fn flag() -> Value {
    json!({"type": "boolean", "default": false})
}
