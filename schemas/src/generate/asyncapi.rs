//! The AsyncAPI 3.0 document: who publishes what under which subject, drawn from the registry.

use serde_json::{Map, Value, json};

use crate::command::TaskVerb;
use crate::event::EventKind;
use crate::family::{Carrier, Family};
use crate::headers;
use crate::hive::Hive;
use crate::level::ReceiptLevel;
use crate::priority::Priority;
use crate::reason::DeadReason;
use crate::registry::{Place, RECORD_TYPES, RecordType};
use crate::subject::{ApiMethod, ReportKind};

/// The name of the channel on which the coordinator answers.
const REPLIES: &str = "api_reply";

/// The whole document.
pub(super) fn document() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    for family in Family::ALL.iter().copied() {
        channels.insert(family.name().to_owned(), family_channel(family));
        let (name, messages) = (family.name(), messages_of(family));
        let reply = (family.carrier() == Carrier::Request)
            .then(|| json!({"channel": reference("channels", REPLIES)}));
        let publish = format!("Published by {}.", family.writer());
        let read = format!("Read by {}.", family.reader());
        operations.insert(
            format!("send_{name}"),
            operation("send", name, &publish, &messages, reply),
        );
        operations.insert(
            format!("receive_{name}"),
            operation("receive", name, &read, &messages, None),
        );
    }
    for (record_type, bucket) in RECORD_TYPES.iter().filter_map(in_bucket) {
        let name = format!("{}_key", record_type.name);
        channels.insert(name.clone(), bucket);
        let summary = format!("Written by {}.", record_type.writer);
        operations.insert(
            format!("send_{name}"),
            operation("send", &name, &summary, &[record_type.name], None),
        );
    }
    channels.insert(REPLIES.to_owned(), reply_channel());
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:wagglebus:asyncapi:v1",
        "info": {
            "title": "wagglebus",
            "version": "1.0.0",
            "description": "Durable, prioritised messages between agents over NATS JetStream. The last token of a \
                subject is always its publisher, so that a permission says who may speak as whom.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages(), "parameters": parameters()},
    })
}

fn family_channel(family: Family) -> Value {
    let kept = match family.carrier() {
        Carrier::Stream(stream) => format!("Kept in the stream {}.", stream.name(&Hive::default())),
        Carrier::Live => "Core NATS: whoever listens now gets it.".to_owned(),
        Carrier::Request => "Core NATS request; answered by one message on the reply subject.".to_owned(),
    };
    channel(
        family.template(),
        &format!("{} {kept}", family.summary()),
        &messages_of(family),
    )
}

/// The names of the messages in a family.
fn messages_of(family: Family) -> Vec<&'static str> {
    match family {
        Family::Api => vec!["api_request"],
        Family::WakeMessage | Family::WakeReceipt => vec!["wake"],
        Family::Message
        | Family::Room
        | Family::Receipt
        | Family::Control
        | Family::Task
        | Family::Event
        | Family::Report
        | Family::Dlq
        | Family::Heartbeat => {
            let travels =
                |t: &&RecordType| matches!(t.place, Place::Subjects(families) if families.contains(&family));
            RECORD_TYPES.iter().filter(travels).map(|t| t.name).collect()
        }
    }
}

/// The record type and its channel, when it is the value of a key.
fn in_bucket(record_type: &'static RecordType) -> Option<(&'static RecordType, Value)> {
    let Place::Bucket(bucket) = record_type.place else {
        return None;
    };
    let name = bucket.name(&Hive::default());
    let channel = channel(
        &format!("$KV.{{HIVE}}_{bucket}.{{agent}}"),
        &format!("One key for each agent in the bucket {name}; the latest value counts."),
        &[record_type.name],
    );
    Some((record_type, channel))
}

fn channel(address: &str, description: &str, messages: &[&str]) -> Value {
    let parameter = |name: &str| (name.to_owned(), reference("components/parameters", name));
    let parameters: Map<_, _> = placeholders(address).map(parameter).collect();
    fields([
        ("address", Some(address.into())),
        ("description", Some(description.into())),
        ("parameters", Some(parameters.into())),
        (
            "messages",
            (!messages.is_empty()).then(|| in_components(messages)),
        ),
    ])
}

fn reply_channel() -> Value {
    json!({
        "address": null,
        "description": "Answers to requests, on the reply subject of each.",
        "messages": in_components(&["agents_answer", "agent", "resolve_answer", "error"]),
    })
}

/// The placeholders of an address, from left to right.
fn placeholders(address: &str) -> impl Iterator<Item = &str> {
    address
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
}

fn operation(action: &str, channel: &str, summary: &str, messages: &[&str], reply: Option<Value>) -> Value {
    let place = format!("channels/{channel}/messages");
    let messages: Vec<Value> = messages.iter().map(|name| reference(&place, name)).collect();
    fields([
        ("action", Some(action.into())),
        ("channel", Some(reference("channels", channel))),
        ("summary", Some(summary.into())),
        ("messages", (!messages.is_empty()).then(|| messages.into())),
        ("reply", reply),
    ])
}

/// An object of those fields that have a value.
fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let present = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    fields
        .into_iter()
        .filter_map(present)
        .collect::<Map<_, _>>()
        .into()
}

fn reference(place: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{place}/{name}")})
}

fn in_components(messages: &[&str]) -> Value {
    let entry = |name: &&str| ((*name).to_owned(), reference("components/messages", name));
    messages.iter().map(entry).collect::<Map<_, _>>().into()
}

fn schema_file(name: &str) -> Value {
    json!({"$ref": format!("json/v1/{name}.json")})
}

fn messages() -> Map<String, Value> {
    let on_the_bus = |t: &&RecordType| t.place != Place::Local;
    let mut messages: Map<String, Value> = RECORD_TYPES
        .iter()
        .filter(on_the_bus)
        .map(|t| {
            let message = fields([
                ("name", Some(t.name.into())),
                ("headers", headers_of(t)),
                ("payload", Some(schema_file(t.name))),
            ]);
            (t.name.to_owned(), message)
        })
        .collect();
    let agent = || schema_file("agent");
    let cursor =
        json!({"type": ["string", "null"], "description": "Where the next page begins; null at the end."});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let others = [
        (
            "api_request",
            object(json!({"to": {"type": "string", "description": "Of `resolve`: the address."}})),
        ),
        (
            "agents_answer",
            object(json!({"items": {"type": "array", "items": agent()}, "next_cursor": cursor})),
        ),
        ("resolve_answer", object(json!({"agent": agent()}))),
        (
            "wake",
            json!({"type": "string", "maxLength": 0, "description": "Empty; the headers are those of the record."}),
        ),
    ];
    for (name, payload) in others {
        messages.insert(name.to_owned(), json!({"name": name, "payload": payload}));
    }
    messages
}

/// The headers that a record is published with.
fn headers_of(record_type: &RecordType) -> Option<Value> {
    let Place::Subjects(families) = record_type.place else {
        return None;
    };
    let kept = families
        .iter()
        .any(|family| matches!(family.carrier(), Carrier::Stream(_)));
    let mut properties = Map::new();
    let mut header = |name: &str, description: &str| {
        properties.insert(
            name.to_owned(),
            json!({"type": "string", "description": description}),
        );
    };
    if kept {
        header(
            headers::MSG_ID,
            "The record's own id: the stream keeps one record for each.",
        );
    }
    if families.contains(&Family::Message) {
        header(headers::CE_SPECVERSION, "CloudEvents version, 1.0.");
        header(headers::CE_ID, "The message's id.");
        header(headers::CE_TYPE, "io.wagglebus.message.v1.<message_type>");
        header(headers::CE_SOURCE, "/<hive>/<from>");
        header(headers::CE_SUBJECT, "The message's `to_agent`.");
        header(headers::CE_TIME, "The message's timestamp.");
        header(headers::TRACEPARENT, "W3C trace context.");
    }
    (!properties.is_empty()).then(|| json!({"type": "object", "properties": properties}))
}

/// What stands in the wake of a receipt where its level does.
fn wake_level() -> Value {
    let levels = ReceiptLevel::ALL.iter().map(|level| level.as_str());
    let words: Vec<&str> = levels.chain(["control"]).collect();
    json!({"description": "The receipt's level; `control`: no receipt, but a control.", "enum": words})
}

fn parameters() -> Value {
    fn words<W: Copy + std::fmt::Display>(description: &str, words: &[W]) -> Value {
        let words: Vec<String> = words.iter().map(W::to_string).collect();
        json!({"description": description, "enum": words})
    }
    let name = |description: &str| json!({"description": description});
    json!({
        "hive": {"description": "Name of the tenant, ^[a-z][a-z0-9]{0,15}$.", "default": Hive::default().as_str()},
        "HIVE": {"description": "The hive in upper case.", "default": Hive::default().upper()},
        "agent": name("Whose key, ^[a-z0-9][a-z0-9_-]{0,62}$."),
        "to": name("Agent to whom it goes, ^[a-z0-9][a-z0-9_-]{0,62}$."),
        "from": name("Agent that publishes, ^[a-z0-9][a-z0-9_-]{0,62}$; the server lets it use no other name."),
        "room": name("Room, ^[a-z0-9][a-z0-9_-]{0,62}$."),
        "priority": words("The lane.", Priority::ALL),
        "receipt_level": words("The highest level that the receipt reports.", ReceiptLevel::ALL),
        "wake_level": wake_level(),
        "task_verb": words("What the command asks.", TaskVerb::ALL),
        "event_kind": words("What the event is about.", EventKind::ALL),
        "report_kind": words("What the report is about.", ReportKind::ALL),
        "dead_reason": words("Why the message is dead.", DeadReason::ALL),
        "method": words("What is asked.", ApiMethod::ALL),
    })
}
