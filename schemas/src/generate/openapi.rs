//! The OpenAPI 3.1 document of the sidecar's local API (WIRE, Sidecar API).

pub(super) mod coordinator;
mod operations;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::normalise;
use crate::agent::Agent;
use crate::agent_detail::AgentShown;
use crate::alert::Alert;
use crate::api::{
    AckAnswer, AckRequest, InboxAnswer, InboxPeek, NakAnswer, NakRequest, Page, ProgressAnswer,
    ProgressRequest, ReadRequest, Readiness, Room, RoomAnswer, SendAnswer, Trace,
};
use crate::command::Command;
use crate::conversation::Conversation;
use crate::draft::Draft;
use crate::error::{ErrorBody, ErrorCode};
use crate::fsm_api::{Fsm, Transition};
use crate::message::Message;
use crate::task::{Task, TaskDraft};
use crate::task_api::{CommandAnswer, Explanation};
use operations::{Content, Operation, operations};

/// What refuses any request: the guard, and a sidecar that stops.
const ALWAYS: &[ErrorCode] = &[
    ErrorCode::Unauthorized,
    ErrorCode::Forbidden,
    ErrorCode::ForbiddenHost,
    ErrorCode::ForbiddenOrigin,
    ErrorCode::Draining,
];
/// What refuses any body.
const BODY: &[ErrorCode] = &[
    ErrorCode::InvalidJson,
    ErrorCode::InvalidMessage,
    ErrorCode::TooLarge,
    ErrorCode::UnsupportedMediaType,
];

/// The whole document.
pub(super) fn document() -> Value {
    let paths = paths(&operations(), ALWAYS);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wagglebus sidecar",
            "version": "1.0.0",
            "description": "The local API of one agent's sidecar, on a unix socket of its own user or, with --listen, \
                on a loopback port with a bearer token. Times are RFC 3339 UTC with milliseconds; durations are \
                milliseconds in JSON and seconds in queries, decimals allowed.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost", "description": "Socket or URL: see <run folder>/<hive>/<agent>.json."}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "On the loopback port only: the text of token_file in <agent>.json.",
                },
            },
        },
    })
}

/// Every path with its methods; any request may be refused with what is `always` there.
fn paths(operations: &[Operation], always: &[ErrorCode]) -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            methods.insert(operation.method.to_owned(), describe(operation, always));
        }
    }
    paths
}

fn describe(operation: &Operation, always: &[ErrorCode]) -> Value {
    let mut parameters = operation.parameters.clone();
    if operation.path.contains("{id}") {
        let what = if operation.path.starts_with("/v1/agents") {
            "The agent."
        } else if operation.path.starts_with("/v1/conversations") {
            "The conversation."
        } else if operation.path.starts_with("/v1/fsm") {
            "A task's id, an agent's name, or the hive."
        } else if operation.path.starts_with("/v1/tasks") {
            "The task."
        } else {
            "The message."
        };
        let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}, "description": what});
        parameters.insert(0, id);
    }
    let mut responses: Map<String, Value> = Map::new();
    for (status, description, content) in &operation.answers {
        let (media, schema) = match content {
            Content::Json(name) => ("application/json", reference(name)),
            Content::Other(media) => (*media, json!({})),
        };
        let answer = json!({"description": description, "content": {media: {"schema": schema}}});
        responses.insert(status.to_string(), answer);
    }
    for (status, codes) in by_status(operation, always) {
        // `/readyz` answers 503 with a body of its own.
        responses.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": codes.join(", "),
                "content": {"application/json": {"schema": reference("Error")}},
            })
        });
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses,
    });
    if let Some(fields) = described.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(schema) = operation.body {
            let body =
                json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}});
            fields.insert("requestBody".to_owned(), body);
        }
    }
    described
}

/// The codes with which an operation can be refused, by their status.
fn by_status(operation: &Operation, always: &[ErrorCode]) -> BTreeMap<u16, Vec<&'static str>> {
    let body = if operation.body.is_some() { BODY } else { &[] };
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = Default::default();
    for code in always.iter().chain(body).chain(operation.errors) {
        by_status.entry(code.status()).or_default().push(code.as_str());
    }
    by_status
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn schemas() -> Value {
    json!({
        "Draft": accepted::<Draft>(),
        "TaskDraft": accepted::<TaskDraft>(),
        "Command": accepted::<Command>(),
        "AckRequest": accepted::<AckRequest>(),
        "ReadRequest": accepted::<ReadRequest>(),
        "NakRequest": accepted::<NakRequest>(),
        "ProgressRequest": accepted::<ProgressRequest>(),
        "SendAnswer": produced::<SendAnswer>(),
        "AckAnswer": produced::<AckAnswer>(),
        "NakAnswer": produced::<NakAnswer>(),
        "ProgressAnswer": produced::<ProgressAnswer>(),
        "Readiness": produced::<Readiness>(),
        "Error": produced::<ErrorBody>(),
        "Agent": produced::<AgentShown>(),
        "AgentPage": produced::<Page<Agent>>(),
        "ConversationPage": produced::<Page<Conversation>>(),
        "MessagePage": produced::<Page<Message>>(),
        "RoomPage": produced::<Page<Room>>(),
        "RoomAnswer": produced::<RoomAnswer>(),
        "Task": produced::<Task>(),
        "TaskPage": produced::<Page<Task>>(),
        "AlertPage": produced::<Page<Alert>>(),
        "CommandAnswer": produced::<CommandAnswer>(),
        "Explanation": produced::<Explanation>(),
        "Fsm": produced::<Fsm>(),
        "TransitionPage": produced::<Page<Transition>>(),
        // These carry messages as published, which may be foreign ones: nothing narrower can be promised.
        "InboxAnswer": accepted::<InboxAnswer>(),
        "InboxPeek": accepted::<InboxPeek>(),
        "Message": accepted::<Message>(),
        "Trace": accepted::<Trace>(),
    })
}

fn accepted<T: JsonSchema>() -> Value {
    let mut schema = derive::<T>(SchemaSettings::draft2020_12().for_deserialize());
    normalise::accepted(&mut schema);
    schema
}

fn produced<T: JsonSchema>() -> Value {
    let mut schema = derive::<T>(SchemaSettings::draft2020_12().for_serialize());
    normalise::produced(&mut schema);
    schema
}

fn derive<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        // OpenAPI 3.1 names the dialect for the whole document.
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_schema_is_used_and_every_reference_leads_to_one() {
        let document = document();
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let known: BTreeSet<String> = schemas
            .keys()
            .map(|name| format!("#/components/schemas/{name}"))
            .collect();
        assert_eq!(
            used.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
            known
        );
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_an_answer() {
        let operations = operations();
        let names: BTreeSet<&str> = operations.iter().map(|operation| operation.id).collect();
        assert_eq!(names.len(), operations.len());
        for operation in &operations {
            assert!(!operation.answers.is_empty(), "{}", operation.id);
        }
    }
}
