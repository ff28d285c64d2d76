//! Waits for the response to a question, taking nothing: in the stream where it can be read, else in what the asker's
//! sidecar has handed over.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use wagglebus_client::Client;
use wagglebus_nats::connect::Subscription;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Message, Recipient, Timestamp, decode, strict_json};

use crate::failure::Failure;
use crate::filter::now;
use crate::history::spooled_since;
use crate::output::Output;
use crate::reader::{ReadError, Reader, Stored};
use crate::session::Session;
use crate::target::BusArgs;

/// A hint to look may be lost, so we also look without one. Nothing hints at what a sidecar hands over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two looks at what became of the question.
const LOOKS_PER_TRACE: u32 = 2;

/// Who may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// This agent and nobody else.
    Agent(AgentId),
    /// Whoever has the capability; the sidecar knows whom it chose.
    Capable,
    /// Every member of the room but the asker.
    Room,
}

/// What a message is to the question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Its response.
    Answers,
    /// No response to it.
    Other,
    /// It says that it is the response, and is none that counts: why.
    Refused(String),
}

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
    asker: AgentId,
    asked: Asked,
    stream: Result<Inbox, String>,
    /// Responses that do not count, and what was not said of them yet.
    refused: BTreeSet<(AgentId, Id)>,
    unsaid: Vec<String>,
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
        to: &Recipient,
    ) -> Result<Self, Failure> {
        let asker = session.sender()?;
        let stream = match Inbox::open(session, bus, &asker).await {
            Ok(inbox) => Ok(inbox),
            Err(failure) if bus.is_named(session)? => return Err(failure),
            Err(failure) => Err(failure.what()),
        };
        let asked = match to.kind() {
            RecipientKind::Agent(agent) => Asked::Agent(agent.clone()),
            RecipientKind::Capability(_) => Asked::Capable,
            RecipientKind::Room(_) => Asked::Room,
        };
        Ok(Self {
            client,
            question,
            asker,
            asked,
            stream,
            refused: BTreeSet::new(),
            unsaid: Vec::new(),
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

    /// The response, or nothing when the time is over. Responses that do not count are noted.
    ///
    /// # Errors
    /// When the question is dead, or nobody can be asked any more.
    pub(super) async fn reply(
        &mut self,
        deadline: Instant,
        output: &mut Output,
    ) -> Result<Option<Reply>, Failure> {
        let mut looks = 0_u32;
        loop {
            let reply = self.look().await?;
            for said in self.unsaid.drain(..) {
                output.note(said)?;
            }
            if reply.is_some() {
                return Ok(reply);
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
        if self.asked == Asked::Capable {
            // What cannot be told now is told at the next look; until then nothing is judged.
            let Ok(message) = self.client.message(self.question).await else {
                return Ok(None);
            };
            let chosen = message.value.to_agent.agent().cloned();
            self.asked = chosen.map_or(Asked::Room, Asked::Agent);
        }
        loop {
            let found = match &mut self.stream {
                Ok(inbox) => inbox.look(self.question).await,
                Err(_) => return self.look_at_sidecar().await,
            };
            match found {
                Ok(None) => return Ok(None),
                Ok(Some(reply)) => {
                    if self.counts(&reply.message) {
                        return Ok(Some(reply));
                    }
                }
                // The connection renews itself.
                Err(ReadError::NoAnswer(_)) => return Ok(None),
                Err(error @ (ReadError::Refused(_) | ReadError::Answer(_))) => {
                    self.stream = Err(error.to_string());
                }
            }
        }
    }

    /// What was handed over since the question. A response that is more urgent than other mail may come before it and yet
    /// be handed over later, so each look begins at the question again.
    async fn look_at_sidecar(&mut self) -> Result<Option<Reply>, Failure> {
        let with = match &self.asked {
            Asked::Agent(agent) => Some(Recipient::from(agent.clone())),
            Asked::Capable | Asked::Room => None,
        };
        let question = (&self.asker, self.question);
        // A sidecar that is started again answers later; the question is accepted.
        let Ok(since) = spooled_since(self.client, question, with.as_ref()).await else {
            return Ok(None);
        };
        let reply = since.into_iter().find(|kept| self.counts(&kept.message));
        Ok(reply.map(|kept| Reply {
            message: kept.message,
            body: kept.body,
            waits: false,
        }))
    }

    /// Whether it is the response; one that does not count is noted once.
    fn counts(&mut self, message: &Message) -> bool {
        match judge(message, self.question, &self.asked, &self.asker, now()) {
            Verdict::Answers => true,
            Verdict::Other => false,
            Verdict::Refused(why) => {
                let (from, id) = (&message.from_agent, message.id);
                if self.refused.insert((from.clone(), id)) {
                    let said = format!("note: a response of {from} stays in the inbox ({id}): {why}");
                    self.unsaid.push(said);
                }
                false
            }
        }
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
        names(&message, question).then_some(Reply {
            message,
            body,
            waits: true,
        })
    }
}

/// Whether it says that it is the response to the question.
fn names(message: &Message, question: Id) -> bool {
    let named = message.metadata.get(metadata::IN_REPLY_TO);
    message.message_type == MessageType::Response
        && named
            .and_then(Value::as_str)
            .is_some_and(|id| id == question.to_string())
}

/// Anybody may write a response to any question: only those who were asked are believed.
fn judge(message: &Message, question: Id, asked: &Asked, asker: &AgentId, now: Timestamp) -> Verdict {
    if !names(message, question) {
        return Verdict::Other;
    }
    let from = &message.from_agent;
    let strange = match asked {
        Asked::Agent(agent) => from != agent,
        Asked::Capable => true,
        Asked::Room => from == asker,
    };
    if strange {
        return Verdict::Refused(match asked {
            Asked::Agent(agent) => format!("{agent} was asked"),
            Asked::Capable | Asked::Room => "others were asked".into(),
        });
    }
    if message.expires_at().is_some_and(|at| at <= now) {
        return Verdict::Refused("its expires_at has passed".into());
    }
    Verdict::Answers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_who_was_asked_answers_and_only_in_time() {
        let question = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
        let now: Timestamp = "2026-01-02T03:04:05.000Z".parse().unwrap();
        let alice: AgentId = "alice".parse().unwrap();
        let bob = Asked::Agent("bob".parse().unwrap());
        let judged = |from: &str, asked: &Asked, metadata: Value| {
            let message = serde_json::from_value(json!({
                "id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32", "from_agent": from, "to_agent": "alice", "content": "x",
                "message_type": "response", "metadata": metadata, "timestamp": "2026-01-02T03:04:05.000Z" }));
            judge(&message.unwrap(), question.parse().unwrap(), asked, &alice, now)
        };
        let answer = || json!({ "in_reply_to": question });
        for (from, asked, counts) in [
            ("bob", &bob, true),
            ("carol", &bob, false),
            ("carol", &Asked::Room, true),
            ("alice", &Asked::Room, false),
            ("bob", &Asked::Capable, false),
            ("alice", &Asked::Agent(alice.clone()), true),
        ] {
            let verdict = judged(from, asked, answer());
            assert_eq!(verdict == Verdict::Answers, counts, "{from} {asked:?}");
            assert_eq!(
                matches!(verdict, Verdict::Refused(_)),
                !counts,
                "{from} {asked:?}"
            );
        }
        assert_eq!(judged("bob", &bob, json!({})), Verdict::Other);
        let other = json!({ "in_reply_to": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33" });
        assert_eq!(judged("bob", &bob, other), Verdict::Other);
        for (expires_at, counts) in [
            ("2026-01-02T03:04:05.000Z", false),
            ("2026-01-02T03:04:05.001Z", true),
        ] {
            let metadata = json!({ "in_reply_to": question, "expires_at": expires_at });
            let verdict = judged("bob", &bob, metadata);
            assert_eq!(verdict == Verdict::Answers, counts, "{expires_at}");
        }
    }
}
