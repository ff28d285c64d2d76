//! The fleet's history in memory: read when somebody asks for it, and only as far as it was not read before.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Message, decode};

use super::index::{ENTRIES_MAX, Finished, Index};
use super::scan::{Begin, Scan, Stored, scan};
use super::sight::ends;
use super::state::Api;

/// Time between two readings: each leaves consumers behind, which the server puts away after half a minute.
const READ_EVERY: Duration = Duration::from_millis(100);
/// How long a request waits for a reading.
const READS_WITHIN: Duration = Duration::from_secs(3);
/// Receipts that are kept because their messages may have been stored after these were read.
const EARLY_MAX: usize = 1_024;

/// The history, shared by all requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past(Arc<Mutex<Read>>);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) index: Index,
    /// The last sequence of the messages that was read.
    messages: u64,
    /// That of the receipts.
    receipts: u64,
    /// When the first message was stored that was read.
    since_ms: Option<i64>,
    early: Vec<Finished>,
    /// When the last reading began.
    begun: Option<Instant>,
}

impl Past {
    /// The history to its present end.
    ///
    /// # Errors
    /// When the streams cannot be read, or so much lies in them that it takes several requests.
    pub(super) async fn up_to_date(&self, api: &Api) -> Result<OwnedMutexGuard<Read>, ErrorDetail> {
        let asked = Instant::now();
        let mut read = self.0.clone().lock_owned().await;
        // While we waited another request may have read all that we ask for.
        if read.begun.is_some_and(|begun| begun >= asked) {
            return Ok(read);
        }
        if let Some(begun) = read.begun {
            sleep_until(begun + READ_EVERY).await;
        }
        let begun = Instant::now();
        if let Ok(outcome) = timeout(READS_WITHIN, read.on(api)).await {
            outcome?;
            read.begun = Some(begun);
            return Ok(read);
        }
        // What was read stays: the next request goes on from there.
        let message = format!(
            "the fleet's history is being read: {} messages so far",
            read.index.len()
        );
        Err(ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message)
            .hint("ask again")
            .retry_after_ms(1_000))
    }
}

impl Read {
    /// Reads on.
    async fn on(&mut self, api: &Api) -> Result<(), ErrorDetail> {
        let begin = match self.messages {
            0 => Begin::Latest(ENTRIES_MAX as u64),
            seq => Begin::After(seq),
        };
        let span = scan(api, Scan::whole_messages(api, begin), |stored| {
            self.messages = stored.seq;
            self.since_ms.get_or_insert(stored.at_ms);
            if let Some(message) = message(&api.hive, &stored) {
                self.index.add(stored.seq, message);
            }
            true
        })
        .await?;
        if span.last < self.messages {
            *self = Self::default();
            let message = "the stream of messages was made anew";
            return Err(ErrorDetail::new(ErrorCode::BusUnreachable, message).retry_after_ms(100));
        }
        self.messages = span.last;
        self.index.forget_before(span.first);
        for finished in std::mem::take(&mut self.early) {
            self.index.finish(&finished);
        }
        let begin = match (self.receipts, self.since_ms) {
            (0, None) => return Ok(()),
            (0, Some(since_ms)) => Begin::At(since_ms),
            (seq, _) => Begin::After(seq),
        };
        let span = scan(api, Scan::receipts_of_done(api, begin), |stored| {
            self.receipts = stored.seq;
            if let Some(finished) = finished(&api.hive, &stored)
                && !self.index.finish(&finished)
                && self.early.len() < EARLY_MAX
            {
                self.early.push(finished);
            }
            true
        })
        .await?;
        self.receipts = span.last;
        Ok(())
    }
}

/// A message of the stream, if it is one: the subject beats the body.
fn message(hive: &Hive, stored: &Stored) -> Option<Message> {
    let message: Message = decode::record("message", &stored.body, MESSAGE_BYTES_MAX).ok()?;
    let (from, to) = ends(&Subject::parse(hive, &stored.subject).ok()?)?;
    let agrees = message.from_agent == from
        && *message.to_agent.kind() == to
        && stored.id.as_deref() == Some(&*message.id.to_string());
    agrees.then_some(message)
}

/// What a receipt says, if whoever reports may say it.
fn finished(hive: &Hive, stored: &Stored) -> Option<Finished> {
    let receipt: Receipt = decode::record("receipt", &stored.body, MESSAGE_BYTES_MAX).ok()?;
    let Subject::Receipt { to, level, from } = Subject::parse(hive, &stored.subject).ok()? else {
        return None;
    };
    let counts = level == ReceiptLevel::Done
        && receipt.level == level
        && receipt.sender == to
        && receipt.may_be_of(&from);
    counts.then_some(Finished {
        message: receipt.message_id,
        sender: to,
        by: receipt.agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wagglebus_schemas::{Draft, Id, Timestamp};

    fn stored(subject: &str, id: Id, body: Bytes) -> Stored {
        Stored {
            seq: 1,
            subject: subject.to_owned(),
            id: Some(id.to_string()),
            at_ms: 0,
            body,
        }
    }

    #[test]
    fn the_subject_beats_the_body() {
        let hive = Hive::default();
        let (id, other) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        let draft = Draft::text("bob".parse().unwrap(), "x".to_owned());
        let sent = draft.into_message(id, "alice".parse().unwrap(), Timestamp::EPOCH);
        let body = Bytes::from(serde_json::to_vec(&sent).unwrap());
        let is_one = |subject: &str, id: Id, body: &Bytes| {
            message(&hive, &stored(subject, id, body.clone())).is_some()
        };
        assert!(is_one("wb.msg.bob.normal.alice", id, &body));
        for subject in [
            "wb.msg.carol.normal.alice",
            "wb.msg.bob.normal.carol",
            "wb.room.bob.normal.alice",
        ] {
            assert!(!is_one(subject, id, &body), "{subject}");
        }
        assert!(!is_one("wb.msg.bob.normal.alice", other, &body));
        assert!(!is_one("wb.msg.bob.normal.alice", id, &Bytes::from_static(b"{}")));
    }
}
