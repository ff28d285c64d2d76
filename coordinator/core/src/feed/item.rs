//! A record of a stream as the feed shows it.

use std::collections::BTreeSet;

use serde_json::Value;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::feed::FeedKind;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, decode};

use super::kind::of_log;
use super::position::Source;

/// What the data of the log's lines calls an agent.
const AGENT_FIELDS: [&str; 5] = ["agent", "assigned_to", "submitted_by", "refused_by", "failed_on"];

/// A record as it lies in its stream.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its stream.
    pub source: Source,
    /// Its sequence there.
    pub seq: u64,
    /// Its subject.
    pub subject: &'a str,
    /// Its `Nats-Msg-Id`.
    pub id: Option<&'a str>,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A record that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its stream.
    pub source: Source,
    /// Its sequence there.
    pub seq: u64,
    /// What it is about.
    pub kind: FeedKind,
    /// The agents that it is about.
    pub concerns: BTreeSet<AgentId>,
    /// Of all agents, only those may see it.
    pub private: bool,
    /// The record as it was published, on one line.
    pub body: Vec<u8>,
}

/// Why a record is not shown: nobody can make sense of it, or it says something else than its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {seq} cannot be shown: {reason}", of.as_str())]
pub struct Unreadable {
    of: Source,
    seq: u64,
    reason: String,
}

/// A record as the feed shows it; `None` when the feed has no name for it.
///
/// # Errors
/// [`Unreadable`]; readers pass over it, as recipients do.
pub fn read(hive: &Hive, record: Record<'_>) -> Result<Option<Item>, Unreadable> {
    let known = match record.source {
        Source::Events => event(record.payload),
        Source::Messages => message(hive, &record).map(Some),
        Source::Receipts => receipt(hive, &record),
    };
    let known = known.map_err(|reason| Unreadable {
        of: record.source,
        seq: record.seq,
        reason,
    })?;
    Ok(known.map(|(kind, concerns)| Item {
        source: record.source,
        seq: record.seq,
        kind,
        concerns,
        private: record.source != Source::Events,
        body: one_line(record.payload),
    }))
}

type Known = (FeedKind, BTreeSet<AgentId>);

fn event(payload: &[u8]) -> Result<Option<Known>, String> {
    let event: Event = decode::record("event", payload, LINE_BYTES_MAX).map_err(|error| error.to_string())?;
    Ok(of_log(event.entity).map(|kind| (kind, concerned(&event))))
}

/// Who made it happen, whom it changes, who is told.
fn concerned(event: &Event) -> BTreeSet<AgentId> {
    let data = &event.data;
    let entity = (event.entity == EventKind::Agent).then_some(event.entity_id.as_str());
    let named = AGENT_FIELDS.iter().filter_map(|field| data.get(*field)?.as_str());
    let list = |field| data.get(field).and_then(Value::as_array).into_iter().flatten();
    let listed = list("agents").filter_map(Value::as_str);
    // With the reason behind it.
    let released = list("released").take(1).filter_map(Value::as_str);
    let told = list("follows").filter_map(|follow| follow.get("to")?.as_str());
    let names = entity
        .into_iter()
        .chain(named)
        .chain(listed)
        .chain(released)
        .chain(told);
    let mut agents: BTreeSet<AgentId> = names.filter_map(|name| name.parse().ok()).collect();
    agents.insert(event.actor.clone());
    agents
}

fn message(hive: &Hive, record: &Record<'_>) -> Result<Known, String> {
    let subject = Subject::parse(hive, record.subject).map_err(|error| error.to_string())?;
    let message = decode::message(&subject, record.id, record.payload).map_err(|error| error.to_string())?;
    // Who is in a room is not written on what is said there.
    let to = if let Subject::Message { to, .. } = subject {
        Some(to)
    } else {
        None
    };
    let concerns = to.into_iter().chain([message.from_agent]).collect();
    Ok((FeedKind::Message, concerns))
}

fn receipt(hive: &Hive, record: &Record<'_>) -> Result<Option<Known>, String> {
    let (to, level, from) = match Subject::parse(hive, record.subject) {
        Ok(Subject::Receipt { to, level, from }) => (to, level, from),
        // The log tells what the operator wants of whom.
        Ok(Subject::Control { .. }) => return Ok(None),
        Ok(_) | Err(_) => return Err("its subject is not that of a receipt".to_owned()),
    };
    let receipt: Receipt =
        decode::record("receipt", record.payload, LINE_BYTES_MAX).map_err(|error| error.to_string())?;
    let by_itself = from == receipt.agent || from == AgentId::coordinator();
    if (&to, level) != (&receipt.sender, receipt.level) || !by_itself {
        return Err("it says something else than its subject".to_owned());
    }
    Ok(Some((FeedKind::Receipt, [receipt.sender, receipt.agent].into())))
}

/// A record may have line ends between its parts (never inside a text): they would end the event.
fn one_line(payload: &[u8]) -> Vec<u8> {
    let flat = |byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            *byte
        }
    };
    payload.iter().map(flat).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn shown(source: Source, subject: &str, payload: &str) -> Result<Option<Item>, Unreadable> {
        let record = Record {
            source,
            seq: 7,
            subject,
            id: Some(ID),
            payload: payload.as_bytes(),
        };
        read(&Hive::default(), record)
    }

    fn names(item: &Item) -> Vec<&str> {
        item.concerns.iter().map(AgentId::as_str).collect()
    }

    fn line(entity: &str, entity_id: &str, data: &Value) -> String {
        json!({
            "id": ID, "entity": entity, "entity_id": entity_id, "seq": 1, "from": null, "to": "x", "event": "y",
            "actor": "coordinator", "cause": {"type": "leader", "id": ID}, "guard": null,
            "at": "2026-01-02T03:04:05.678Z", "data": data,
        })
        .to_string()
    }

    #[test]
    fn a_line_of_the_log_names_whom_it_is_about() {
        let data = json!({
            "assigned_to": "bob", "released": ["carol", "lost"], "failed_on": "carol", "note": "alice",
            "follows": [{"kind": "verdict", "id": ID, "to": "sue"}],
        });
        let item = shown(
            Source::Events,
            "wb.event.task.coordinator",
            &line("task", ID, &data),
        );
        let item = item.unwrap().unwrap();
        assert_eq!((item.kind, item.private), (FeedKind::Task, false));
        assert_eq!(names(&item), ["bob", "carol", "coordinator", "sue"]);
        let agent = shown(
            Source::Events,
            "wb.event.agent.coordinator",
            &line("agent", "bob", &json!({})),
        );
        assert_eq!(names(&agent.unwrap().unwrap()), ["bob", "coordinator"]);
        let none = line("conversation", "x", &json!({}));
        assert_eq!(
            shown(Source::Events, "wb.event.conversation.coordinator", &none),
            Ok(None)
        );
    }

    fn message(from: &str) -> String {
        let timestamp = "2026-01-02T03:04:05.678Z";
        format!(
            "{{\"id\":\"{ID}\",\r\n\"from_agent\":\"{from}\",\"to_agent\":\"bob\",\"content\":\"a\\nb\",\"timestamp\":\"{timestamp}\"}}\n"
        )
    }

    #[test]
    fn a_message_is_shown_as_published_on_one_line() {
        let item = shown(Source::Messages, "wb.msg.bob.normal.alice", &message("alice"))
            .unwrap()
            .unwrap();
        assert_eq!((item.kind, item.private), (FeedKind::Message, true));
        assert_eq!(names(&item), ["alice", "bob"]);
        assert!(!item.body.contains(&b'\n') && !item.body.contains(&b'\r'));
        let body: Value = serde_json::from_slice(&item.body).unwrap();
        assert_eq!(body["content"], "a\nb");
    }

    #[test]
    fn what_recipients_would_refuse_is_not_shown() {
        let subject = "wb.msg.bob.normal.alice";
        assert!(shown(Source::Messages, subject, &message("mallory")).is_err());
        assert!(shown(Source::Messages, subject, "{").is_err());
        assert!(shown(Source::Messages, "wb.msg.bob", &message("alice")).is_err());
    }

    fn receipt(agent: &str, sender: &str) -> String {
        json!({
            "id": ID, "message_id": ID, "sender": sender, "agent": agent, "level": "done",
            "levels": [{"level": "done", "at": "2026-01-02T03:04:05.678Z"}], "bridge": null, "proof": "none",
            "delivery": 1, "epoch": 1, "at": "2026-01-02T03:04:05.678Z",
        })
        .to_string()
    }

    #[test]
    fn a_receipt_comes_from_whom_it_is_about_or_from_the_coordinator() {
        for (subject, agent, good) in [
            ("wb.receipt.alice.done.bob", "bob", true),
            ("wb.receipt.alice.done.coordinator", "bob", true),
            ("wb.receipt.alice.done.mallory", "bob", false),
            ("wb.receipt.alice.seen.bob", "bob", false),
            ("wb.receipt.carol.done.bob", "bob", false),
            ("wb.msg.alice.normal.bob", "bob", false),
        ] {
            let item = shown(Source::Receipts, subject, &receipt(agent, "alice"));
            assert_eq!(item.is_ok(), good, "{subject}");
        }
        let item = shown(
            Source::Receipts,
            "wb.receipt.alice.done.bob",
            &receipt("bob", "alice"),
        );
        assert_eq!(names(&item.unwrap().unwrap()), ["alice", "bob"]);
        let control = shown(Source::Receipts, "wb.receipt.bob.control.coordinator", "{}");
        assert_eq!(control, Ok(None));
    }
}
