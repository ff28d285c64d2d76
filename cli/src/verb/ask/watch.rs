//! Waits for the response to a question, taking nothing: in the stream where it can be read, else in what the asker's
//! sidecar has handed over.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use wagglebus_client::Client;
use wagglebus_nats::connect::Subscription;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Message, decode, strict_json};

use crate::failure::Failure;
use crate::filter::Filter;
use crate::history::of_spool;
use crate::reader::{ReadError, Reader, Stored};
use crate::session::Session;
use crate::target::BusArgs;

/// A hint to look may be lost, so we also look without one. Nothing hints at what a sidecar hands over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two looks at what became of the question.
const LOOKS_PER_TRACE: u32 = 2;
/// Responses of a sidecar that are looked at.
const RESPONSES_MAX: usize = 100;

/// The response to the question.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Message,
    /// As published.
    pub(super) body: Value,
    /// Nobody has taken it, as far as that is known.
    pub(super) waits: bool,
}

/// Looks for the response to one question.
pub(super) struct Watch<'a> {
    client: &'a Client,
    question: Id,
    stream: Result<Inbox, String>,
    /// What the sidecar is asked for where the stream cannot be read.
    filter: Filter,
}

/// The asker's part of the stream.
struct Inbox {
    hive: Hive,
    name: String,
    subject: String,
    reader: Reader,
    hints: Subscription,
    next: u64,
}

impl<'a> Watch<'a> {
    /// # Errors
    /// When a bus is named and cannot be used.
    pub(super) async fn open(
        session: &Session,
        bus: &BusArgs,
        client: &'a Client,
        question: Id,
    ) -> Result<Self, Failure> {
        let asker = session.sender()?;
        let stream = match Inbox::open(session, bus, &asker).await {
            Ok(inbox) => Ok(inbox),
            Err(failure) if bus.is_named(session)? => return Err(failure),
            Err(failure) => Err(failure.what()),
        };
        Ok(Self {
            client,
            question,
            stream,
            filter: Filter::of_type(MessageType::Response),
        })
    }

    /// Why the stream cannot be read.
    pub(super) fn blind(&self) -> Option<&str> {
        self.stream.as_ref().err().map(String::as_str)
    }

    /// The question is an old one: its response may be old, too.
    pub(super) fn begin_at(&mut self, question: Option<u64>) {
        if let (Ok(inbox), Some(seq)) = (&mut self.stream, question) {
            inbox.next = inbox.next.min(seq.saturating_add(1));
        }
    }

    /// The response, or nothing when the time is over.
    ///
    /// # Errors
    /// When the question is dead, or nobody can be asked any more.
    pub(super) async fn reply(&mut self, deadline: Instant) -> Result<Option<Reply>, Failure> {
        let mut looks = 0_u32;
        loop {
            if let Some(reply) = self.look().await? {
                return Ok(Some(reply));
            }
            if looks.is_multiple_of(LOOKS_PER_TRACE) {
                self.check_question().await?;
            }
            looks = looks.wrapping_add(1);
            if Instant::now() >= deadline {
                return Ok(None);
            }
            let next = deadline.min(Instant::now() + LOOK_EVERY);
            match &mut self.stream {
                // A hint is never trusted: also one that says that no more will come.
                Ok(inbox) => match timeout_at(next, inbox.hints.next()).await {
                    Ok(Some(_)) | Err(_) => {}
                    Ok(None) => tokio::time::sleep_until(next).await,
                },
                Err(_) => tokio::time::sleep_until(next).await,
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Reply>, Failure> {
        let question = self.question;
        let found = match &mut self.stream {
            Ok(inbox) => inbox.look(question).await,
            Err(_) => return self.look_at_sidecar().await,
        };
        match found {
            Ok(reply) => Ok(reply),
            // The connection renews itself.
            Err(ReadError::NoAnswer(_)) => Ok(None),
            Err(error @ (ReadError::Refused(_) | ReadError::Answer(_))) => {
                self.stream = Err(error.to_string());
                self.look_at_sidecar().await
            }
        }
    }

    async fn look_at_sidecar(&self) -> Result<Option<Reply>, Failure> {
        // A sidecar that is started again answers later; the question is accepted.
        let Ok(history) = of_spool(self.client, &self.filter, RESPONSES_MAX).await else {
            return Ok(None);
        };
        let reply = history
            .items
            .into_iter()
            .find(|kept| answers(&kept.message, self.question));
        Ok(reply.map(|kept| Reply {
            message: kept.message,
            body: kept.body,
            waits: false,
        }))
    }

    /// A question that is dead gets no response.
    async fn check_question(&self) -> Result<(), Failure> {
        // What cannot be told now is told at the next look.
        let Ok(trace) = self.client.trace(self.question).await else {
            return Ok(());
        };
        let dead = trace
            .value
            .receipts
            .iter()
            .find(|receipt| receipt.level == ReceiptLevel::Dead);
        let Some(dead) = dead.filter(|_| trace.value.message.to_agent.agent().is_some()) else {
            return Ok(());
        };
        let id = self.question;
        let why = dead.reason.map_or_else(String::new, |reason| reason.to_string());
        Err(Failure::failed(format!("the question {id} is a dead letter"))
            .why(why)
            .fix(format!("once the reason is gone: wagglebus dlq retry {id}")))
    }
}

impl Inbox {
    async fn open(session: &Session, bus: &BusArgs, asker: &AgentId) -> Result<Self, Failure> {
        let connection = bus.connect(session, BusUser::Inspector).await?;
        let hive = session.places().hive().clone();
        // Heard before the first look, so nothing falls between the two.
        let hints = connection.subscribe(format!("{hive}.wake.msg.{asker}.*")).await;
        let name = Stream::Messages.name(&hive);
        let reader = Reader::new(connection);
        let next = reader.last_seq(&name).await?.saturating_add(1);
        Ok(Self {
            subject: format!("{hive}.msg.{asker}.*.*"),
            hive,
            name,
            reader,
            hints,
            next,
        })
    }

    async fn look(&mut self, question: Id) -> Result<Option<Reply>, ReadError> {
        while let Some(stored) = self.reader.next(&self.name, self.next, &self.subject).await? {
            self.next = stored.seq.saturating_add(1);
            if let Some(reply) = self.reply(&stored, question) {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// What recipients would refuse answers nothing.
    fn reply(&self, stored: &Stored, question: Id) -> Option<Reply> {
        let subject = Subject::parse(&self.hive, &stored.subject).ok()?;
        let message = decode::message(&subject, stored.msg_id.as_deref(), &stored.payload).ok()?;
        let body = strict_json::parse(&stored.payload).ok()?;
        answers(&message, question).then_some(Reply {
            message,
            body,
            waits: true,
        })
    }
}

fn answers(message: &Message, question: Id) -> bool {
    let named = message.metadata.get(metadata::IN_REPLY_TO);
    message.message_type == MessageType::Response
        && named
            .and_then(Value::as_str)
            .is_some_and(|id| id == question.to_string())
}
