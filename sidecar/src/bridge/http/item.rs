//! Messages in answers: their bytes exactly as published, so that fields unknown to us survive.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wagglebus_http::Refusal;
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_sidecar_core::effect::Handed;

/// A message in the agent's hands, as [`InboxItem`](wagglebus_schemas::api::InboxItem) describes it.
#[derive(Debug, Serialize)]
pub(super) struct Item<'a> {
    message: &'a RawValue,
    lease: &'a str,
    lease_expires_at: Timestamp,
    delivery: u32,
    redelivered: bool,
}

impl<'a> Item<'a> {
    /// Shows a message that is handed over.
    pub(super) fn of(handed: &'a Handed) -> Result<Self, Refusal> {
        Ok(Self {
            message: raw(&handed.raw)?,
            lease: &handed.lease,
            lease_expires_at: handed.lease_expires_at,
            delivery: handed.delivery,
            redelivered: handed.redelivered,
        })
    }
}

/// JSON as it is. The bytes were decoded before they got here.
pub(super) fn raw(bytes: &[u8]) -> Result<&RawValue, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("its bytes are damaged in the spool: {error}"),
        )
    })
}

/// A message as history shows it: as published, but `acknowledged` once its recipient is done with it.
pub(super) fn acknowledged(bytes: Bytes, done: bool) -> Bytes {
    if !done {
        return bytes;
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("acknowledged".to_owned(), true.into());
            serde_json::to_vec(&fields).map_or(bytes, Bytes::from)
        }
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_with_the_bytes_it_was_published_with() {
        let handed = Handed {
            raw: Bytes::from_static(b"{ \"id\": 1, \"unknown\": 1.50 }"),
            lease: "4.1".to_owned(),
            lease_expires_at: Timestamp::from_unix_ms(0).unwrap(),
            delivery: 1,
            redelivered: false,
            notice: false,
        };
        let text = serde_json::to_string(&Item::of(&handed).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"message\":{ \"id\": 1, \"unknown\": 1.50 },\"lease\":\"4.1\",\
             \"lease_expires_at\":\"1970-01-01T00:00:00.000Z\",\"delivery\":1,\"redelivered\":false}"
        );
    }

    #[test]
    fn acknowledged_changes_nothing_else() {
        let bytes = Bytes::from_static(b"{\"acknowledged\":false,\"unknown\":{\"b\":1}}");
        assert_eq!(acknowledged(bytes.clone(), false), bytes);
        assert_eq!(
            acknowledged(bytes, true),
            "{\"acknowledged\":true,\"unknown\":{\"b\":1}}"
        );
    }
}
