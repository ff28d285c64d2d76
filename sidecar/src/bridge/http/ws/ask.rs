//! What a client's frame asks for.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::{Draft, Level, decode};

use super::super::stream::SLOTS_MAX;
use crate::bridge::stdio::frame::{self, Line};

/// How long a sender waits for a level, in seconds, unless it says otherwise.
const WAIT_DEFAULT: f64 = 5.0;
/// How long it may, in seconds.
const WAIT_MAX: f64 = 3_600.0;

/// What a client's frame asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ask {
    /// To send a message.
    Send {
        draft: Box<Draft>,
        wait: Option<Level>,
        timeout: Duration,
        park: bool,
    },
    /// What a child says by the frame of the same name.
    Said(Line),
    /// Whether somebody is there.
    Heartbeat,
    /// To hold so many messages at once.
    Subscribe { slots: usize },
}

#[derive(Debug, Deserialize)]
struct How {
    #[serde(default)]
    wait: Option<Level>,
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    park: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    slots: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads a frame: how its result is to be named, and what it asks for.
pub(super) fn read(text: &[u8]) -> (Option<Value>, Result<Ask, ErrorDetail>) {
    let mut object: Map<String, Value> = match decode::record("frame", text, LINE_BYTES_MAX) {
        Ok(object) => object,
        Err(error) => return (None, Err(frame::refused(&error))),
    };
    let name = object.remove("ref");
    if name
        .as_ref()
        .is_some_and(|name| name.is_object() || name.is_array())
    {
        return (None, Err(invalid("ref must be text or a number".to_owned())));
    }
    (name, ask(object))
}

fn ask(mut object: Map<String, Value>) -> Result<Ask, ErrorDetail> {
    let op = object.remove("op").unwrap_or_default();
    match op.as_str() {
        Some("send") => send(object),
        Some(verb @ ("ack" | "nak" | "progress" | "task")) => {
            object.insert("$".to_owned(), verb.into());
            frame::verb(object).map(Ask::Said)
        }
        Some("heartbeat") => fields::<Nothing>(object).map(|Nothing {}| Ask::Heartbeat),
        Some("subscribe") => {
            let slots = fields::<Subscribe>(object)?.slots.unwrap_or(1);
            if !(1..=SLOTS_MAX).contains(&slots) {
                return Err(invalid(format!("slots {slots} is outside 1 to {SLOTS_MAX}")));
            }
            Ok(Ask::Subscribe { slots })
        }
        _ => Err(invalid(format!(
            "{op} is no op: use send, ack, nak, progress, heartbeat, subscribe or task"
        ))),
    }
}

fn send(mut object: Map<String, Value>) -> Result<Ask, ErrorDetail> {
    let mut how = Map::new();
    for name in ["wait", "timeout", "park"] {
        how.extend(object.remove(name).map(|value| (name.to_owned(), value)));
    }
    let How { wait, timeout, park } = fields(how)?;
    let seconds = timeout.unwrap_or(WAIT_DEFAULT);
    if !(0.0..=WAIT_MAX).contains(&seconds) {
        return Err(invalid(format!(
            "timeout {seconds} is outside 0 to {WAIT_MAX} seconds"
        )));
    }
    let bytes = Value::Object(object).to_string().into_bytes();
    let draft = decode::draft(&bytes).map_err(|error| frame::refused(&error))?;
    Ok(Ask::Send {
        draft: Box::new(draft),
        wait,
        timeout: Duration::from_secs_f64(seconds),
        park,
    })
}

fn fields<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, ErrorDetail> {
    T::deserialize(Value::Object(object)).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: String) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidMessage, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn frame(value: Value) -> (Option<Value>, Result<Ask, ErrorCode>) {
        let (name, ask) = read(value.to_string().as_bytes());
        (name, ask.map_err(|error| error.code))
    }

    #[test]
    fn each_op_is_read() {
        let (name, ask) = frame(json!({
            "op": "send", "ref": 7, "to_agent": "bob", "content": "hi", "wait": "stored", "timeout": 0.5, "park": true,
        }));
        let Ok(Ask::Send {
            draft,
            wait,
            timeout,
            park,
        }) = ask
        else {
            panic!("{ask:?}")
        };
        assert_eq!((name, wait, park), (Some(json!(7)), Some(Level::Stored), true));
        assert_eq!((draft.content.as_str(), timeout.as_millis()), ("hi", 500));
        let ack = Line::Ack {
            id: ID.parse().unwrap(),
            lease: Some("4.1".into()),
            done: false,
        };
        let (name, ask) = frame(json!({ "op": "ack", "ref": "a", "id": ID, "lease": "4.1", "done": false }));
        assert_eq!((name, ask), (Some(json!("a")), Ok(Ask::Said(ack))));
        assert_eq!(frame(json!({ "op": "heartbeat" })).1, Ok(Ask::Heartbeat));
        let subscribe = frame(json!({ "op": "subscribe", "slots": 3 })).1;
        assert_eq!(subscribe, Ok(Ask::Subscribe { slots: 3 }));
        let task = frame(json!({ "op": "task", "verb": "accept", "task_id": ID })).1;
        assert!(matches!(task, Ok(Ask::Said(Line::Task(_)))));
    }

    #[test]
    fn a_bad_frame_is_named() {
        for bad in [
            json!({ "op": "shout" }),
            json!({ "op": "ready" }),
            json!({}),
            json!({ "op": "ack" }),
            json!({ "op": "ack", "id": ID, "more": 1 }),
            json!({ "op": "heartbeat", "more": 1 }),
            json!({ "op": "subscribe", "slots": 0 }),
            json!({ "op": "subscribe", "slots": 33 }),
            json!({ "op": "send", "to_agent": "bob" }),
            json!({ "op": "send", "to_agent": "bob", "content": "x", "timeout": -1 }),
            json!({ "op": "send", "to_agent": "bob", "content": "x", "wait": "soon" }),
            json!({ "op": "task", "verb": "control", "action": "halt" }),
        ] {
            assert_eq!(frame(bad.clone()).1, Err(ErrorCode::InvalidMessage), "{bad}");
        }
        assert_eq!(
            read(b"{\"op\":1,\"op\":2}").1.unwrap_err().code,
            ErrorCode::InvalidJson
        );
    }
}
