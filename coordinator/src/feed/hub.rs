//! One reading of the streams for all readers of the feed, while there are any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Context;
use futures::StreamExt;
use futures::stream::select_all;
use serde_json::{Value, json};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use wagglebus_coordinator_core::feed::{Behind, Bounds, Item, Kept, Place, Position, Ring, Source};
use wagglebus_nats::connect::Connection;
use wagglebus_schemas::Hive;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::past::Past;
use super::streams::{ReadError, Stored, kept};
use crate::metrics::Metrics;

/// The latest records, kept for all readers.
const BOUNDS: Bounds = Bounds {
    records: 8_192,
    bytes: 16 << 20,
};
/// Records of each stream that are read from before the beginning: whoever comes from another coordinator has its place
/// among them.
const BEFORE: u64 = 512;
/// Readers at one time.
const READERS_MAX: usize = 256;
/// Readers that are given old records out of the streams at one time; further ones wait.
const REPLAYS_MAX: usize = 4;
/// Readers are woken no more often than this: under load each is given several records at once.
const WAKE_EVERY: Duration = Duration::from_millis(5);
/// How long the streams are read on after the last reader has gone: it may come back.
const LINGER: Duration = Duration::from_secs(60);
/// How long a new reader waits for the streams to be read.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Pause before a reading that ended is begun anew.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a session is waited for before it is looked again.
const SESSION_WITHIN: Duration = Duration::from_secs(60);

/// The latest records, and whoever is to be told of new ones.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) hive: Hive,
    pub(super) connection: Connection,
    metrics: Arc<Metrics>,
    /// None while nobody reads.
    ring: Mutex<Option<Ring<Arc<Item>>>>,
    news: Notify,
    /// Changes when there is something to look at.
    turns: watch::Sender<u64>,
    /// How many readers there are.
    readers: watch::Sender<usize>,
    seats: Arc<Semaphore>,
    pub(super) replays: Arc<Semaphore>,
}

/// The records that a reader's place was in are gone, and where it is can only be found out anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl Hub {
    /// A hub that reads nothing yet.
    pub(crate) fn new(hive: Hive, connection: Connection, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            hive,
            connection,
            metrics,
            ring: Mutex::default(),
            news: Notify::new(),
            turns: watch::Sender::new(0),
            readers: watch::Sender::new(0),
            seats: Arc::new(Semaphore::new(READERS_MAX)),
            replays: Arc::new(Semaphore::new(REPLAYS_MAX)),
        })
    }

    /// Reads while anybody looks. Never returns; dropped, it ends.
    pub(crate) async fn run(self: Arc<Self>) {
        tokio::join!(self.read(), self.wake());
    }

    async fn read(&self) {
        let mut readers = self.readers.subscribe();
        while readers.wait_for(|readers| *readers > 0).await.is_ok() {
            tokio::select! {
                () = self.follow() => {}
                () = self.deserted() => {}
            }
            *self.ring() = None;
            self.turn();
        }
    }

    /// Resolves once nobody has read for a while.
    async fn deserted(&self) {
        let mut readers = self.readers.subscribe();
        loop {
            if readers.wait_for(|readers| *readers == 0).await.is_err() {
                return;
            }
            let back = readers.wait_for(|readers| *readers > 0);
            if tokio::time::timeout(LINGER, back).await.is_err() {
                return;
            }
        }
    }

    /// Reads through all sessions, until a stream was made anew.
    async fn follow(&self) {
        loop {
            if let Some(session) = self.connection.session_within(SESSION_WITHIN).await {
                let read = tokio::select! {
                    read = self.follow_once(session.jetstream()) => read,
                    () = session.ended() => Ok(()),
                };
                match read {
                    Ok(()) => {}
                    Err(FollowError::MadeAnew) => return,
                    Err(FollowError::Read(error)) => tracing::debug!(%error, "the feed is read anew"),
                }
            }
            sleep(RETRY_AFTER).await;
        }
    }

    async fn follow_once(&self, js: &Context) -> Result<(), FollowError> {
        let [events, messages, receipts] = Source::ALL;
        let kept = tokio::try_join!(
            kept(js, &self.hive, events),
            kept(js, &self.hive, messages),
            kept(js, &self.hive, receipts),
        )?;
        let kept: [Kept; 3] = kept.into();
        let end = Position::new(kept[0].last, kept[1].last, kept[2].last);
        let after = match self.head() {
            Some(head) if end.reaches(&head) => head,
            Some(_) => return Err(FollowError::MadeAnew),
            None => before(kept),
        };
        let mut past = Past::open(js, &self.hive, after, end, true).await?;
        let mut ring = Ring::new(after, BOUNDS);
        if self.head().is_some() {
            while let Some(stored) = past.next().await? {
                self.push(stored);
            }
        } else {
            // Shown only when it is whole: a reader that begins now is to begin at the end.
            while let Some(stored) = past.next().await? {
                add(&mut ring, stored);
            }
            *self.ring() = Some(ring);
            self.turn();
        }
        let mut all = select_all(past.on().map(super::streams::Reading::all));
        while let Some(stored) = all.next().await {
            self.push(stored?);
        }
        Ok(())
    }

    fn push(&self, stored: Stored) {
        if let Some(ring) = &mut *self.ring() {
            add(ring, stored);
        }
        self.news.notify_one();
    }

    async fn wake(&self) {
        loop {
            self.news.notified().await;
            self.turn();
            sleep(WAKE_EVERY).await;
        }
    }

    fn turn(&self) {
        self.turns.send_modify(|turns| *turns = turns.wrapping_add(1));
    }

    /// How far the streams were read, while they are.
    pub(super) fn head(&self) -> Option<Position> {
        self.ring().as_ref().map(Ring::head)
    }

    /// Tells when there is something to look at.
    pub(super) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// A seat for a reader, and where it begins: behind `after` if that is near enough, else it has to look for what is
    /// between; or at the end.
    ///
    /// # Errors
    /// When there are too many readers, or the streams cannot be read.
    pub(super) async fn seat(
        self: &Arc<Self>,
        after: Option<Position>,
    ) -> Result<(Seat, Place, bool), ErrorDetail> {
        let permit = self.seats.clone().try_acquire_owned().map_err(|_| {
            let message = format!("{READERS_MAX} readers are here already");
            ErrorDetail::new(ErrorCode::RateLimited, message).retry_after_ms(5_000)
        })?;
        self.readers.send_modify(|readers| *readers += 1);
        let seat = Seat {
            hub: self.clone(),
            _permit: permit,
        };
        let mut turns = self.turns();
        let ready = turns.wait_for(|_| self.head().is_some());
        let is_ready = matches!(tokio::time::timeout(READY_WITHIN, ready).await, Ok(Ok(_)));
        let ring = self.ring();
        let Some(ring) = ring.as_ref().filter(|_| is_ready) else {
            let message = "the streams cannot be read now";
            return Err(ErrorDetail::new(ErrorCode::BusUnreachable, message).retry_after_ms(1_000));
        };
        Ok(match after {
            None => (seat, ring.end(), true),
            Some(after) => {
                // What no stream of ours has come to may be of another hive.
                let is_near = ring.reaches_back_to(&after) && ring.head().reaches(&after);
                (seat, Place::after(after), is_near)
            }
        })
    }

    /// Gives a reader its next records, at most so many.
    pub(super) fn take(
        &self,
        place: &mut Place,
        records: usize,
        give: impl FnMut(Position, &Arc<Item>),
    ) -> Result<Result<usize, Behind>, Gone> {
        match &*self.ring() {
            Some(ring) => Ok(ring.take(place, records, give)),
            None => Err(Gone),
        }
    }

    /// Counters of this coordinator.
    pub(super) fn counters(&self) -> Value {
        let mut counters = self.metrics.summary();
        if let Value::Object(counters) = &mut counters {
            counters.insert("readers".to_owned(), json!(*self.readers.borrow()));
        }
        counters
    }

    fn ring(&self) -> MutexGuard<'_, Option<Ring<Arc<Item>>>> {
        // Nothing is left half done in there.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a reading ended.
enum FollowError {
    /// Its streams end before what was read of them.
    MadeAnew,
    Read(ReadError),
}

impl From<ReadError> for FollowError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A reader's right to be here. Dropped, it has left.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Arc<Hub>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub
            .readers
            .send_modify(|readers| *readers = readers.saturating_sub(1));
    }
}

/// Where a hub begins: a little before the end.
fn before(kept: [Kept; 3]) -> Position {
    let [events, messages, receipts] = kept.map(|kept| {
        let oldest = kept.first.saturating_sub(1);
        kept.last.saturating_sub(BEFORE).max(oldest).min(kept.last)
    });
    Position::new(events, messages, receipts)
}

fn add(ring: &mut Ring<Arc<Item>>, stored: Stored) {
    let item = stored.item.map(|item| (item.body.len(), item));
    ring.push(stored.source, stored.seq, item);
}
