//! What lies in the streams already, in the order of time.

use async_nats::jetstream::Context;
use wagglebus_coordinator_core::feed::{Head, Merge, Position, Source};
use wagglebus_schemas::Hive;

use super::streams::{ReadError, Reading, Stored};

/// A reading of all three streams up to some place.
pub(super) struct Past {
    merge: Merge<Stored>,
    parts: [Part; 3],
}

struct Part {
    source: Source,
    /// None where nothing has to be read.
    reading: Option<Reading>,
    /// Up to where.
    to: u64,
    is_read: bool,
}

impl Past {
    /// What lies behind `after`, up to `to`. With `stay` a stream that has nothing there is opened all the same, to be
    /// read [on](Self::on).
    pub(super) async fn open(
        js: &Context,
        hive: &Hive,
        after: Position,
        to: Position,
        stay: bool,
    ) -> Result<Self, ReadError> {
        let part = async |source: Source| {
            let (after, to) = (after.of(source), to.of(source));
            let is_read = after >= to;
            let reading = if is_read && !stay {
                None
            } else {
                Some(Reading::open(js, hive, source, after).await?)
            };
            Ok::<Part, ReadError>(Part {
                source,
                reading,
                to,
                is_read,
            })
        };
        let [events, messages, receipts] = Source::ALL;
        Ok(Self {
            merge: Merge::default(),
            parts: [part(events).await?, part(messages).await?, part(receipts).await?],
        })
    }

    /// The next record; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Stored>, ReadError> {
        while let Some(wanted) = self.merge.wants() {
            let part = self.parts.iter_mut().find(|part| part.source == wanted);
            let head = match part {
                Some(part) => part.next().await?,
                None => None,
            };
            self.merge.put(wanted, head);
        }
        Ok(self.merge.take().map(|(_, stored)| stored))
    }

    /// The readings, to go on with what comes.
    pub(super) fn on(self) -> impl Iterator<Item = Reading> {
        self.parts.into_iter().filter_map(|part| part.reading)
    }
}

impl Part {
    async fn next(&mut self) -> Result<Option<Head<Stored>>, ReadError> {
        let Some(reading) = self.reading.as_mut().filter(|_| !self.is_read) else {
            return Ok(None);
        };
        let stored = reading.next().await?;
        // The last one that was there may have been deleted since.
        self.is_read = stored.seq >= self.to || stored.is_last;
        Ok(Some(Head {
            at: stored.at,
            item: stored,
        }))
    }
}
