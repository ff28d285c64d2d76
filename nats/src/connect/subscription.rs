//! Subscriptions that live longer than a session.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::session::Session;

/// How long a subscribe command may wait for room in the client's queue.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(2);

/// Header of a republished message: its sequence in the stream.
const STREAM_SEQUENCE: &str = "Nats-Sequence";

/// A message of core NATS: at most once, and from whoever may publish there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it was published.
    pub subject: String,
    /// What it says.
    pub payload: Bytes,
    /// The sequence under which a stream holds it, when a stream republished it. Like all of a note, it may be forged.
    pub stream_seq: Option<u64>,
}

/// A subscription that is renewed in each session before the session is announced.
#[derive(Debug)]
pub struct Subscription {
    renewals: mpsc::UnboundedReceiver<async_nats::Subscriber>,
    current: Option<async_nats::Subscriber>,
}

impl Subscription {
    /// The next message; `None` once the connection is closed. Cancel-safe. What comes while there is no session is
    /// not heard; whoever needs that asks after [`Event::Connected`](super::Event::Connected).
    pub async fn next(&mut self) -> Option<Note> {
        loop {
            if let Some(subscriber) = &mut self.current {
                if let Some(message) = subscriber.next().await {
                    let republished = message
                        .headers
                        .as_ref()
                        .and_then(|headers| headers.get(STREAM_SEQUENCE));
                    return Some(Note {
                        stream_seq: republished.and_then(|value| value.as_str().parse().ok()),
                        subject: message.subject.into_string(),
                        payload: message.payload,
                    });
                }
                self.current = None;
            }
            self.current = Some(self.renewals.recv().await?);
        }
    }
}

/// The subscriptions of a connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    subject: String,
    renewals: mpsc::UnboundedSender<async_nats::Subscriber>,
}

impl Subscriptions {
    /// Adds one, in `session` too if there is one.
    pub(super) async fn add(&mut self, subject: String, session: Option<Session>) -> Subscription {
        let (renewals, receiver) = mpsc::unbounded_channel();
        let entry = Entry { subject, renewals };
        if let Some(session) = session {
            entry.renew(&session).await;
        }
        self.0.push(entry);
        Subscription {
            renewals: receiver,
            current: None,
        }
    }

    /// Renews all of them in a new session and forgets those that nobody reads.
    pub(super) async fn renew(&mut self, session: &Session) {
        self.0.retain(|entry| !entry.renewals.is_closed());
        for entry in &self.0 {
            entry.renew(session).await;
        }
    }
}

impl Entry {
    async fn renew(&self, session: &Session) {
        let subscribing = session.client().subscribe(self.subject.clone());
        // A failure here means that the session is over; the next one renews again.
        if let Ok(Ok(subscriber)) = tokio::time::timeout(SUBSCRIBE_WITHIN, subscribing).await {
            // The reader may have gone meanwhile.
            self.renewals.send(subscriber).ok();
        }
    }
}
