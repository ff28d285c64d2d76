//! Marks: letters of the operator about letters, which say what was done about them (ADR 26, 36).

use serde::Serialize;
use serde_json::{Value, json};
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp, headers};

use super::letters::Found;
use super::publish::{NotAcked, store};

/// Key of a mark, beside those of a dead letter: the message that was sent instead.
const RETRIED_AS: &str = "retried_as";
/// Key of a mark: the sequence of that message in `WB_MESSAGES`.
const RETRIED_SEQ: &str = "retried_seq";

/// What was done about a letter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// It is put away, with what the operator said.
    Dropped(DeadLetter),
    /// Its message was sent again.
    Retried(Retried),
}

/// Another try of a dead message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retried {
    /// The new message.
    pub(super) id: Id,
    /// Its sequence in `WB_MESSAGES`.
    pub(super) seq: u64,
    /// When that was written down: right after it was stored.
    pub(super) at: Timestamp,
}

impl Retried {
    /// As programs read it.
    pub(super) fn json(self) -> Value {
        json!({ "id": self.id, "stream_seq": self.seq, "at": self.at })
    }
}

/// What a letter says about another one of the stream `dlq`. Only the operator does that, and nobody else can write
/// under that name.
pub(super) fn read(letter: &DeadLetter, body: &Value, dlq: &str) -> Option<Mark> {
    if letter.stream != dlq || letter.agent != AgentId::operator() {
        return None;
    }
    match letter.reason {
        DeadReason::Operator => Some(Mark::Dropped(letter.clone())),
        DeadReason::Superseded => {
            let id = body.get(RETRIED_AS)?.as_str()?.parse().ok()?;
            let seq = body.get(RETRIED_SEQ)?.as_u64()?;
            let at = letter.at;
            Some(Mark::Retried(Retried { id, seq, at }))
        }
        DeadReason::MaxDeliver
        | DeadReason::Expired
        | DeadReason::Undecodable
        | DeadReason::Refused
        | DeadReason::HopLimit => None,
    }
}

/// A mark as it is written: a dead letter, and the message that was sent instead.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Written {
    #[serde(flatten)]
    letter: DeadLetter,
    /// See [`RETRIED_AS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_as: Option<Id>,
    /// See [`RETRIED_SEQ`].
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_seq: Option<u64>,
}

/// The letter that puts `found` away; `why` is for people and may be empty.
pub(super) fn drop_of(hive: &Hive, found: &Found, why: &str, id: Id, at: Timestamp) -> Written {
    let why = if why.is_empty() { "dropped" } else { why };
    Written {
        letter: about(hive, found, DeadReason::Operator, why.to_owned(), id, at),
        retried_as: None,
        retried_seq: None,
    }
}

/// The letter `id` that says what was sent instead of the message of `found`.
pub(super) fn retry_of(hive: &Hive, found: &Found, retried: Retried, id: Id) -> Written {
    let Retried { id: new, seq, at } = retried;
    let detail = format!("sent again as {new}");
    Written {
        letter: about(hive, found, DeadReason::Superseded, detail, id, at),
        retried_as: Some(new),
        retried_seq: Some(seq),
    }
}

fn about(
    hive: &Hive,
    found: &Found,
    reason: DeadReason,
    detail: String,
    id: Id,
    at: Timestamp,
) -> DeadLetter {
    DeadLetter {
        id,
        message_id: found.letter.message_id,
        stream: Stream::Dlq.name(hive),
        stream_seq: found.seq,
        subject: found.subject.clone(),
        agent: AgentId::operator(),
        reason,
        delivery: 0,
        detail,
        body_base64: None,
        at,
    }
}

/// Publishes a mark.
pub(super) async fn put(bus: &impl Bus, hive: &Hive, mark: &Written) -> Result<(), NotAcked> {
    let letter = &mark.letter;
    let subject = Subject::Dlq {
        reason: letter.reason,
        from: letter.agent.clone(),
    };
    let record = Outgoing {
        id: letter.id,
        expected_stream: Some(Stream::Dlq.name(hive)),
        headers: vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, letter.id.to_string()),
            (headers::CE_TYPE, "io.wagglebus.dead_letter.v1.dead_letter".into()),
            (headers::CE_SOURCE, format!("/{hive}/{}", letter.agent)),
            (headers::CE_TIME, letter.at.to_string()),
        ],
        subject: subject.build(hive),
        payload: serde_json::to_vec(mark).unwrap_or_default().into(),
        expected_last_subject_seq: None,
    };
    store(bus, record).await.map(|_| ())
}
