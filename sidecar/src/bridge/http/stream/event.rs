//! Server-sent events: their names on the stream, and their bytes.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;

/// A comment that keeps the connection alive.
pub(super) const PING: Bytes = Bytes::from_static(b": ping\n\n");

/// An event's id: the lease's epoch, and a number that grows by one with each event of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bridge::http) struct EventId {
    pub(super) epoch: u64,
    pub(super) n: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.n)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, n) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self {
            epoch: epoch.parse()?,
            n: n.parse()?,
        })
    }
}

/// The bytes of an event.
pub(super) fn event(id: EventId, name: &str, data: &impl Serialize) -> Bytes {
    let mut bytes = format!("id: {id}\nevent: {name}\ndata: ").into_bytes();
    let begin = bytes.len();
    if serde_json::to_writer(&mut bytes, data).is_err() {
        // Our events are structs, which JSON can always hold.
        bytes.truncate(begin);
        bytes.extend_from_slice(b"null");
    }
    // A message as published may have line ends between its parts (never inside a string): they would end the data.
    for byte in bytes
        .iter_mut()
        .skip(begin)
        .filter(|byte| matches!(**byte, b'\n' | b'\r'))
    {
        *byte = b' ';
    }
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn data_is_one_line_whatever_was_published() {
        let raw: Box<RawValue> = serde_json::from_str("{\r\n \"a\": \"x\\ny\"\n}").unwrap();
        let bytes = event(EventId { epoch: 7, n: 3 }, "message", &raw);
        assert_eq!(bytes, "id: 7-3\nevent: message\ndata: {   \"a\": \"x\\ny\" }\n\n");
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = EventId { epoch: 7, n: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "7", "7-", "-3", "7-x", "7-3-1"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
