//! Publishes a message again, and says what is known when no ack came.

use serde_json::json;
use wagglebus_nats::bus::{Bus, Outgoing, Stored};
use wagglebus_nats::error::{NoAnswer, PublishError, PublishFault, Retry};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Hive, Id, headers};

use super::renew::Renewed;
use crate::failure::Failure;

/// How often a publish without an ack is repeated, under the same id.
const TRIES: u32 = 3;

/// A message of which there is no ack.
#[derive(Debug)]
pub(crate) struct NotAcked {
    /// What the last try ran into.
    error: PublishError,
    /// One of the tries may have stored it all the same.
    maybe_stored: bool,
}

/// Publishes, a few times if need be, always under the same id.
pub(super) async fn publish(bus: &impl Bus, hive: &Hive, renewed: &Renewed) -> Result<Stored, NotAcked> {
    let message = &renewed.message;
    let record = Outgoing {
        subject: renewed.subject.clone(),
        id: message.id,
        expected_stream: Some(Stream::Messages.name(hive)),
        headers: vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, message.id.to_string()),
            (headers::CE_TYPE, message.event_type()),
            (headers::CE_SOURCE, format!("/{hive}/{}", message.from_agent)),
            (headers::CE_SUBJECT, message.to_agent.to_string()),
            (headers::CE_TIME, message.timestamp.to_string()),
        ],
        payload: renewed.bytes.clone().into(),
        expected_last_subject_seq: None,
    };
    store(bus, record).await
}

/// Publishes a record, a few times if need be.
pub(crate) async fn store(bus: &impl Bus, record: Outgoing) -> Result<Stored, NotAcked> {
    let mut tries = 1;
    let mut maybe_stored = false;
    loop {
        let error = match bus.send(record.clone()).await {
            // Not handed to the connection, and so not stored.
            Err(error) => error,
            Ok(ack) => match ack.await {
                Ok(stored) => return Ok(stored),
                Err(error) => {
                    maybe_stored |= had_perhaps_an_effect(&error.fault);
                    error
                }
            },
        };
        if error.retry() == Retry::Never || tries >= TRIES {
            return Err(NotAcked { error, maybe_stored });
        }
        tries += 1;
    }
}

const fn had_perhaps_an_effect(fault: &PublishFault) -> bool {
    match fault {
        PublishFault::NoAnswer(NoAnswer::Timeout | NoAnswer::Disconnected) => true,
        PublishFault::NoAnswer(NoAnswer::NoResponders | NoAnswer::PermissionDenied)
        | PublishFault::TooLarge { .. }
        | PublishFault::InvalidHeader { .. }
        | PublishFault::InvalidSubject
        | PublishFault::WrongLastSequence { .. }
        | PublishFault::Refused { .. } => false,
    }
}

impl NotAcked {
    /// What to tell of the retry `new` of `old`: exit 4 where another retry could double it, 5 where nothing was
    /// accepted, 6 where it was refused (WIRE, Errors).
    pub(super) fn explain(&self, old: Id, new: Id) -> Failure {
        if self.maybe_stored {
            return Failure::caused(&self.error)
                .coded(ErrorCode::LevelNotReached)
                .why(format!(
                    "it may be stored as {new} all the same; a new retry would be another message"
                ))
                .details(json!({ "level": "accepted", "id": new, "retry_of": old }))
                .fix(format!(
                    "repeat it under its id: wagglebus dlq retry --id {new} {old}"
                ));
        }
        self.failure()
    }

    /// What to tell when a repeat does no harm.
    pub(crate) fn failure(&self) -> Failure {
        let failure = Failure::caused(&self.error);
        match &self.error.fault {
            PublishFault::NoAnswer(NoAnswer::PermissionDenied) => failure.coded(ErrorCode::Forbidden),
            PublishFault::NoAnswer(_) => failure.coded(ErrorCode::BusUnreachable),
            PublishFault::TooLarge { .. } => failure.coded(ErrorCode::TooLarge),
            PublishFault::InvalidHeader { .. } | PublishFault::InvalidSubject => {
                failure.coded(ErrorCode::InvalidMessage)
            }
            PublishFault::WrongLastSequence { .. } | PublishFault::Refused { .. } => {
                Failure::refused(&self.error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wagglebus_nats::memory::{Fault, Memory, Model};
    use wagglebus_nats::topology::{Sizing, streams};
    use wagglebus_schemas::Message;

    use super::*;

    const OLD: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    const NEW: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33";

    fn renewed(subject: &str) -> Renewed {
        let body = json!({ "id": NEW, "from_agent": "alice", "to_agent": "bob", "content": "x", "priority": "high",
            "timestamp": "2026-01-02T03:04:05.000Z", "message_type": "task", "conversation_id": NEW, "metadata": {},
            "acknowledged": false });
        let message: Message = serde_json::from_value(body.clone()).unwrap();
        Renewed {
            subject: subject.to_owned(),
            message,
            bytes: body.to_string().into_bytes(),
            expired: false,
        }
    }

    fn bus() -> Memory {
        let streams = streams(&Hive::default(), Sizing::new(1 << 30, 1).unwrap());
        Memory::new(Model::new(streams, Vec::new())).0
    }

    async fn failed(bus: &Memory, subject: &str) -> (u8, String) {
        let error = publish(bus, &Hive::default(), &renewed(subject))
            .await
            .unwrap_err();
        let failure = error.explain(OLD.parse().unwrap(), NEW.parse().unwrap());
        (failure.exit_code(), failure.what())
    }

    /// Three lost acks: it is stored, and nobody knows. The repeat under its id stores nothing more.
    #[tokio::test(start_paused = true)]
    async fn without_an_ack_it_may_be_stored_and_is_repeated_under_its_id() {
        let bus = bus();
        for _ in 0..TRIES {
            bus.inject(Fault::PubAck);
        }
        let (code, what) = failed(&bus, "wb.msg.bob.high.alice").await;
        assert!(code == 4 && what.contains(NEW), "{code} {what}");
        let again = publish(&bus, &Hive::default(), &renewed("wb.msg.bob.high.alice")).await;
        let again = again.unwrap();
        assert_eq!((again.seq, again.duplicate), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn one_lost_ack_is_made_up_for() {
        let bus = bus();
        bus.inject(Fault::Publish);
        let stored = publish(&bus, &Hive::default(), &renewed("wb.msg.bob.high.alice")).await;
        assert_eq!(stored.unwrap().seq, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_or_was_refused_is_not_accepted() {
        let bus = bus();
        // Another stream serves this subject.
        let (code, what) = failed(&bus, "wb.receipt.bob.done.alice").await;
        assert_eq!(code, 6, "{what}");
        bus.set_connected(false);
        assert_eq!(failed(&bus, "wb.msg.bob.high.alice").await.0, 5);
    }

    #[test]
    fn a_refusal_after_a_lost_ack_does_not_mean_that_nothing_is_stored() {
        let fault = PublishFault::Refused {
            code: PublishFault::STREAM_FULL,
            status: 503,
            text: "maximum bytes exceeded".into(),
        };
        for (maybe_stored, code, name) in [(false, 6, "forbidden"), (true, 4, "level_not_reached")] {
            let error = PublishError {
                subject: "wb.msg.bob.high.alice".into(),
                fault: fault.clone(),
            };
            let failure =
                NotAcked { error, maybe_stored }.explain(OLD.parse().unwrap(), NEW.parse().unwrap());
            let told: Value = failure.json();
            assert_eq!(
                (failure.exit_code(), &told["error"]["code"]),
                (code, &json!(name))
            );
        }
    }
}
