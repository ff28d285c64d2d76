//! Bytes to records, or a named reason why not.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::address::RecipientKind;
use crate::draft::Draft;
use crate::limits::{CONTENT_BYTES_MAX, LINE_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::message::Message;
use crate::reason::DeadReason;
use crate::shape;
use crate::strict_json::{self, StrictJsonError};
use crate::subject::Subject;

/// Longest reason why a record is none, in characters. Serde quotes a value that it does not like in full, and whoever sent it
/// must not make the refusal longer than a record may be.
const REASON_CHARS_MAX: usize = 500;
/// For fields of which a null that is there is a value, and not an absence.
///
/// # Errors
/// Those of the deserializer.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Why bytes are not the record that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the record may be.
    #[error("{bytes} bytes are over the bound of {bytes_max}")]
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] StrictJsonError),
    /// JSON, but not this record.
    #[error("not a {record}: {reason}")]
    Record {
        /// The record that was expected.
        record: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a published message must not be handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its bytes are not a message.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Its body says something else than its subject or its `Nats-Msg-Id`.
    #[error("{field} is {body:?} in the body but {envelope:?} in the envelope")]
    Disagrees {
        /// The field of the body.
        field: &'static str,
        /// What the body says.
        body: String,
        /// What subject or header say.
        envelope: String,
    },
}

impl Refusal {
    /// The reason under which its dead letter is filed.
    pub const fn dead_reason(&self) -> DeadReason {
        match self {
            Self::Undecodable(_) => DeadReason::Undecodable,
            Self::Disagrees { .. } => DeadReason::Refused,
        }
    }
}

/// Decodes any record of the contract from at most `bytes_max` bytes.
///
/// # Errors
/// See [`DecodeError`].
pub fn record<T: DeserializeOwned>(
    record: &'static str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > bytes_max {
        return Err(DecodeError::TooLarge {
            bytes: bytes.len(),
            bytes_max,
        });
    }
    let value = strict_json::parse(bytes)?;
    shape::read(value).map_err(|e| DecodeError::Record {
        record,
        reason: shortened(e.to_string()),
    })
}

fn shortened(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(REASON_CHARS_MAX) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

/// Decodes a draft from an agent, including the byte bound of its content.
///
/// # Errors
/// See [`DecodeError`].
pub fn draft(bytes: &[u8]) -> Result<Draft, DecodeError> {
    let draft: Draft = record("draft", bytes, LINE_BYTES_MAX)?;
    content_bound(&draft.content)?;
    Ok(draft)
}

/// Decodes a published message and checks it against its envelope: the subject beats the body (DESIGN 3.2).
///
/// `msg_id` is the value of `Nats-Msg-Id`.
///
/// # Errors
/// See [`Refusal`].
pub fn message(subject: &Subject, msg_id: Option<&str>, bytes: &[u8]) -> Result<Message, Refusal> {
    let message = message_body(bytes)?;
    let (to, priority, from) = match subject {
        Subject::Message { to, priority, from } => (RecipientKind::Agent(to.clone()), priority, from),
        Subject::Room { room, priority, from } => (RecipientKind::Room(room.clone()), priority, from),
        Subject::Receipt { .. }
        | Subject::Control { .. }
        | Subject::Task { .. }
        | Subject::Event { .. }
        | Subject::Report { .. }
        | Subject::Dlq { .. }
        | Subject::Heartbeat { .. }
        | Subject::Api { .. }
        | Subject::WakeMessage { .. }
        | Subject::WakeReceipt { .. }
        | Subject::WakeControl { .. } => {
            return Err(Refusal::Undecodable(DecodeError::Record {
                record: "message",
                reason: "its subject is not that of a message".to_owned(),
            }));
        }
    };
    let id = message.id.to_string();
    agree("id", &id, msg_id.unwrap_or_default())?;
    agree("from_agent", message.from_agent.as_str(), from.as_str())?;
    agree("priority", message.priority.as_str(), priority.as_str())?;
    if *message.to_agent.kind() != to {
        return Err(disagrees(
            "to_agent",
            message.to_agent.as_str(),
            &format!("{to:?}"),
        ));
    }
    Ok(message)
}

/// Decodes the bytes of a message without comparing them with an envelope.
///
/// # Errors
/// See [`DecodeError`].
pub(crate) fn message_body(bytes: &[u8]) -> Result<Message, DecodeError> {
    let message: Message = record("message", bytes, MESSAGE_BYTES_MAX)?;
    content_bound(&message.content)?;
    Ok(message)
}

fn content_bound(content: &str) -> Result<(), DecodeError> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(DecodeError::TooLarge {
            bytes: content.len(),
            bytes_max: CONTENT_BYTES_MAX,
        });
    }
    Ok(())
}

fn agree(field: &'static str, body: &str, envelope: &str) -> Result<(), Refusal> {
    if body == envelope {
        Ok(())
    } else {
        Err(disagrees(field, body, envelope))
    }
}

fn disagrees(field: &'static str, body: &str, envelope: &str) -> Refusal {
    Refusal::Disagrees {
        field,
        body: body.to_owned(),
        envelope: envelope.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hive::Hive;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn body(change: (&str, serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::json!({
            "id": ID, "from_agent": "alice", "to_agent": "bob", "content": "hi", "priority": "high",
            "timestamp": "2026-01-02T03:04:05.678Z",
        });
        value[change.0] = change.1;
        serde_json::to_vec(&value).unwrap()
    }

    fn decode(subject: &str, msg_id: Option<&str>, bytes: &[u8]) -> Result<Message, Refusal> {
        message(&Subject::parse(&Hive::default(), subject).unwrap(), msg_id, bytes)
    }

    #[test]
    fn a_minimal_message_gets_its_defaults() {
        let m = decode("wb.msg.bob.high.alice", Some(ID), &body(("x", 1.into()))).unwrap();
        assert_eq!(m.conversation_id, m.id);
        assert!(!m.acknowledged && m.metadata.is_empty());
    }

    #[test]
    fn a_body_that_disagrees_with_its_envelope_is_refused() {
        let subject = "wb.msg.bob.high.alice";
        for (field, value) in [
            ("from_agent", "mallory".into()),
            ("to_agent", "room:bob".into()),
            ("priority", "urgent".into()),
            ("id", "0192f0c1-7c1e-7b11-8a52-000000000000".into()),
        ] {
            let refusal = decode(subject, Some(ID), &body((field, value))).unwrap_err();
            assert!(
                matches!(&refusal, Refusal::Disagrees { field: f, .. } if *f == field),
                "{refusal:?}"
            );
            assert_eq!(refusal.dead_reason(), DeadReason::Refused);
        }
        let refusal = decode(subject, None, &body(("x", 1.into()))).unwrap_err();
        assert!(matches!(refusal, Refusal::Disagrees { field: "id", .. }));
    }

    #[test]
    fn what_is_no_message_is_undecodable() {
        for bytes in [
            &b"{"[..],
            b"[]",
            &body(("content", 7.into())),
            &body(("priority", "soon".into())),
        ] {
            let refusal = decode("wb.msg.bob.high.alice", Some(ID), bytes).unwrap_err();
            assert_eq!(refusal.dead_reason(), DeadReason::Undecodable);
        }
    }

    #[test]
    fn a_refusal_quotes_no_more_than_a_little() {
        for text in ["a", "\u{7f}", "€"] {
            let error = record::<u64>(
                "number",
                &serde_json::to_vec(&text.repeat(100_000)).unwrap(),
                1 << 20,
            );
            let why = error.unwrap_err().to_string();
            assert!(why.starts_with("not a number: ") && why.ends_with('…'), "{why}");
            assert!(why.chars().count() < REASON_CHARS_MAX + 20, "{}", why.len());
        }
    }

    #[test]
    fn the_content_bound_counts_bytes() {
        let bytes = body(("content", "é".repeat(CONTENT_BYTES_MAX / 2 + 1).into()));
        let too_large = Err(Refusal::Undecodable(DecodeError::TooLarge {
            bytes: CONTENT_BYTES_MAX + 2,
            bytes_max: CONTENT_BYTES_MAX,
        }));
        assert_eq!(decode("wb.msg.bob.high.alice", Some(ID), &bytes), too_large);
    }
}
