//! Messages in answers: their bytes exactly as published, so that fields unknown to us survive.

use serde::Serialize;
use serde_json::value::RawValue;
use wagglebus_http::Refusal;
use wagglebus_http::history::raw;
use wagglebus_schemas::Timestamp;
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

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
}
