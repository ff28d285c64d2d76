//! Reads `WB_DLQ` and drops what was written twice.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, decode, strict_json};

use super::mark;
use super::mark::{Mark, Retried};
use crate::failure::Failure;
use crate::reader::{Reader, Stored};

/// The newest letters, at most this many, are looked at.
const LOOK_BACK: u64 = 10_000;
/// Longest letter, in bytes: a message of the largest size in base64, and the fields around it.
const LETTER_BYTES_MAX: usize = 512 * 1024;

/// A dead letter, and its very JSON, which may hold fields that we do not know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) letter: DeadLetter,
    pub(super) body: Value,
    /// Its sequence in `WB_DLQ`.
    pub(super) seq: u64,
    /// The subject under which it lies there.
    pub(super) subject: String,
    /// What the operator said when it was dropped (ADR 26).
    pub(super) dropped: Option<DeadLetter>,
    /// The messages that were sent instead, oldest first (ADR 36).
    pub(super) retried: Vec<Retried>,
}

/// The letters, oldest first, and what was found beside them.
pub(super) async fn read(reader: &Reader, hive: &Hive) -> Result<(Vec<Found>, Vec<String>), Failure> {
    let stream = Stream::Dlq.name(hive);
    let last = reader.last_seq(&stream).await?;
    let mut next = last.saturating_sub(LOOK_BACK).saturating_add(1);
    let mut stored = Vec::new();
    while let Some(letter) = reader.next(&stream, next, ">").await? {
        next = letter.seq.saturating_add(1);
        stored.push(letter);
    }
    Ok(understand(hive, &stored))
}

/// A writer that got no ack writes again under another id: doubles have the same origin and the same recipient. What
/// the operator dropped or sent again is marked by a letter of the operator about the letter.
fn understand(hive: &Hive, stored: &[Stored]) -> (Vec<Found>, Vec<String>) {
    let mut letters: Vec<Found> = Vec::new();
    let mut odd = Vec::new();
    let mut places: BTreeMap<Origin, usize> = BTreeMap::new();
    let mut marks: BTreeMap<u64, Vec<Mark>> = BTreeMap::new();
    let own = Stream::Dlq.name(hive);
    for stored in stored {
        let found = match letter(hive, stored) {
            Ok(found) => found,
            Err(why) => {
                odd.push(format!("{} {}: {why}", stored.seq, stored.subject));
                continue;
            }
        };
        if let Some(mark) = mark::read(&found.letter, &found.body, &own) {
            marks.entry(found.letter.stream_seq).or_default().push(mark);
            continue;
        }
        places.entry(origin(&found.letter)).or_insert_with(|| {
            letters.push(found);
            letters.len().saturating_sub(1)
        });
    }
    // A mark names one of the doubles and means the letter.
    for stored in stored {
        let Some(marks) = marks.remove(&stored.seq) else {
            continue;
        };
        let place = letter(hive, stored)
            .ok()
            .and_then(|found| places.get(&origin(&found.letter)).copied());
        if let Some(found) = place.and_then(|place| letters.get_mut(place)) {
            for mark in marks {
                match mark {
                    Mark::Dropped(letter) => found.dropped = Some(letter),
                    Mark::Retried(retried) => found.retried.push(retried),
                }
            }
        }
    }
    (letters, odd)
}

/// What doubles have in common.
type Origin = (String, u64, AgentId);

fn origin(letter: &DeadLetter) -> Origin {
    (letter.stream.clone(), letter.stream_seq, letter.agent.clone())
}

/// The writer's name stands in the subject, where nobody can forge it, and the reason beside it.
fn letter(hive: &Hive, stored: &Stored) -> Result<Found, String> {
    let subject = Subject::parse(hive, &stored.subject).map_err(|error| error.to_string())?;
    let letter: DeadLetter = decode::record("dead letter", &stored.payload, LETTER_BYTES_MAX)
        .map_err(|error| error.to_string())?;
    if !subject.from().is_some_and(|writer| letter.may_be_of(writer)) {
        return Err(format!("it speaks of {}, who did not write it", letter.agent));
    }
    let body = strict_json::parse(&stored.payload).map_err(|error| error.to_string())?;
    Ok(Found {
        letter,
        body,
        seq: stored.seq,
        subject: stored.subject.clone(),
        dropped: None,
        retried: Vec::new(),
    })
}

impl Found {
    /// Whether this is the dead letter, or the dead letter of the message, with this id.
    pub(super) fn is(&self, id: Id) -> bool {
        self.letter.id == id || self.letter.message_id == Some(id)
    }

    /// The letter as it lies in the stream, and what was sent instead.
    pub(super) fn json(&self) -> Value {
        let mut body = self.body.clone();
        if let Some(object) = body.as_object_mut().filter(|_| !self.retried.is_empty()) {
            object.insert(
                "retried".into(),
                self.retried.iter().map(|retried| retried.json()).collect(),
            );
        }
        body
    }

    /// Who sent the dead message, as its subject says.
    pub(super) fn sender(&self, hive: &Hive) -> Option<AgentId> {
        Subject::parse(hive, &self.letter.subject).ok()?.from().cloned()
    }

    /// The original bytes, as far as they were kept.
    pub(super) fn original(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.letter.body_base64.as_deref()?).ok()
    }
}

/// The letters with this id; never none.
pub(super) fn with_id(letters: &[Found], id: Id) -> Result<Vec<&Found>, Failure> {
    let found: Vec<&Found> = letters.iter().filter(|found| found.is(id)).collect();
    if found.is_empty() {
        return Err(
            Failure::contract(ErrorCode::NotFound, format!("there is no dead letter {id}"))
                .fix("see them all: wagglebus dlq ls; a message that is not dead: wagglebus trace ID"),
        );
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use wagglebus_schemas::Timestamp;

    use super::*;

    pub(crate) const MESSAGE: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    const LETTER: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32";

    /// A letter of bob about bytes that alice sent.
    pub(crate) fn body(subject: &str, original: Option<&[u8]>) -> Value {
        json!({ "id": LETTER, "message_id": MESSAGE, "stream": "WB_MESSAGES", "stream_seq": 7, "subject": subject,
                "agent": "bob", "reason": "max_deliver", "delivery": 5, "detail": "no", "extra": 1,
                "body_base64": original.map(|bytes| STANDARD.encode(bytes)), "at": "2026-01-02T03:04:05.000Z" })
    }

    /// The letter as it was found in the stream.
    pub(crate) fn found(original: Option<&[u8]>) -> Found {
        let body = body("wb.msg.bob.high.alice", original);
        letter(&Hive::default(), &stored(1, "wb.dlq.max_deliver.bob", &body)).unwrap()
    }

    fn stored(seq: u64, subject: &str, body: &Value) -> Stored {
        Stored {
            seq,
            subject: subject.into(),
            time: String::new(),
            msg_id: None,
            payload: body.to_string().into(),
        }
    }

    #[test]
    fn what_the_operator_dropped_is_marked_and_nobody_else_can() {
        let letter = body("wb.msg.bob.high.alice", Some(b"{}"));
        let own = "wb.dlq.max_deliver.bob";
        let mark = |agent: &str, stream: &str, seq: u64| {
            let mut mark = body(own, None);
            let new = [
                ("agent", json!(agent)),
                ("stream", json!(stream)),
                ("stream_seq", json!(seq)),
                ("reason", json!("operator")),
            ];
            for (key, value) in new {
                mark[key] = value;
            }
            mark
        };
        let drops = "wb.dlq.operator.operator";
        // The second of two doubles is named: the letter is meant.
        let told = [
            stored(1, own, &letter),
            stored(2, own, &letter),
            stored(9, drops, &mark("operator", "WB_DLQ", 2)),
        ];
        let (letters, odd) = understand(&Hive::default(), &told);
        assert_eq!((letters.len(), odd.len()), (1, 0));
        assert!(letters[0].dropped.is_some());
        for (subject, mark) in [
            ("wb.dlq.operator.mallory", mark("mallory", "WB_DLQ", 1)),
            ("wb.dlq.operator.mallory", mark("operator", "WB_DLQ", 1)),
            (drops, mark("operator", "WB_MESSAGES", 1)),
        ] {
            let (letters, _) = understand(
                &Hive::default(),
                &[stored(1, own, &letter), stored(9, subject, &mark)],
            );
            assert!(
                letters.iter().all(|found| found.dropped.is_none()),
                "{subject} {mark}"
            );
        }
    }

    #[test]
    fn what_was_sent_again_is_told_with_its_new_id_and_nobody_else_can_say_so() {
        let letter = body("wb.msg.bob.high.alice", Some(b"{}"));
        let own = stored(1, "wb.dlq.max_deliver.bob", &letter);
        let hive = Hive::default();
        let letters = |marks: &[(&str, Value)]| {
            let marks = marks.iter().zip(2..);
            let marks = marks.map(|((subject, mark), seq)| stored(seq, subject, mark));
            let all: Vec<Stored> = [own.clone()].into_iter().chain(marks).collect();
            understand(&hive, &all).0
        };
        let (first, second): (Id, Id) = (MESSAGE.parse().unwrap(), LETTER.parse().unwrap());
        let at = Timestamp::EPOCH;
        let retried = |id: Id| Retried { id, seq: 8, at };
        let retry = |new: Id| json!(mark::retry_of(&hive, &found(None), retried(new), second));
        let retries = "wb.dlq.superseded.operator";
        let told = letters(&[(retries, retry(first)), (retries, retry(second))]);
        let expected = [retried(first), retried(second)];
        assert_eq!((told.len(), &told[0].retried[..]), (1, &expected[..]));
        assert_eq!(
            told[0].json()["retried"][1],
            json!({ "id": second, "stream_seq": 8, "at": at })
        );
        assert!(told[0].dropped.is_none() && told[0].body == letter);
        let mut forged = retry(first);
        forged["agent"] = json!("mallory");
        let told = letters(&[
            ("wb.dlq.superseded.mallory", forged),
            ("wb.dlq.superseded.mallory", retry(first)),
        ]);
        assert!(told.iter().all(|found| found.retried.is_empty()));
        assert_eq!(told[0].json(), letter, "as it lies there");
    }

    #[test]
    fn the_coordinator_speaks_for_those_who_let_mail_expire_and_for_nobody_else() {
        let mut expired = body("wb.msg.bob.high.alice", Some(b"{}"));
        expired["reason"] = "expired".into();
        let (letters, odd) = understand(
            &Hive::default(),
            &[stored(1, "wb.dlq.expired.coordinator", &expired)],
        );
        assert_eq!((letters.len(), odd), (1, Vec::<String>::new()));
        assert_eq!(
            (
                letters[0].letter.agent.as_str(),
                letters[0].original().unwrap().as_slice()
            ),
            ("bob", &b"{}"[..])
        );
        let refused = body("wb.msg.bob.high.alice", Some(b"{}"));
        let (letters, odd) = understand(
            &Hive::default(),
            &[
                stored(1, "wb.dlq.expired.mallory", &expired),
                stored(2, "wb.dlq.max_deliver.coordinator", &refused),
            ],
        );
        assert_eq!((letters.len(), odd.len()), (0, 2), "{odd:?}");
    }

    #[test]
    fn doubles_and_forgeries_are_dropped() {
        let letter = body("wb.msg.bob.high.alice", Some(b"{}"));
        let own = "wb.dlq.max_deliver.bob";
        let mut other = letter.clone();
        other["stream_seq"] = 8.into();
        let (letters, odd) = understand(
            &Hive::default(),
            &[
                stored(1, own, &letter),
                stored(2, own, &letter),
                stored(3, "wb.dlq.max_deliver.mallory", &letter),
                stored(4, own, &json!({})),
                stored(5, own, &other),
            ],
        );
        let seqs: Vec<u64> = letters.iter().map(|found| found.letter.stream_seq).collect();
        assert_eq!((seqs, odd.len()), (vec![7, 8], 2));
        assert!(odd[0].contains("who did not write it"), "{odd:?}");
        let found = &letters[0];
        assert_eq!(
            (
                found.sender(&Hive::default()).unwrap().as_str(),
                found.original().unwrap().as_slice()
            ),
            ("alice", &b"{}"[..])
        );
        assert_eq!(found.body["extra"], 1);
        for id in [MESSAGE, LETTER] {
            assert_eq!(with_id(&letters, id.parse().unwrap()).unwrap().len(), 2);
        }
        let nobody = with_id(&letters[..0], MESSAGE.parse().unwrap()).unwrap_err();
        assert_eq!(nobody.exit_code(), 3);
    }
}
