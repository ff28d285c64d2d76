//! How a session speaks: server-sent events, or frames of a WebSocket.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use wagglebus_http::Refusal;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_sidecar_core::effect::Handed;
use wagglebus_sidecar_core::record::Key;

use super::event::{EventId, PING, event};
use crate::bridge::http::item::Item;

/// Something to be written to the reader.
#[derive(Debug)]
pub(in crate::bridge::http) struct Frame {
    /// As it is written. Of a WebSocket a sign of life has none, and neither has its end.
    pub(in crate::bridge::http) bytes: Bytes,
    /// The message whose hand-over it is.
    pub(in crate::bridge::http) key: Option<Key>,
    /// Why nothing follows.
    pub(in crate::bridge::http) closed: Option<&'static str>,
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes,
            key: None,
            closed: None,
        }
    }
}

/// How a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bridge::http) enum Dialect {
    /// Server-sent events.
    Sse,
    /// Frames of a WebSocket, each an object of JSON.
    Ws,
}

impl Dialect {
    /// The bridge that it is.
    pub(super) const fn bridge(self) -> Bridge {
        match self {
            Self::Sse => Bridge::Sse,
            Self::Ws => Bridge::Ws,
        }
    }

    /// A message or a notice, with its lease.
    pub(super) fn message(self, id: EventId, key: &Key, handed: &Handed) -> Result<Frame, Refusal> {
        let item = Item::of(handed)?;
        let name = if handed.notice { "task" } else { "message" };
        let bytes = match self {
            Self::Sse => event(id, name, &item),
            Self::Ws => with_fields(&item, &[("op", json!(name)), ("seq", json!(id.n))]),
        };
        Ok(Frame {
            key: Some(key.clone()),
            ..bytes.into()
        })
    }

    pub(super) fn receipt(self, id: EventId, receipt: &Receipt) -> Frame {
        match self {
            Self::Sse => event(id, "receipt", receipt),
            Self::Ws => with_fields(receipt, &[("op", json!("receipt"))]),
        }
        .into()
    }

    pub(super) fn closed(self, id: EventId, reason: &'static str) -> Frame {
        let bytes = match self {
            Self::Sse => event(id, "closed", &json!({ "reason": reason })),
            Self::Ws => Bytes::new(),
        };
        Frame {
            closed: Some(reason),
            ..bytes.into()
        }
    }

    pub(super) fn ping(self) -> Frame {
        match self {
            Self::Sse => PING,
            Self::Ws => Bytes::new(),
        }
        .into()
    }
}

/// The JSON of an object with further fields in front. Its own parts stay as they are, byte by byte.
pub(in crate::bridge::http) fn with_fields(
    object: &impl Serialize,
    fields: &[(&str, serde_json::Value)],
) -> Bytes {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", json!(name)));
    let front = fields.collect::<Vec<_>>().join(",");
    // Ours are structs and maps with text keys, which JSON can always hold.
    let inner = serde_json::to_string(object).unwrap_or_default();
    match inner.strip_prefix('{') {
        Some("}") | None => format!("{{{front}}}"),
        Some(rest) => format!("{{{front},{rest}"),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use wagglebus_schemas::Timestamp;

    #[test]
    fn a_frame_of_a_websocket_is_the_item_with_two_more_fields() {
        let handed = Handed {
            raw: Bytes::from_static(b"{ \"id\": 1, \"unknown\": 1.50 }"),
            lease: "4.1".to_owned(),
            lease_expires_at: Timestamp::from_unix_ms(0).unwrap(),
            delivery: 1,
            redelivered: false,
            notice: true,
        };
        let key = Key {
            from: "alice".parse().unwrap(),
            id: wagglebus_schemas::Id::from_bytes([1; 16]),
        };
        let id = EventId { epoch: 7, n: 3 };
        let frame = Dialect::Ws.message(id, &key, &handed).unwrap();
        let text = std::str::from_utf8(&frame.bytes).unwrap();
        assert_eq!(
            text,
            "{\"op\":\"task\",\"seq\":3,\"message\":{ \"id\": 1, \"unknown\": 1.50 },\"lease\":\"4.1\",\
             \"lease_expires_at\":\"1970-01-01T00:00:00.000Z\",\"delivery\":1,\"redelivered\":false}"
        );
    }

    #[test]
    fn fields_come_in_front_of_whatever_is_there() {
        let fields = [("op", json!("result")), ("ok", json!(true))];
        for (object, count) in [(json!({}), 2), (json!({ "a": 1 }), 3)] {
            let value: Value = serde_json::from_slice(&with_fields(&object, &fields)).unwrap();
            assert_eq!(value.as_object().unwrap().len(), count, "{value}");
        }
    }
}
