//! A stream that is not the one that it was: the log says so, and it is read from its new place on.

use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Timestamp};

use super::coordination::Coordination;
use super::order::Desk;
use crate::log::places::{RENEWED, Renewed, Source};

/// A stream that is listened to ends before the place up to which it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortened {
    /// What was to be read of it.
    pub source: Source,
    /// Its last sequence.
    pub last: u64,
    /// When it was made.
    pub created: Timestamp,
}

impl Coordination {
    /// A stream that we listen to ends before what we know of it: it was made anew, or has lost its end.
    pub fn shortened(&mut self, desk: &mut Desk<'_>, found: Shortened) {
        let Shortened {
            source,
            last,
            created,
        } = found;
        let stream = source.stream().name(&self.hive);
        let was = self.place(source);
        // It is told until we read from the new place on.
        if !self.leads() || last >= was {
            return;
        }
        let decided = self.world.place_after(&stream, created, last);
        let data = Renewed {
            source,
            stream,
            was,
            decided,
            created,
        };
        let event = Event {
            id: desk.ids.fresh(),
            entity: EventKind::Conversation,
            entity_id: AgentId::coordinator().to_string(),
            seq: 0,
            from: None,
            to: RENEWED.to_owned(),
            event: RENEWED.to_owned(),
            actor: AgentId::coordinator(),
            cause: Cause {
                kind: CauseType::Leader,
                id: None,
                stream: None,
                seq: None,
            },
            guard: None,
            at: self.stamp(desk.now),
            data: data.encode(),
        };
        self.write(desk, event);
        self.posting.renewed(source.stream(), decided);
        match source {
            Source::Commands => {}
            Source::Messages => self.read_messages = decided,
            Source::Receipts => self.read_receipts = decided,
            Source::DeadLetters | Source::Reports => self.alerts_renewed(source, decided),
        }
        self.stop_listening(desk);
        self.tick(desk);
    }

    /// The last decided record of a stream.
    pub(super) fn decided(&self, stream: Stream) -> u64 {
        self.world.last_decided(&stream.name(&self.hive))
    }

    /// The last record of a stream that needs not be read again, which may be later than the last that was decided: most
    /// messages and receipts change nothing.
    pub(super) fn read_to(&self, stream: Stream) -> u64 {
        let read = match stream {
            Stream::Messages => self.read_messages,
            Stream::Receipts => self.read_receipts,
            Stream::Tasks | Stream::Events | Stream::Dlq => 0,
        };
        read.max(self.decided(stream))
    }

    /// Up to where we read.
    fn place(&self, source: Source) -> u64 {
        let found = self.alerts_read();
        match source {
            Source::Commands => self.read_to(Stream::Tasks),
            Source::Messages => self.read_to(Stream::Messages),
            Source::Receipts => self.read_to(Stream::Receipts),
            Source::DeadLetters => found.dead_letters,
            Source::Reports => found.reports,
        }
    }
}
