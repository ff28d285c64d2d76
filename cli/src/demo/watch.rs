//! Watches the streams as the inspector: the bus itself says what was stored, proven and decided.

use std::time::Duration;

use tokio::time::timeout;
use wagglebus_nats::connect::Subscription;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Message, Timestamp, decode};

use crate::failure::Failure;
use crate::reader::{Reader, Stored};
use crate::up::furnish::connect_as;

/// A hint to look may be lost, so we also look without one.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What was seen.
#[derive(Debug)]
pub(super) enum Sight {
    /// A message in the stream, its sequence, and when it was stored.
    Message(Message, u64, Timestamp),
    Receipt(Receipt),
    /// A line of the coordinator's log, and when it was stored.
    Event(Box<Event>, Timestamp),
    /// Something that recipients refuse, and why.
    Refused(String),
}

/// An eye on messages, receipts and the coordinator's log.
#[derive(Debug)]
pub(super) struct Watch {
    hive: Hive,
    reader: Reader,
    hints: Subscription,
    messages: Cursor,
    receipts: Cursor,
    events: Cursor,
}

#[derive(Debug)]
struct Cursor {
    stream: String,
    next: u64,
}

impl Watch {
    /// Watches from the beginning.
    pub(super) async fn open(places: &Places, url: &str) -> Result<Self, Failure> {
        let (connection, _) = connect_as(places, url, BusUser::Inspector).await?;
        let hive = places.hive();
        // Whatever happens is a reason to look: wakes, and lines of the log as their writer publishes them.
        let hints = connection.subscribe(format!("{hive}.>")).await;
        let cursor = |stream: Stream| Cursor {
            stream: stream.name(hive),
            next: 1,
        };
        Ok(Self {
            hive: hive.clone(),
            reader: Reader::new(connection),
            hints,
            messages: cursor(Stream::Messages),
            receipts: cursor(Stream::Receipts),
            events: cursor(Stream::Events),
        })
    }

    /// Everything that came since the last look, each receipt after its message.
    pub(super) async fn look(&mut self) -> Result<Vec<Sight>, Failure> {
        // Receipts are read first: what they are about was stored before them, so it is among the messages read later.
        let receipts = self.receipts.read(&self.reader).await?;
        let messages = self.messages.read(&self.reader).await?;
        let mut sights: Vec<Sight> = messages
            .iter()
            .map(|stored| message(&self.hive, stored))
            .collect();
        sights.extend(receipts.iter().map(receipt));
        sights.extend(self.events.read(&self.reader).await?.iter().map(event));
        Ok(sights)
    }

    /// Waits until it is worth looking again.
    pub(super) async fn hint(&mut self) {
        timeout(LOOK_EVERY, self.hints.next()).await.ok();
        // One look is enough for all that happened until now.
        while let Ok(Some(_)) = timeout(Duration::ZERO, self.hints.next()).await {}
    }
}

impl Cursor {
    async fn read(&mut self, reader: &Reader) -> Result<Vec<Stored>, Failure> {
        let mut found = Vec::new();
        while let Some(stored) = reader
            .next(&self.stream, self.next, ">")
            .await
            .map_err(|error| Failure::caused(&error))?
        {
            self.next = stored.seq.saturating_add(1);
            found.push(stored);
        }
        Ok(found)
    }
}

fn message(hive: &Hive, stored: &Stored) -> Sight {
    let refused = |why: String| Sight::Refused(format!("{} {}: {why}", stored.seq, stored.subject));
    let subject = match Subject::parse(hive, &stored.subject) {
        Ok(subject) => subject,
        Err(error) => return refused(error.to_string()),
    };
    match decode::message(&subject, stored.msg_id.as_deref(), &stored.payload) {
        Ok(message) => {
            let at = stored.time.parse().unwrap_or(message.timestamp);
            Sight::Message(message, stored.seq, at)
        }
        Err(error) => refused(error.to_string()),
    }
}

fn receipt(stored: &Stored) -> Sight {
    match decode::record("receipt", &stored.payload, MESSAGE_BYTES_MAX) {
        Ok(receipt) => Sight::Receipt(receipt),
        Err(error) => Sight::Refused(format!("{} {}: {error}", stored.seq, stored.subject)),
    }
}

fn event(stored: &Stored) -> Sight {
    match serde_json::from_slice::<Event>(&stored.payload) {
        Ok(event) => {
            let at = stored.time.parse().unwrap_or(event.at);
            Sight::Event(Box::new(event), at)
        }
        Err(error) => Sight::Refused(format!("{} {}: {error}", stored.seq, stored.subject)),
    }
}
