//! What the log says up to its present end, read apart from the event loop: from the newest snapshot and the lines after it.

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt;
use wagglebus_coordinator_core::log::World;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Hive, decode, headers};

use super::shelf::Shelf;
use super::signs::Signs;

/// Lines after which others get their turn: a long log is read without keeping anybody waiting.
const TURN: u64 = 64;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Lines of the log are gone, and nothing that can be read tells of them.
#[derive(Debug, thiserror::Error)]
#[error(
    "lines {first} to {last} of the log are gone, and no snapshot that this release can read tells of them"
)]
pub(crate) struct Incomplete {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What the log says, and the id of the last line.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) last_id: Option<String>,
    /// Lines that cannot be read.
    pub(crate) unreadable: u64,
}

impl Story {
    /// From the newest usable snapshot; with none from the beginning.
    pub(crate) async fn begin(shelf: &Shelf, signs: &Signs) -> Result<Self, Error> {
        let newest = shelf.newest(0, signs).await?;
        let (world, last_id) =
            newest.map_or_else(|| (World::new(), None), |(head, world)| (world, head.last_id));
        Ok(Self {
            world,
            last_id,
            unreadable: 0,
        })
    }

    /// Goes on behind the lines that are gone and that nothing tells of, if there are such: which ones.
    pub(crate) async fn accept_loss(
        &mut self,
        js: &Context,
        hive: &Hive,
    ) -> Result<Option<Incomplete>, Error> {
        let stream = js.get_stream(Stream::Events.name(hive)).await?;
        let incomplete = self.gap(stream.cached_info().state.first_sequence);
        if let Some(Incomplete { last, .. }) = incomplete {
            self.world.lose(last);
            self.last_id = None;
        }
        Ok(incomplete)
    }

    fn gap(&self, oldest: u64) -> Option<Incomplete> {
        let first = self.world.last().saturating_add(1);
        (first < oldest).then(|| Incomplete {
            first,
            last: oldest - 1,
        })
    }

    /// Reads on to the present end. `tell` hears how far it came, and where the end is.
    ///
    /// # Errors
    /// [`Incomplete`] where lines are gone; else what the bus says.
    pub(crate) async fn read_on(
        &mut self,
        js: &Context,
        hive: &Hive,
        mut tell: impl FnMut(u64, u64),
    ) -> Result<(), Error> {
        let stream = js.get_stream(Stream::Events.name(hive)).await?;
        let state = stream.cached_info().state.clone();
        if let Some(incomplete) = self.gap(state.first_sequence) {
            return Err(incomplete.into());
        }
        if self.world.last() >= state.last_sequence {
            return Ok(());
        }
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: self.world.last() + 1,
            },
            ..Default::default()
        };
        let mut lines = stream.create_consumer(config).await?.messages().await?;
        while self.world.last() < state.last_sequence {
            let line = lines.next().await.ok_or("the reading ended")??;
            let seq = line.info().map_err(|error| error.to_string())?.stream_sequence;
            if seq > self.world.last() + 1 {
                return Err("lines were purged meanwhile".into());
            }
            let event = decode::record::<Event>("event", &line.payload, LINE_BYTES_MAX);
            let applied = event
                .map_err(|error| error.to_string())
                .and_then(|event| self.world.apply(seq, &event).map_err(|error| error.to_string()));
            if applied.is_err() {
                self.unreadable += 1;
                self.world.skip(seq);
            }
            let id = line.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
            self.last_id = id.map(ToString::to_string);
            tell(seq, state.last_sequence);
            if seq % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}
