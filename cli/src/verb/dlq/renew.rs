//! Makes a new message of a dead one (ADR 15). Pure.

use serde_json::{Map, Value};
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Id, Message, Timestamp, decode, strict_json};

use super::letters::Found;

/// Key of a message's metadata: the dead message that it repeats.
const RETRY_OF: &str = "retry_of";

/// A message to be published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Renewed {
    /// The subject of the dead one.
    pub(super) subject: String,
    pub(super) message: Message,
    pub(super) bytes: Vec<u8>,
    /// Whether the dead one had a time after which it was not to be delivered.
    pub(super) expired: bool,
}

/// Why a dead message cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("its bytes were not kept, because they are over the bound; its sender must send it")]
    NotKept,
    #[error("it was posted to a room, whose other members have it; post it again instead")]
    Room,
    #[error("its subject is no message's")]
    NoMessage,
    #[error("it would be refused again: {0}")]
    Refused(String),
}

/// The dead letter's message under a new id, as of now: everything else is the sender's own, fields included that we do
/// not know. A time after which it was not to be delivered is left out, because whoever retries wants it delivered.
pub(super) fn renew(hive: &Hive, found: &Found, id: Id, now: Timestamp) -> Result<Renewed, Unfit> {
    let subject = subject_of(hive, &found.letter)?;
    let original = found.original().ok_or(Unfit::NotKept)?;
    let refused = |error: &dyn std::error::Error| Unfit::Refused(error.to_string());
    let mut value = strict_json::parse(&original).map_err(|error| refused(&error))?;
    // The id in the header does not matter any more: both become the new one.
    let own_id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    let dead = decode::message(&subject, own_id.as_deref(), &original).map_err(|error| refused(&error))?;
    let Value::Object(object) = &mut value else {
        return Err(Unfit::NoMessage);
    };
    object.insert("id".into(), id.to_string().into());
    object.insert("timestamp".into(), now.to_string().into());
    object.insert("conversation_id".into(), dead.conversation_id.to_string().into());
    let mut metadata: Map<String, Value> = dead.metadata;
    let expired = metadata.remove(metadata::EXPIRES_AT).is_some();
    metadata.insert(RETRY_OF.into(), dead.id.to_string().into());
    object.insert("metadata".into(), metadata.into());
    let bytes = value.to_string().into_bytes();
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Unfit::Refused(format!(
            "{} bytes are over the bound of {MESSAGE_BYTES_MAX}",
            bytes.len()
        )));
    }
    let message =
        decode::message(&subject, Some(&id.to_string()), &bytes).map_err(|error| refused(&error))?;
    Ok(Renewed {
        subject: found.letter.subject.clone(),
        message,
        bytes,
        expired,
    })
}

/// The subject under which it can be published again.
pub(super) fn subject_of(hive: &Hive, letter: &DeadLetter) -> Result<Subject, Unfit> {
    if letter.body_base64.is_none() {
        return Err(Unfit::NotKept);
    }
    let subject = Subject::parse(hive, &letter.subject).map_err(|_| Unfit::NoMessage)?;
    if let Subject::Room { .. } = subject {
        return Err(Unfit::Room);
    }
    if let Subject::Message { to, .. } = &subject
        && *to == letter.agent
    {
        return Ok(subject);
    }
    Err(Unfit::NoMessage)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::letters::tests::{MESSAGE, body};
    use super::*;

    const NEW: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33";

    fn renewed(subject: &str, original: Option<&[u8]>) -> Result<Renewed, Unfit> {
        let body = body(subject, original);
        let letter = serde_json::from_value(body.clone()).unwrap();
        renew(
            &Hive::default(),
            &Found {
                letter,
                body,
                seq: 1,
                subject: "wb.dlq.max_deliver.bob".into(),
                dropped: None,
                retried: Vec::new(),
            },
            NEW.parse().unwrap(),
            Timestamp::EPOCH,
        )
    }

    fn original() -> Value {
        json!({ "id": MESSAGE, "from_agent": "alice", "to_agent": "bob", "content": "x", "priority": "high",
                "timestamp": "2026-01-02T03:04:05.000Z", "foreign": [1], "metadata": { "expires_at": "2026-01-02T03:04:06.000Z", "a": 1 } })
    }

    #[test]
    fn only_id_time_and_metadata_are_new() {
        let renewed = renewed("wb.msg.bob.high.alice", Some(original().to_string().as_bytes())).unwrap();
        let value: Value = serde_json::from_slice(&renewed.bytes).unwrap();
        let mut expected = original();
        expected["id"] = NEW.into();
        expected["timestamp"] = Timestamp::EPOCH.to_string().into();
        expected["conversation_id"] = MESSAGE.into();
        expected["metadata"] = json!({ "retry_of": MESSAGE, "a": 1 });
        assert_eq!(value, expected);
        assert!(renewed.expired && renewed.message.from_agent.as_str() == "alice");
        assert_eq!(renewed.subject, "wb.msg.bob.high.alice");
    }

    #[test]
    fn what_would_die_again_is_not_sent() {
        let good = original().to_string();
        let good = Some(good.as_bytes());
        for (subject, original, part) in [
            ("wb.msg.bob.high.alice", None, "not kept"),
            ("wb.msg.bob.high.mallory", good, "refused again"),
            ("wb.msg.bob.high.alice", Some(&b"{"[..]), "refused again"),
            ("wb.msg.bob.high.alice", Some(&b"[]"[..]), "refused again"),
            ("wb.msg.carol.high.alice", good, "no message"),
            ("wb.room.all.high.alice", good, "room"),
            ("wb.receipt.bob.done.alice", good, "no message"),
            ("elsewhere", good, "no message"),
        ] {
            let why = renewed(subject, original).unwrap_err().to_string();
            assert!(why.contains(part), "{subject}: {why}");
        }
    }
}
