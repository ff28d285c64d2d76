//! The bus over NATS JetStream.

pub mod append;
mod fetch;
mod info;
mod lease;
mod overtaking;
mod publish;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use wagglebus_schemas::headers;

use self::overtaking::Unsettled;
use crate::bus::{Bus, ConsumerState, FetchShape, LaneRef, Late, LateAnswers, Note, Notes, Outgoing, PubAck};
use crate::connect::{ANSWER_WITHIN, Connection, Session, Subscription};
use crate::delivery::{AckMeta, Delivery, Settle};
use crate::error::{FetchError, InfoError, LeaseError, NoAnswer, PublishError, RequestError, SettleError};
use crate::lease::{LeaseRecord, LeaseRef};
use crate::request::request;

/// Fetches that may be open at one time, those included whose callers have stopped waiting.
pub const OPEN_FETCHES_MAX: usize = 64;

/// The bus over a [`Connection`]. Cheap to clone.
///
/// The same code serves open servers and isolated mode: the API prefix comes with the connection's settings.
#[derive(Debug, Clone)]
pub struct JetStream {
    connection: Connection,
    open_fetches: Arc<Semaphore>,
    late: mpsc::UnboundedSender<Late>,
    strays: Arc<AtomicU64>,
    unsettled: Arc<Unsettled>,
}

impl JetStream {
    /// A bus over `connection`, and the late answers of its fetches.
    pub fn new(connection: Connection) -> (Self, LateAnswers) {
        // Unbounded, but each entry was an open fetch, and those are bounded.
        let (late, answers) = mpsc::unbounded_channel();
        let bus = Self {
            connection,
            open_fetches: Arc::new(Semaphore::new(OPEN_FETCHES_MAX)),
            late,
            strays: Arc::default(),
            unsettled: Arc::default(),
        };
        (bus, LateAnswers(answers))
    }

    /// The connection underneath.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How many messages came to a reply inbox that did not answer its question, and were dropped (rule T4). More than
    /// none means that somebody is forging.
    pub fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }

    fn session(&self) -> Result<Session, NoAnswer> {
        self.connection.session().ok_or(NoAnswer::Disconnected)
    }

    /// A subject of the JetStream API as this connection sees it.
    fn api(&self, rest: &str) -> String {
        format!("{}.{rest}", self.connection.settings().api_prefix)
    }
}

impl Bus for JetStream {
    type Notes = Subscription;

    async fn send(&self, record: Outgoing) -> Result<PubAck, PublishError> {
        publish::send(self, record).await
    }

    async fn fetch(&self, lane: &LaneRef, shape: FetchShape) -> Result<Option<Delivery>, FetchError> {
        let fetched = fetch::fetch(self, lane, shape).await;
        fetched.map_err(|fault| FetchError {
            lane: lane.clone(),
            fault,
        })
    }

    async fn settle(&self, ack_subject: &str, settle: Settle) -> Result<(), SettleError> {
        let _: AckMeta = ack_subject.parse()?;
        let settled = async {
            let session = self.session()?;
            request(&session, ack_subject, None, settle.body(), ANSWER_WITHIN).await
        };
        settled.await.map(drop).map_err(|fault| SettleError::NoAnswer {
            subject: ack_subject.to_owned(),
            fault,
        })
    }

    async fn consumer_info(&self, lane: &LaneRef) -> Result<ConsumerState, InfoError> {
        info::consumer_info(self, lane).await
    }

    async fn lease_read(&self, key: &LeaseRef) -> Result<Option<LeaseRecord>, LeaseError> {
        lease::read(self, key).await
    }

    async fn lease_write(&self, key: &LeaseRef, value: Bytes, expected: u64) -> Result<u64, LeaseError> {
        lease::write(self, key, value, expected).await
    }

    async fn request(&self, subject: &str, payload: Bytes, within: Duration) -> Result<Bytes, RequestError> {
        let asked = async {
            let session = self.session()?;
            request(&session, subject, None, payload, within).await
        };
        let answer = asked.await.map_err(|fault| RequestError::NoAnswer {
            subject: subject.to_owned(),
            fault,
        })?;
        let header = |name: &str| {
            answer
                .headers
                .as_ref()?
                .get(name)
                .map(|value| value.as_str().to_owned())
        };
        match header(headers::SERVICE_ERROR_CODE) {
            None => Ok(answer.payload),
            Some(code) => Err(RequestError::Service {
                subject: subject.to_owned(),
                code,
                text: header(headers::SERVICE_ERROR).unwrap_or_default(),
                body: answer.payload,
            }),
        }
    }

    async fn subscribe(&self, subject: &str) -> Subscription {
        self.connection.subscribe(subject).await
    }

    async fn publish_core(&self, subject: &str, payload: Bytes) -> Result<(), NoAnswer> {
        let session = self.session()?;
        let publishing = session.client().publish(subject.to_owned(), payload);
        match tokio::time::timeout(ANSWER_WITHIN, publishing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NoAnswer::Disconnected),
            Err(_) => Err(NoAnswer::Timeout),
        }
    }
}

impl Notes for Subscription {
    async fn next(&mut self) -> Option<Note> {
        Self::next(self).await
    }
}
