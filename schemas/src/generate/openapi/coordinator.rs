//! The OpenAPI 3.1 document of the coordinator's API (TASKS 6): what a sidecar serves of the fleet, and what is its own.

use serde_json::{Map, Value, json};

use super::operations::{self, Content, Operation};
use super::{paths, produced, schemas};
use crate::alert::Alert;
use crate::api::Ticket;
use crate::error::ErrorCode::{
    self, BusUnreachable, CoordinatorUnavailable, Forbidden, ForbiddenHost, ForbiddenOrigin,
    IdempotencyConflict, InvalidQuery, NotFound, RateLimited, SenderMismatch, Unauthorized, UnknownAgent,
    UnknownCapability,
};
use crate::feed::FeedKind;

/// What refuses any request.
const ALWAYS: &[ErrorCode] = &[
    Unauthorized,
    Forbidden,
    ForbiddenHost,
    ForbiddenOrigin,
    RateLimited,
    BusUnreachable,
    CoordinatorUnavailable,
];
/// Paths of a sidecar that the coordinator serves with the same meaning, for the whole fleet.
const SHARED: [&str; 32] = [
    "/v1/agents",
    "/v1/agents/{id}",
    "/v1/agents/{id}/pause",
    "/v1/fsm/{entity}/{id}",
    "/v1/fsm/{entity}/{id}/history",
    "/v1/agents/{id}/resume",
    "/v1/alerts",
    "/v1/conversations",
    "/v1/conversations/{id}/messages",
    "/v1/swarm/halt",
    "/v1/swarm/resume",
    "/v1/messages",
    "/v1/messages/{id}",
    "/v1/messages/{id}/trace",
    "/v1/rooms",
    "/v1/rooms/{name}/join",
    "/v1/rooms/{name}/leave",
    "/v1/tasks",
    "/v1/tasks/{id}",
    "/v1/tasks/{id}/explanation",
    "/v1/tasks/{id}/accept",
    "/v1/tasks/{id}/refuse",
    "/v1/tasks/{id}/progress",
    "/v1/tasks/{id}/block",
    "/v1/tasks/{id}/resume",
    "/v1/tasks/{id}/complete",
    "/v1/tasks/{id}/fail",
    "/v1/tasks/{id}/cancel",
    "/v1/tasks/{id}/assign",
    "/livez",
    "/metrics",
    "/openapi.json",
];

/// The whole document.
pub(in crate::generate) fn document() -> Value {
    let paths = paths(&every(), ALWAYS);
    let schemas = used(&paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wagglebus coordinator",
            "version": "1.0.0",
            "description": "The fleet: who is there, and who does what. Every coordinator serves it on a loopback port; \
                the leader stands in <run folder>/<hive>/bus.json. What is written is stored in the name of the token's \
                owner: the operator or an agent; a viewer may only look. Times are RFC 3339 UTC with milliseconds; \
                durations are milliseconds in JSON and seconds in queries, decimals allowed.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:7788", "description": "The leader, unless the port was taken: see bus.json."}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The text of token_file in bus.json, or a token of `wagglebus auth token add`.",
                },
            },
        },
    })
}

/// Every method of every path.
fn every() -> Vec<Operation> {
    let mut all = operations::operations();
    // What can be said of a message on its way is the sidecar's.
    all.retain(|operation| SHARED.contains(&operation.path) && operation.id != "send");
    for operation in &mut all {
        let Some((summary, answered)) = of_the_fleet(operation.id) else {
            continue;
        };
        operation.summary = summary;
        for answer in &mut operation.answers {
            answer.1 = answered;
        }
    }
    let key = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "A name of your own for this message instead of an id: a repeat under it is the same message.",
    });
    all.push(Operation {
        path: "/v1/messages",
        method: "post",
        id: "send",
        summary: "Send a message as the owner of the token",
        parameters: vec![
            operations::query(
                "park",
                json!({"type": "boolean", "default": false}),
                "Accept a recipient that nobody knows yet.",
            ),
            key,
        ],
        body: Some("Draft"),
        answers: vec![(
            201,
            "Stored, or known from before; anything else was not stored.",
            Content::Json("SendAnswer"),
        )],
        errors: &[
            SenderMismatch,
            UnknownAgent,
            UnknownCapability,
            IdempotencyConflict,
            InvalidQuery,
        ],
    });
    all.push(Operation {
        path: "/v1/tickets",
        method: "post",
        id: "ticket",
        summary: "Get a ticket for one stream of events, for readers that can send no header: ?ticket=",
        parameters: Vec::new(),
        body: None,
        answers: vec![(
            201,
            "It counts once, at this coordinator.",
            Content::Json("Ticket"),
        )],
        errors: &[InvalidQuery],
    });
    all.extend(streams());
    all.push(Operation {
        path: "/v1/alerts/{id}/ack",
        method: "post",
        id: "acknowledge",
        summary: "Say that an alert is known; by the operator",
        parameters: Vec::new(),
        body: None,
        answers: vec![
            (200, "The alert as it is then.", Content::Json("Alert")),
            (
                202,
                "Stored; the leader takes note of it later.",
                Content::Json("CommandAnswer"),
            ),
        ],
        errors: &[NotFound, InvalidQuery],
    });
    all.push(Operation {
        path: "/v1/swarm",
        method: "get",
        id: "swarm",
        summary: "Where the hive's machine stands",
        parameters: Vec::new(),
        body: None,
        answers: vec![(200, "Where it stands.", Content::Json("Fsm"))],
        errors: &[InvalidQuery],
    });
    let open = |path, id, summary| Operation {
        path,
        method: "get",
        id,
        summary,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    };
    all.push(Operation {
        answers: vec![(200, "It does.", Content::Other("text/plain"))],
        ..open(
            "/healthz",
            "healthz",
            "Whether the coordinator lives, under another name",
        )
    });
    let checks = "{\"ready\", \"checks\": {\"bus\", \"enrolments\"}}, each `ok` or a reason.";
    all.push(Operation {
        answers: vec![
            (200, checks, Content::Other("application/json")),
            (
                503,
                "The same, with a check that is not ok.",
                Content::Other("application/json"),
            ),
        ],
        ..open("/readyz", "readyz", "Whether the coordinator can do its work")
    });
    all
}

/// What an operation does and answers where a sidecar tells of its own messages alone.
fn of_the_fleet(id: &str) -> Option<(&'static str, &'static str)> {
    const TRACED: &str = "What was told of a message, and in a sentence where it stands";
    Some(match id {
        "message" => ("A message of the stream", "A message of the stream"),
        "trace" => (TRACED, TRACED),
        "messages" => (
            "What was written in the fleet; an agent sees its own messages and the posts of its rooms only",
            "Of the fleet's last 100,000 messages, in the order of the stream; a page of long ones has fewer than asked \
                for.",
        ),
        "conversations" => (
            "List conversations; an agent sees its own only",
            "Conversations of the fleet's last 100,000 messages, the latest first.",
        ),
        "conversation" => (
            "What was written in a conversation; an agent sees its own messages and the posts of its rooms only",
            "Of the fleet's last 100,000 messages, in the order of the stream.",
        ),
        _ => return None,
    })
}

/// What happens in the fleet, as it happens.
fn streams() -> [Operation; 2] {
    let text = |name: &str, what: &str| operations::query(name, json!({"type": "string"}), what);
    let kinds: Vec<&str> = FeedKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let kinds = format!("Only these, separated by commas: {}.", kinds.join(", "));
    let parameters = vec![
        text("kind", &kinds),
        text(
            "agent",
            "Only what concerns one of these agents, separated by commas.",
        ),
        text(
            "after",
            "Go on behind the event with this id; valid at any coordinator.",
        ),
        text("ticket", "A ticket instead of the header Authorization."),
    ];
    let mut resumed = parameters.clone();
    resumed.push(json!({
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "string"},
        "description": "The last event seen; it beats `after`.",
    }));
    let stream = |path, id, summary, parameters, (status, what, media)| Operation {
        path,
        method: "get",
        id,
        summary,
        parameters,
        body: None,
        answers: vec![(status, what, Content::Other(media))],
        errors: &[InvalidQuery],
    };
    [
        stream(
            "/v1/events",
            "events",
            "What happens in the fleet, as server-sent events; an agent sees its own messages only",
            resumed,
            (200, "An event for each.", "text/event-stream"),
        ),
        stream(
            "/v1/ws",
            "socket",
            "The same as frames of a WebSocket, which also takes messages and commands",
            parameters,
            (101, "From here on frames of JSON.", "application/json"),
        ),
    ]
}

/// The schemas that the paths refer to.
fn used(paths: &Map<String, Value>) -> Map<String, Value> {
    let text = Value::Object(paths.clone()).to_string();
    let Value::Object(mut all) = schemas() else {
        // It is one.
        return Map::new();
    };
    all.insert("Alert".to_owned(), produced::<Alert>());
    all.insert("Ticket".to_owned(), produced::<Ticket>());
    all.retain(|name, _| text.contains(&format!("schemas/{name}\"")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_shared_is_there_and_every_reference_leads_to_a_schema() {
        let document = document();
        for path in SHARED {
            assert!(document["paths"][path].is_object(), "{path}");
        }
        let text = document["paths"].to_string();
        let names = text.split("#/components/schemas/").skip(1);
        for name in names.filter_map(|rest| rest.split('"').next()) {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        assert!(document["components"]["schemas"].get("InboxAnswer").is_none());
    }
}
