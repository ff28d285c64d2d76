//! What is shown, as bytes: server-sent events, and text frames of a WebSocket.

use serde::Serialize;
use serde_json::{Value, json};
use wagglebus_schemas::feed::FeedKind;

use super::item::Item;
use super::position::Position;
use super::resume::Gap;

/// Milliseconds after which a browser that lost its stream asks for it again.
const RETRY_MS: u32 = 1_000;

/// The beginning of a stream of events: from which position on. It has no data, so it is no event, but its id is the one
/// that a reader comes back with.
pub fn open(position: Position) -> Vec<u8> {
    format!(": open\nretry: {RETRY_MS}\nid: {position}\n\n").into_bytes()
}

/// Appends an event; its id is the position behind it.
pub fn event(out: &mut Vec<u8>, position: Position, item: &Item) {
    let head = format!("id: {position}\nevent: {}\ndata: ", item.kind);
    out.reserve(head.len() + item.body.len() + 2);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&item.body);
    out.extend_from_slice(b"\n\n");
}

/// Appends the news that events are missing before this position.
pub fn gap(out: &mut Vec<u8>, position: Position, gap: &Gap) {
    let data = json(gap);
    out.extend_from_slice(format!("id: {position}\nevent: gap\ndata: {data}\n\n").as_bytes());
}

/// Appends counters. They have no place in the streams, so they leave the reader's id as it is.
pub fn metric(out: &mut Vec<u8>, counters: &Value) {
    out.extend_from_slice(format!("event: {}\ndata: {counters}\n\n", FeedKind::Metric).as_bytes());
}

/// Appends a sign of life. A position that moved past events which this reader did not ask for goes with it, so that a
/// reader that seldom gets an event need not come back from far behind.
pub fn ping(out: &mut Vec<u8>, moved: Option<Position>) {
    out.extend_from_slice(b": ping\n");
    if let Some(position) = moved {
        out.extend_from_slice(format!("id: {position}\n").as_bytes());
    }
    out.push(b'\n');
}

/// An event as a frame: `{"op":"event","id","kind","data"}`.
pub fn event_text(position: Position, item: &Item) -> String {
    let body = String::from_utf8_lossy(&item.body);
    format!(
        "{{\"op\":\"event\",\"id\":\"{position}\",\"kind\":\"{}\",\"data\":{body}}}",
        item.kind
    )
}

/// A gap as a frame: `{"op":"gap","id","stream","after","next","reason"}`.
pub fn gap_text(position: Position, gap: &Gap) -> String {
    let mut frame = json!({ "op": "gap", "id": position.to_string() });
    if let (Value::Object(frame), Value::Object(gap)) = (&mut frame, json!(gap)) {
        frame.extend(gap);
    }
    frame.to_string()
}

/// Counters as a frame: an event without an id.
pub fn metric_text(counters: &Value) -> String {
    json!({ "op": "event", "kind": FeedKind::Metric, "data": counters }).to_string()
}

/// A sign of life as a frame: `{"op":"ping","id"}`.
pub fn ping_text(position: Position) -> String {
    json!({ "op": "ping", "id": position.to_string() }).to_string()
}

fn json(data: &impl Serialize) -> String {
    // Structs of ours, which JSON can always hold.
    serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::position::Source;
    use super::super::resume::GapReason;
    use super::*;

    fn item() -> Item {
        Item {
            source: Source::Events,
            seq: 7,
            kind: FeedKind::Task,
            concerns: [].into(),
            private: false,
            body: b"{\"a\":1}".to_vec(),
        }
    }

    const GAP: Gap = Gap {
        stream: "messages",
        after: 3,
        next: 9,
        reason: GapReason::Expired,
    };

    #[test]
    fn server_sent_events() {
        let at = Position::new(7, 8, 9);
        let mut out = open(at);
        event(&mut out, at, &item());
        gap(&mut out, at, &GAP);
        metric(&mut out, &json!({"leads": true}));
        ping(&mut out, None);
        ping(&mut out, Some(at));
        let expected = ": open\nretry: 1000\nid: 7.8.9\n\n\
            id: 7.8.9\nevent: task\ndata: {\"a\":1}\n\n\
            id: 7.8.9\nevent: gap\ndata: {\"stream\":\"messages\",\"after\":3,\"next\":9,\"reason\":\"expired\"}\n\n\
            event: metric\ndata: {\"leads\":true}\n\n\
            : ping\n\n\
            : ping\nid: 7.8.9\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn frames_are_json() {
        let at = Position::new(7, 8, 9);
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(
            read(event_text(at, &item())),
            json!({"op": "event", "id": "7.8.9", "kind": "task", "data": {"a": 1}})
        );
        assert_eq!(
            read(gap_text(at, &GAP)),
            json!({"op": "gap", "id": "7.8.9", "stream": "messages", "after": 3, "next": 9, "reason": "expired"})
        );
        assert_eq!(
            read(metric_text(&json!({"leads": true}))),
            json!({"op": "event", "kind": "metric", "data": {"leads": true}})
        );
        assert_eq!(read(ping_text(at)), json!({"op": "ping", "id": "7.8.9"}));
    }
}
