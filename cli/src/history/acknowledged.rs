//! Which messages of a history their recipients have settled, by the receipts that say so.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Message, Timestamp, decode};

use super::Kept;
use super::back::{Look, newest};
use crate::reader::{ReadError, Reader, Stored};

/// About so many receipts are looked at; what older ones said is not known.
const LOOKS_MAX: usize = 5_000;
/// More pairs of sender and recipient than this are looked up by sender alone.
const PAIRS_MAX: usize = 16;

/// Sender and id: ids of different senders may be equal.
type Key = (AgentId, Id);

/// Sets `acknowledged` where a receipt `done` of the recipient is found.
pub(super) async fn acknowledge(reader: &Reader, hive: &Hive, items: &mut [Kept]) -> Result<(), ReadError> {
    let asked = by_key(items.iter().map(|kept| &kept.message));
    let oldest = items.iter().map(|kept| kept.message.timestamp.min(kept.at)).min();
    let Some(oldest) = oldest else { return Ok(()) };
    let subjects = subjects(hive, asked.values());
    let look = Look {
        stream: &Stream::Receipts.name(hive),
        subjects: &subjects,
        limit: LOOKS_MAX,
        looks_max: LOOKS_MAX,
        since: Timestamp::from_unix_ms(oldest.unix_ms().saturating_sub(1_000).max(0)).ok(),
        until: None,
    };
    let done = newest(reader, &look, |stored| settled(hive, &asked, &stored));
    let done: BTreeSet<Key> = done.await?.items.into_iter().collect();
    for kept in items {
        if done.contains(&key(&kept.message)) {
            kept.message.acknowledged = true;
        }
        if let Some(body) = kept.body.as_object_mut() {
            body.insert("acknowledged".into(), kept.message.acknowledged.into());
        }
    }
    Ok(())
}

fn key(message: &Message) -> Key {
    (message.from_agent.clone(), message.id)
}

fn by_key<'a>(messages: impl Iterator<Item = &'a Message>) -> BTreeMap<Key, Message> {
    messages.map(|message| (key(message), message.clone())).collect()
}

/// The message that its addressee is done with, as a receipt says.
fn settled(hive: &Hive, asked: &BTreeMap<Key, Message>, stored: &Stored) -> Option<Key> {
    let Ok(Subject::Receipt { to, from, .. }) = Subject::parse(hive, &stored.subject) else {
        return None;
    };
    let receipt: Receipt = decode::record("receipt", &stored.payload, MESSAGE_BYTES_MAX).ok()?;
    let key = (to, receipt.message_id);
    asked
        .get(&key)
        .is_some_and(|message| is_addressee(message, &from))
        .then_some(key)
}

/// Only an addressee can tell; of a room each member is one.
fn is_addressee(message: &Message, agent: &AgentId) -> bool {
    message.to_agent.agent().is_none_or(|to| to == agent)
}

fn subjects<'a>(hive: &Hive, messages: impl Iterator<Item = &'a Message>) -> Vec<String> {
    let pairs: BTreeSet<(&str, &str)> = messages
        .map(|message| {
            let to = message.to_agent.agent().map_or("*", AgentId::as_str);
            (message.from_agent.as_str(), to)
        })
        .collect();
    let pairs = if pairs.len() > PAIRS_MAX {
        pairs.into_iter().map(|(sender, _)| (sender, "*")).collect()
    } else {
        pairs
    };
    let subject = |(sender, agent)| format!("{hive}.receipt.{sender}.done.{agent}");
    pairs.into_iter().map(subject).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(from: &str, to: &str) -> Message {
        let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
        serde_json::from_value(
            json!({ "id": id, "from_agent": from, "to_agent": to, "content": "",
            "timestamp": "2026-01-02T03:04:05.000Z" }),
        )
        .unwrap()
    }

    #[test]
    fn each_pair_is_asked_for_once() {
        let hive = Hive::default();
        let messages = [
            message("alice", "bob"),
            message("alice", "bob"),
            message("bob", "all"),
        ];
        assert_eq!(
            subjects(&hive, messages.iter()),
            ["wb.receipt.alice.done.bob", "wb.receipt.bob.done.*"]
        );
        let many: Vec<Message> = (0..20).map(|n| message("alice", &format!("agent-{n}"))).collect();
        assert_eq!(subjects(&hive, many.iter()), ["wb.receipt.alice.done.*"]);
        let carol = "carol".parse().unwrap();
        assert!(is_addressee(&message("alice", "all"), &carol));
        assert!(!is_addressee(&message("alice", "bob"), &carol));
    }

    #[test]
    fn equal_ids_of_two_senders_are_two_messages() {
        let hive = Hive::default();
        let messages = [message("alice", "bob"), message("carol", "bob")];
        let asked = by_key(messages.iter());
        let id = messages[0].id;
        let receipt = |sender: &str, of: &str| {
            let body = json!({ "id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3e", "message_id": id, "sender": sender,
                "agent": of, "level": "done", "levels": [{ "level": "done", "at": "2026-01-02T03:04:05.000Z" }],
                "bridge": null, "proof": "none", "delivery": 1, "epoch": 1, "at": "2026-01-02T03:04:05.000Z" });
            let stored = Stored {
                seq: 1,
                subject: format!("wb.receipt.{sender}.done.{of}"),
                time: String::new(),
                msg_id: None,
                payload: body.to_string().into_bytes(),
            };
            settled(&hive, &asked, &stored)
        };
        for sender in ["alice", "carol"] {
            assert_eq!(receipt(sender, "bob"), Some((sender.parse().unwrap(), id)));
        }
        assert_eq!(receipt("alice", "carol"), None, "no addressee");
        assert_eq!(receipt("dora", "bob"), None, "of no message that is asked for");
    }
}
