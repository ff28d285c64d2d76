//! Mail that nobody read and that the stream is about to drop: it becomes a dead letter, and its sender hears of it.

use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::decode;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Hive, Id, Message, Timestamp};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How long before the stream drops a message it counts as unread for good, in milliseconds: a day (DESIGN 6), and of a
/// stream that keeps messages for a shorter time than two days, half of that.
pub const fn margin_ms(max_age_ms: u64) -> u64 {
    const DAY_MS: u64 = 86_400_000;
    if max_age_ms < 2 * DAY_MS {
        max_age_ms / 2
    } else {
        DAY_MS
    }
}

/// How often it is looked for such mail, in milliseconds: often enough to be in time, at most once an hour.
pub const fn period_ms(max_age_ms: u64) -> u64 {
    const HOUR_MS: u64 = 3_600_000;
    let quarter = margin_ms(max_age_ms) / 4;
    if quarter < HOUR_MS { quarter } else { HOUR_MS }
}

/// A message that nobody read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread<'a> {
    /// Whose mail it is.
    pub agent: &'a AgentId,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// Its subject.
    pub subject: &'a str,
    /// Its `Nats-Msg-Id`.
    pub msg_id: Option<&'a str>,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A record to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// Its id.
    pub id: Id,
    /// The stream that must take it.
    pub stream: Stream,
    /// Its subject.
    pub subject: String,
    /// Its CloudEvents type.
    pub event_type: String,
    /// The agent that it is addressed to, where it is a message.
    pub addressee: Option<AgentId>,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What is to be stored before the message may be acked: the dead letter first, then what its sender hears. `ids` are
/// three that nobody can guess.
pub fn expire(hive: &Hive, unread: &Unread<'_>, ids: [Id; 3], at: Timestamp) -> Vec<Filing> {
    let [letter_id, receipt_id, notice_id] = ids;
    let message = Subject::parse(hive, unread.subject)
        .ok()
        .and_then(|subject| decode::message(&subject, unread.msg_id, unread.payload).ok());
    let letter = DeadLetter {
        id: letter_id,
        message_id: message.as_ref().map(|message| message.id),
        stream: Stream::Messages.name(hive),
        stream_seq: unread.stream_seq,
        subject: unread.subject.to_owned(),
        agent: unread.agent.clone(),
        reason: DeadReason::Expired,
        delivery: 0,
        detail: "nobody read it before the stream drops it".to_owned(),
        body_base64: (unread.payload.len() <= MESSAGE_BYTES_MAX).then(|| STANDARD.encode(unread.payload)),
        at,
    };
    let from = AgentId::coordinator();
    let reason = DeadReason::Expired;
    let mut filings = vec![Filing {
        id: letter_id,
        stream: Stream::Dlq,
        subject: Subject::Dlq { reason, from }.build(hive),
        event_type: "io.wagglebus.dead_letter.v1.dead_letter".to_owned(),
        addressee: None,
        payload: serde_json::to_vec(&letter).unwrap_or_default(),
    }];
    // The death of a notice is not announced: two dead inboxes would notify each other for ever.
    if let Some(message) = message.filter(|message| !is_notice(message)) {
        filings.push(receipt(hive, unread.agent, &message, receipt_id, at));
        filings.extend(notice(hive, unread.agent, &message, notice_id, at));
    }
    filings
}

fn is_notice(message: &Message) -> bool {
    let kind = message
        .metadata
        .get(metadata::KIND)
        .and_then(|kind| kind.as_str());
    kind == Some(metadata::KIND_UNDELIVERABLE)
}

fn receipt(hive: &Hive, agent: &AgentId, message: &Message, id: Id, at: Timestamp) -> Filing {
    let sent = (message.from_agent.clone(), message.id);
    let reason = ReceiptReason::Dead(DeadReason::Expired);
    let receipt = Receipt::by_coordinator(id, sent, agent.clone(), reason, at);
    let subject = Subject::Receipt {
        to: receipt.sender.clone(),
        level: receipt.level,
        from: AgentId::coordinator(),
    };
    Filing {
        id,
        stream: Stream::Receipts,
        subject: subject.build(hive),
        event_type: "io.wagglebus.receipt.v1.receipt".to_owned(),
        addressee: None,
        payload: serde_json::to_vec(&receipt).unwrap_or_default(),
    }
}

/// A message to the sender's inbox. The coordinator has none.
fn notice(hive: &Hive, agent: &AgentId, dead: &Message, id: Id, at: Timestamp) -> Option<Filing> {
    let (me, to) = (AgentId::coordinator(), dead.from_agent.clone());
    if to == me || to == *agent {
        return None;
    }
    let text = format!(
        "Your message {} to {agent} was not delivered: expired (nobody read it before the stream drops it).",
        dead.id
    );
    let mut draft = Draft::text(to.clone().into(), text);
    draft.message_type = MessageType::Status;
    let about = [
        (metadata::KIND, metadata::KIND_UNDELIVERABLE.to_owned()),
        (metadata::IN_REPLY_TO, dead.id.to_string()),
    ];
    draft
        .metadata
        .extend(about.map(|(key, value)| (key.to_owned(), value.into())));
    let subject = Subject::Message {
        to: to.clone(),
        priority: draft.priority,
        from: me.clone(),
    };
    let event_type = format!("io.wagglebus.message.v1.{}", draft.message_type);
    let payload = serde_json::to_vec(&draft.into_message(id, me, at)).ok()?;
    Some(Filing {
        id,
        stream: Stream::Messages,
        subject: subject.build(hive),
        event_type,
        addressee: Some(to),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Priority;

    const DAY_MS: u64 = 86_400_000;

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    fn filed(from: &str, change: impl FnOnce(&mut Draft)) -> Vec<Filing> {
        let (hive, at) = (Hive::default(), Timestamp::from_unix_ms(1).unwrap());
        let (from, bob): (AgentId, AgentId) = (from.parse().unwrap(), "bob".parse().unwrap());
        let mut draft = Draft::text(bob.clone().into(), "hello".to_owned());
        draft.priority = Priority::Low;
        change(&mut draft);
        let payload = serde_json::to_vec(&draft.into_message(id(9), from.clone(), at)).unwrap();
        let unread = Unread {
            agent: &bob,
            stream_seq: 5,
            subject: &format!("wb.msg.bob.low.{from}"),
            msg_id: Some(&id(9).to_string()),
            payload: &payload,
        };
        expire(&hive, &unread, [id(1), id(2), id(3)], at)
    }

    fn subjects(filings: &[Filing]) -> Vec<&str> {
        filings.iter().map(|filing| filing.subject.as_str()).collect()
    }

    #[test]
    fn the_letter_comes_first_and_the_sender_hears_of_it() {
        let filings = filed("alice", |_| {});
        assert_eq!(
            subjects(&filings),
            [
                "wb.dlq.expired.coordinator",
                "wb.receipt.alice.dead.coordinator",
                "wb.msg.alice.normal.coordinator"
            ]
        );
        let letter: DeadLetter = serde_json::from_slice(&filings[0].payload).unwrap();
        assert_eq!(
            (letter.agent.as_str(), letter.stream_seq, letter.message_id),
            ("bob", 5, Some(id(9)))
        );
        let notice: Message = serde_json::from_slice(&filings[2].payload).unwrap();
        assert!(is_notice(&notice) && notice.content.contains(&id(9).to_string()));
    }

    #[test]
    fn the_death_of_a_notice_is_not_announced_and_nobody_writes_to_themselves() {
        let dlq = ["wb.dlq.expired.coordinator"];
        let notice = filed("alice", |draft| {
            let kind = metadata::KIND_UNDELIVERABLE;
            draft.metadata.insert(metadata::KIND.into(), kind.into());
        });
        assert_eq!(subjects(&notice), dlq);
        assert_eq!(subjects(&filed("bob", |_| {})).len(), 2);
        let (hive, bob) = (Hive::default(), "bob".parse().unwrap());
        let odd = Unread {
            agent: &bob,
            stream_seq: 5,
            subject: "wb.msg.bob.low.alice",
            msg_id: None,
            payload: b"no message",
        };
        let at = Timestamp::from_unix_ms(1).unwrap();
        assert_eq!(subjects(&expire(&hive, &odd, [id(1), id(2), id(3)], at)), dlq);
    }

    #[test]
    fn there_is_a_day_left_or_half_of_what_there_is() {
        assert_eq!(margin_ms(30 * DAY_MS), DAY_MS);
        assert_eq!(margin_ms(20_000), 10_000);
        assert_eq!(period_ms(30 * DAY_MS), 3_600_000);
        assert_eq!(period_ms(20_000), 2_500);
    }
}
