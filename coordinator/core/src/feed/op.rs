//! What a client of the WebSocket asks for, and how it is answered.

use serde_json::{Map, Value, json};
use wagglebus_schemas::Id;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;

use super::filter::Ask;

/// Something that a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// To be shown these events instead of those before.
    Subscribe(Ask),
    /// To be shown nothing more.
    Unsubscribe,
    /// To send a message: the body of `POST /v1/messages`.
    Send {
        /// The draft as JSON.
        body: Vec<u8>,
        /// Whether the recipient may be one that nobody knows yet.
        park: bool,
    },
    /// To submit a task: the body of `POST /v1/tasks`.
    Submit {
        /// The draft as JSON.
        body: Vec<u8>,
    },
    /// To change a task: the body of `POST /v1/tasks/{id}/{verb}`.
    Task {
        /// Which task.
        task: Id,
        /// What is asked.
        verb: TaskVerb,
        /// The fields of the verb as JSON.
        body: Vec<u8>,
    },
}

/// A frame of a client: what it calls its request, and what it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Comes back with the answer; null where the client gave none.
    pub reference: Value,
    /// What is asked, or why that cannot be told.
    pub op: Result<Op, ErrorDetail>,
}

impl Request {
    /// Reads a frame.
    pub fn read(text: &[u8]) -> Self {
        match decode::record::<Map<String, Value>>("frame", text, LINE_BYTES_MAX) {
            Ok(mut frame) => Self {
                reference: frame.remove("ref").unwrap_or_default(),
                op: op(frame),
            },
            Err(error) => Self {
                reference: Value::Null,
                op: Err(undecodable(&error)),
            },
        }
    }

    /// The frame that answers it: `{"op":"result","ref","ok":true,…}` with the fields of the answer, or
    /// `{"op":"result","ref","ok":false,"error"}`.
    pub fn answer(reference: Value, answer: Result<Value, ErrorDetail>) -> String {
        let frame = match answer {
            Ok(Value::Object(fields)) => {
                let mut frame = Map::new();
                frame.extend(fields);
                frame.extend([
                    ("op".to_owned(), "result".into()),
                    ("ref".to_owned(), reference),
                    ("ok".to_owned(), true.into()),
                ]);
                Value::Object(frame)
            }
            Ok(_) => json!({ "op": "result", "ref": reference, "ok": true }),
            Err(error) => json!({ "op": "result", "ref": reference, "ok": false, "error": error }),
        };
        frame.to_string()
    }
}

fn op(mut frame: Map<String, Value>) -> Result<Op, ErrorDetail> {
    let op = frame.remove("op").unwrap_or_default();
    match op.as_str() {
        Some("subscribe") => ask(&frame).map(Op::Subscribe),
        Some("unsubscribe") => match frame.keys().next() {
            Some(unknown) => Err(invalid(format!("unsubscribe has no field {unknown:?}"))),
            None => Ok(Op::Unsubscribe),
        },
        Some("send") => {
            let park = match frame.remove("park") {
                None => false,
                Some(Value::Bool(park)) => park,
                Some(other) => return Err(invalid(format!("park is true or false, and not {other}"))),
            };
            let body = body(frame);
            Ok(Op::Send { body, park })
        }
        Some("task") => task(frame),
        _ => Err(invalid(format!(
            "{op} is no op: use subscribe, unsubscribe, send or task"
        ))),
    }
}

fn ask(frame: &Map<String, Value>) -> Result<Ask, ErrorDetail> {
    let mut pairs = Vec::new();
    for (name, value) in frame {
        let words = match value {
            Value::Array(words) => words.as_slice(),
            // As if it were absent.
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                std::slice::from_ref(value)
            }
        };
        for word in words {
            let word = word
                .as_str()
                .ok_or_else(|| invalid(format!("{name} is text, or a list of texts")))?;
            pairs.push((name.as_str(), word));
        }
    }
    Ask::read(pairs)
}

fn task(mut frame: Map<String, Value>) -> Result<Op, ErrorDetail> {
    let verb = frame.remove("verb").unwrap_or_default();
    let known = verb.as_str().and_then(|verb| verb.parse::<TaskVerb>().ok());
    // What the operator wants of agents has paths of its own.
    let Some(verb) = known.filter(|verb| *verb != TaskVerb::Control) else {
        let verbs = TaskVerb::ALL.iter().filter(|verb| **verb != TaskVerb::Control);
        let verbs: Vec<&str> = verbs.map(|verb| verb.as_str()).collect();
        let verbs = verbs.join(", ");
        return Err(invalid(format!("{verb} is no verb of a task: use {verbs}")));
    };
    if verb == TaskVerb::Submit {
        let body = body(frame);
        return Ok(Op::Submit { body });
    }
    let task = frame.remove("task_id").unwrap_or_default();
    let task = task
        .as_str()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| invalid(format!("{task} is no task_id")))?;
    let body = body(frame);
    Ok(Op::Task { task, verb, body })
}

fn body(fields: Map<String, Value>) -> Vec<u8> {
    Value::Object(fields).to_string().into_bytes()
}

fn undecodable(error: &DecodeError) -> ErrorDetail {
    let code = match error {
        DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
        DecodeError::Json(_) => ErrorCode::InvalidJson,
        DecodeError::Record { .. } => ErrorCode::InvalidMessage,
    };
    ErrorDetail::new(code, error.to_string())
}

fn invalid(why: String) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidMessage, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn op_of(frame: &Value) -> Result<Op, ErrorCode> {
        Request::read(frame.to_string().as_bytes())
            .op
            .map_err(|error| error.code)
    }

    #[test]
    fn a_subscription_is_a_query() {
        let query = Ask::read([("kind", "task,message"), ("agent", "bob"), ("after", "1.2.3")]).unwrap();
        for frame in [
            json!({"op": "subscribe", "kind": ["task", "message"], "agent": "bob", "after": "1.2.3"}),
            json!({"op": "subscribe", "kind": "message,task", "agent": ["bob"], "after": "1.2.3", "ref": 7}),
        ] {
            assert_eq!(op_of(&frame), Ok(Op::Subscribe(query.clone())));
        }
        let all = json!({"op": "subscribe", "kind": [], "agent": null});
        assert_eq!(op_of(&all), Ok(Op::Subscribe(Ask::default())));
        assert_eq!(op_of(&json!({"op": "unsubscribe"})), Ok(Op::Unsubscribe));
    }

    #[test]
    fn what_is_to_be_stored_is_passed_on_without_the_frame() {
        let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        let send = json!({"op": "send", "ref": 1, "to_agent": "bob", "content": "x", "park": true});
        let Ok(Op::Send { body, park: true }) = op_of(&send) else {
            panic!("{send}")
        };
        assert_eq!(read(&body), json!({"to_agent": "bob", "content": "x"}));
        let submit = json!({"op": "task", "verb": "submit", "title": "x"});
        let Ok(Op::Submit { body }) = op_of(&submit) else {
            panic!("{submit}")
        };
        assert_eq!(read(&body), json!({"title": "x"}));
        let done = json!({"op": "task", "verb": "complete", "task_id": ID, "epoch": 2, "result": null});
        let Ok(Op::Task {
            task,
            verb: TaskVerb::Complete,
            body,
        }) = op_of(&done)
        else {
            panic!("{done}")
        };
        assert_eq!(
            (task.to_string(), read(&body)),
            (ID.to_owned(), json!({"epoch": 2, "result": null}))
        );
    }

    #[test]
    fn a_bad_frame_is_named_and_answered() {
        for (bad, code) in [
            (json!([]), ErrorCode::InvalidMessage),
            (json!({}), ErrorCode::InvalidMessage),
            (json!({"op": "shout"}), ErrorCode::InvalidMessage),
            (json!({"op": "subscribe", "kind": "x"}), ErrorCode::InvalidQuery),
            (json!({"op": "subscribe", "kind": 7}), ErrorCode::InvalidMessage),
            (json!({"op": "subscribe", "limit": "7"}), ErrorCode::InvalidQuery),
            (
                json!({"op": "unsubscribe", "kind": "task"}),
                ErrorCode::InvalidMessage,
            ),
            (json!({"op": "send", "park": "yes"}), ErrorCode::InvalidMessage),
            (
                json!({"op": "task", "verb": "control"}),
                ErrorCode::InvalidMessage,
            ),
            (
                json!({"op": "task", "verb": "accept", "task_id": "7"}),
                ErrorCode::InvalidMessage,
            ),
        ] {
            assert_eq!(op_of(&bad), Err(code), "{bad}");
        }
        let request = Request::read(b"{");
        assert_eq!(request.op.unwrap_err().code, ErrorCode::InvalidJson);
        let request = Request::read(br#"{"op":"x","ref":{"a":1}}"#);
        let answer: Value = serde_json::from_str(&Request::answer(
            request.reference,
            request.op.map(|_| Value::Null),
        ))
        .unwrap();
        assert_eq!(
            (&answer["op"], &answer["ref"], &answer["ok"]),
            (&json!("result"), &json!({"a": 1}), &json!(false))
        );
        assert_eq!(answer["error"]["code"], "invalid_message");
    }

    #[test]
    fn an_answer_has_the_fields_of_what_it_answers_with() {
        let answer = Request::answer(json!("a"), Ok(json!({"id": ID, "level": "stored", "ok": "x"})));
        assert_eq!(
            serde_json::from_str::<Value>(&answer).unwrap(),
            json!({"op": "result", "ref": "a", "ok": true, "id": ID, "level": "stored"})
        );
    }
}
