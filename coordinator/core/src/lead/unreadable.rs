//! Mail to the coordinator that says nothing: it becomes a dead letter, so that somebody can see it and mend its sender.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::coordination::Coordination;
use super::order::Desk;
use crate::log::Letter;

/// Longest subject and detail that are quoted, in characters.
const QUOTED_MAX: usize = 1_000;

/// A record of a stream that the leader listens to, and that it cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it lies.
    pub stream: Stream,
    /// Its sequence there.
    pub seq: u64,
    /// Its subject.
    pub subject: String,
    /// Its `Nats-Msg-Id`.
    pub msg_id: Option<String>,
    /// Whether it is no record at all, or contradicts itself.
    pub reason: DeadReason,
    /// What exactly is wrong.
    pub detail: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl Coordination {
    /// A record was read that says nothing.
    pub fn unreadable(&mut self, desk: &mut Desk<'_>, mail: &Unreadable) {
        if !self.leads() || mail.seq <= self.read_to(mail.stream) {
            return;
        }
        match mail.stream {
            Stream::Messages => self.read_messages = mail.seq,
            Stream::Receipts => self.read_receipts = mail.seq,
            Stream::Tasks | Stream::Events | Stream::Dlq => {}
        }
        let at = self.stamp(desk.now);
        let stream = mail.stream.name(&self.hive);
        let letter = dead_letter(mail, stream, desk.ids.fresh(), at);
        self.publish(desk, letter);
        let sender = Subject::parse(&self.hive, &mail.subject).ok();
        if let Some(Subject::Message { from, .. }) = sender
            && let Some(Ok(message)) = mail.msg_id.as_ref().map(|id| id.parse::<Id>())
        {
            let told = receipt((from, message), mail.reason, desk.ids.fresh(), at);
            self.publish(desk, told);
        }
    }
}

fn dead_letter(mail: &Unreadable, stream: String, id: Id, at: Timestamp) -> Letter {
    let from = AgentId::coordinator();
    let letter = DeadLetter {
        id,
        message_id: mail.msg_id.as_ref().and_then(|id| id.parse().ok()),
        stream,
        stream_seq: mail.seq,
        subject: mail.subject.chars().take(QUOTED_MAX).collect(),
        agent: from.clone(),
        reason: mail.reason,
        delivery: 1,
        detail: mail.detail.chars().take(QUOTED_MAX).collect(),
        body_base64: (mail.payload.len() <= MESSAGE_BYTES_MAX).then(|| STANDARD.encode(&mail.payload)),
        at,
    };
    let reason = mail.reason;
    Letter {
        subject: Subject::Dlq { reason, from },
        id,
        event_type: "io.wagglebus.dead_letter.v1.dead_letter".to_owned(),
        // Plain data with text keys is always encoded.
        body: serde_json::to_vec(&letter).unwrap_or_default().into(),
    }
}

/// What the sender hears: its message is dead.
fn receipt(sent: (AgentId, Id), reason: DeadReason, id: Id, at: Timestamp) -> Letter {
    let reason = ReceiptReason::Dead(reason);
    let receipt = Receipt::by_coordinator(id, sent, AgentId::coordinator(), reason, at);
    Letter {
        subject: Subject::Receipt {
            to: receipt.sender.clone(),
            level: receipt.level,
            from: AgentId::coordinator(),
        },
        id,
        event_type: "io.wagglebus.receipt.v1.receipt".to_owned(),
        body: serde_json::to_vec(&receipt).unwrap_or_default().into(),
    }
}
