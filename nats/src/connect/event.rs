//! What happens to a connection while nobody is asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::error::ConnectError;
use super::session::Server;

/// Events that may wait to be read.
const WAITING_MAX: usize = 256;
/// Places kept for beginnings and ends of sessions, so that a flood of refusals cannot hide them.
const RESERVED: usize = 64;

/// Something that happened to the connection.
#[derive(Debug, Clone)]
pub enum Event {
    /// A session began; subscriptions are already renewed.
    Connected {
        /// Its number, from 1.
        session: u64,
        /// The server that answers.
        server: Server,
    },
    /// The session ended. Everything that waited for an answer has failed.
    Disconnected {
        /// Its number.
        session: u64,
    },
    /// An attempt to connect failed; the next one follows.
    Retrying {
        /// Why it failed.
        error: ConnectError,
    },
    /// The server refused a subject. It stays refused until an administrator changes it.
    PermissionDenied {
        /// The subject.
        subject: String,
    },
    /// A subscription was read too slowly and lost messages.
    SlowConsumer,
    /// The server is about to stop.
    LameDuck,
    /// The connection was closed for good, by us.
    Closed,
    /// Anything else, for the log.
    Other(String),
}

/// The events of one connection, in order.
///
/// Nothing waits for their reader: what does not fit is counted and left out, first the less important kinds.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next event; `None` once the connection is closed and everything is read. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// How many events were left out because they were not read in time.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The writing end of [`Events`]; never blocks.
#[derive(Debug, Clone)]
pub(super) struct EventSink {
    sender: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
}

pub(super) fn events() -> (EventSink, Events) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let missed = Arc::new(AtomicU64::new(0));
    let sink = EventSink {
        sender,
        missed: missed.clone(),
    };
    (sink, Events { receiver, missed })
}

impl EventSink {
    pub(super) fn emit(&self, event: Event) {
        let important = match event {
            Event::Connected { .. } | Event::Disconnected { .. } | Event::Closed => true,
            Event::Retrying { .. }
            | Event::PermissionDenied { .. }
            | Event::SlowConsumer
            | Event::LameDuck
            | Event::Other(_) => false,
        };
        let room = important || self.sender.capacity() > RESERVED;
        if !room || self.sender.try_send(event).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_is_counted_and_hides_no_end_of_a_session() {
        let (sink, mut events) = events();
        for _ in 0..1_000 {
            sink.emit(Event::SlowConsumer);
        }
        sink.emit(Event::Disconnected { session: 7 });
        drop(sink);
        let mut last = None;
        let mut read = 0_u64;
        while let Some(event) = events.next().await {
            read += 1;
            last = Some(event);
        }
        assert!(matches!(last, Some(Event::Disconnected { session: 7 })));
        assert_eq!(read + events.missed(), 1_001);
    }
}
