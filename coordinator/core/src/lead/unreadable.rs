//! Mail to the coordinator that says nothing: it becomes a dead letter, so that somebody can see it and mend its sender.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id};

use super::coordination::Coordination;
use super::order::Desk;
use crate::log::Letter;
use crate::log::letter::of_receipt;
use crate::log::post::{Origin, Owed};

/// Longest subject that is quoted, in characters.
const SUBJECT_MAX: usize = 1_000;
/// Longest detail that is quoted, in characters: many stand in one line of the log.
const DETAIL_MAX: usize = 500;

/// A record as it lies in its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its subject.
    pub subject: String,
    /// Its `Nats-Msg-Id`.
    pub msg_id: Option<String>,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A record of a stream that the leader listens to, and that it cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it lies.
    pub origin: Origin,
    /// The record.
    pub record: Record,
    /// Whether it is no record at all, or contradicts itself.
    pub reason: DeadReason,
    /// What exactly is wrong.
    pub detail: String,
}

impl Coordination {
    /// A record was read that says nothing.
    pub fn unreadable(&mut self, desk: &mut Desk<'_>, mail: &Unreadable) {
        let origin = mail.origin;
        if !self.leads() || origin.seq <= self.read_to(origin.stream) {
            return;
        }
        match origin.stream {
            Stream::Messages => self.read_messages = origin.seq,
            Stream::Receipts => self.read_receipts = origin.seq,
            Stream::Tasks | Stream::Events | Stream::Dlq => {}
        }
        if self.posting.knows(origin) {
            return;
        }
        let letter = desk.ids.fresh();
        let owed = Owed {
            origin,
            letter,
            receipt: sent(&self.hive, &mail.record).map(|_| desk.ids.fresh()),
            reason: mail.reason,
            detail: mail.detail.chars().take(DETAIL_MAX).collect(),
            at: self.stamp(desk.now),
        };
        self.owe(desk, owed, &mail.record);
    }
}

/// Whose message it is, and which.
fn sent(hive: &Hive, record: &Record) -> Option<(AgentId, Id)> {
    let Ok(Subject::Message { from, .. }) = Subject::parse(hive, &record.subject) else {
        return None;
    };
    Some((from, msg_id(record)?))
}

fn msg_id(record: &Record) -> Option<Id> {
    record.msg_id.as_ref()?.parse().ok()
}

/// The dead letter, and what the sender hears: its message is dead.
pub(super) fn letters(hive: &Hive, owed: &Owed, record: &Record) -> impl Iterator<Item = Letter> + use<> {
    let receipt = owed.receipt.zip(sent(hive, record)).and_then(|(id, sent)| {
        let reason = ReceiptReason::Dead(owed.reason);
        let receipt = Receipt::by_coordinator(id, sent, AgentId::coordinator(), reason, owed.at);
        of_receipt(&receipt)
    });
    [dead_letter(hive, owed, record)].into_iter().chain(receipt)
}

fn dead_letter(hive: &Hive, owed: &Owed, record: &Record) -> Letter {
    let from = AgentId::coordinator();
    let (id, reason) = (owed.letter, owed.reason);
    let letter = DeadLetter {
        id,
        message_id: msg_id(record),
        stream: owed.origin.stream.name(hive),
        stream_seq: owed.origin.seq,
        subject: record.subject.chars().take(SUBJECT_MAX).collect(),
        agent: from.clone(),
        reason,
        delivery: 1,
        detail: owed.detail.clone(),
        body_base64: (record.payload.len() <= MESSAGE_BYTES_MAX).then(|| STANDARD.encode(&record.payload)),
        at: owed.at,
    };
    Letter {
        subject: Subject::Dlq { reason, from },
        id,
        event_type: "io.wagglebus.dead_letter.v1.dead_letter".to_owned(),
        // Plain data with text keys is always encoded.
        body: serde_json::to_vec(&letter).unwrap_or_default().into(),
    }
}
