//! A stream reader's session: outlives its connection by a moment, so that a reader that comes back at once still has
//! what it had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_sidecar_core::effect::Handed;
use wagglebus_sidecar_core::event::ReaderKind;
use wagglebus_sidecar_core::record::Key;

use super::dialect::{Dialect, Frame};
use super::event::EventId;
use super::{After, Wanted};
use crate::bridge::http::state::ApiState;
use crate::gate::{Gate, Inspection, Reader, ReaderItem};
use crate::shutdown::Shutdown;

/// How long a reader may be gone before what it held goes back.
const GONE: Duration = Duration::from_secs(2);
/// Time between two signs of life.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a message is leased; `progress` extends it.
const LEASE_MS: u64 = 60_000;
/// Events that may wait for a connection to take them.
const FRAMES_MAX: usize = 256;
/// Room that receipts leave to messages: who is slow misses notices first.
const FRAMES_FOR_MESSAGES: usize = 128;
/// Messages remembered before those that are settled meanwhile are forgotten.
const REMEMBERED_MAX: usize = 64;

/// A connection that wants to be the stream's reader.
#[derive(Debug)]
pub(super) struct Attach {
    pub(super) wanted: Wanted,
    pub(super) answer: oneshot::Sender<Result<Attached, ErrorDetail>>,
}

/// What an attached connection writes, and where it tells what was written.
#[derive(Debug)]
pub(in crate::bridge::http) struct Attached {
    pub(in crate::bridge::http) frames: mpsc::Receiver<Frame>,
    pub(in crate::bridge::http) written: mpsc::UnboundedSender<Key>,
    /// The lease's epoch.
    pub(in crate::bridge::http) epoch: u64,
    /// How many messages it holds at most, beside one urgent.
    pub(in crate::bridge::http) slots: usize,
}

/// A message that was sent and may not be settled.
struct Unacked {
    key: Key,
    lease: String,
    injected: bool,
}

enum Connection {
    Attached {
        frames: mpsc::Sender<Frame>,
        ping_at: Instant,
    },
    Gone {
        until: Instant,
    },
}

/// What happens next.
enum Turn {
    Item(Option<ReaderItem>),
    Attach(Option<Attach>),
    Written(Key),
    ConnectionGone,
    Time,
    Shutdown,
}

pub(super) struct Session {
    gate: Gate,
    reader: Reader,
    epoch: u64,
    slots: usize,
    dialect: Dialect,
    /// The number of the last event.
    last: u64,
    unacked: BTreeMap<u64, Unacked>,
    connection: Connection,
    attaches: mpsc::Receiver<Attach>,
    written: (mpsc::UnboundedSender<Key>, mpsc::UnboundedReceiver<Key>),
}

impl Session {
    /// Begins a session, to which a connection must attach within two seconds.
    pub(super) async fn start(
        api: &Arc<ApiState>,
        wanted: Wanted,
    ) -> Result<mpsc::Sender<Attach>, ErrorDetail> {
        let (attach, attaches) = mpsc::channel(1);
        let epoch = api
            .gate
            .inspect(|inspection| inspection.sidecar.view(inspection.now).epoch)
            .await?;
        let session = Self {
            reader: api.gate.open(kind(wanted)).await?,
            gate: api.gate.clone(),
            epoch,
            slots: wanted.slots,
            dialect: wanted.dialect,
            last: 0,
            unacked: BTreeMap::new(),
            connection: Connection::Gone {
                until: Instant::now() + GONE,
            },
            attaches,
            // Unbounded, but at most as many as frames were sent.
            written: mpsc::unbounded_channel(),
        };
        tokio::spawn(session.run(api.shutdown.clone()));
        Ok(attach)
    }

    async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            match self.turn(&mut shutdown).await {
                Turn::Item(Some(ReaderItem::Message { key, handed })) => self.message(key, &handed).await,
                // For panes alone.
                Turn::Item(Some(ReaderItem::Look | ReaderItem::Nudge(_) | ReaderItem::Withdraw)) => {}
                Turn::Item(Some(ReaderItem::Receipt(receipt))) => {
                    if self.room() > FRAMES_FOR_MESSAGES {
                        let id = self.next_id();
                        self.write(self.dialect.receipt(id, &receipt));
                    }
                }
                Turn::Attach(Some(attach)) => self.attach(attach).await,
                Turn::Written(key) => self.injected(key),
                Turn::ConnectionGone => self.gone(),
                Turn::Time if self.ping() => {}
                // Nobody came back, or nobody can any more.
                Turn::Time | Turn::Attach(None) => return,
                Turn::Item(None) | Turn::Shutdown => {
                    // Without the sign, the event loop ends only when another sidecar holds the lease.
                    return self.close(if shutdown.is_given() { "drain" } else { "fenced" });
                }
            }
        }
    }

    async fn turn(&mut self, shutdown: &mut Shutdown) -> Turn {
        let (gone, time) = match &self.connection {
            Connection::Attached { frames, ping_at } => (Some(frames), *ping_at),
            Connection::Gone { until } => (None, *until),
        };
        let gone = async {
            match gone {
                Some(frames) => frames.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What was written counts before the connection's end does.
            biased;
            Some(key) = self.written.1.recv() => Turn::Written(key),
            item = self.reader.next() => Turn::Item(item),
            () = shutdown.begun() => Turn::Shutdown,
            () = gone => Turn::ConnectionGone,
            attach = self.attaches.recv() => Turn::Attach(attach),
            () = sleep_until(time) => Turn::Time,
        }
    }

    async fn message(&mut self, key: Key, handed: &Handed) {
        if self.unacked.len() >= REMEMBERED_MAX {
            self.forget_settled().await;
        }
        let id = self.next_id();
        let unacked = Unacked {
            key,
            lease: handed.lease.clone(),
            injected: false,
        };
        self.send(id, &unacked.key, handed);
        self.unacked.insert(id.n, unacked);
    }

    fn send(&mut self, id: EventId, key: &Key, handed: &Handed) {
        match self.dialect.message(id, key, handed) {
            Ok(frame) => self.write(frame),
            // It was decoded before it was handed over; its lease brings it back.
            Err(refusal) => tracing::error!(id = %key.id, ?refusal, "a message cannot be shown"),
        }
    }

    async fn attach(&mut self, attach: Attach) {
        let Attach { wanted, answer } = attach;
        if let Connection::Attached { frames, .. } = &self.connection
            && !frames.is_closed()
        {
            if !wanted.takeover {
                let error = ErrorDetail::new(ErrorCode::InboxBusy, "another stream reader holds the inbox")
                    .hint("close it first, or take over with ?takeover=1");
                answer.send(Err(error)).ok();
                return;
            }
            self.close("replaced");
        }
        if (wanted.slots, wanted.dialect) != (self.slots, self.dialect) {
            // Another kind of reader: what the former one held goes back and comes to this one.
            match self.gate.open(kind(wanted)).await {
                Ok(reader) => {
                    self.reader = reader;
                    (self.slots, self.dialect) = (wanted.slots, wanted.dialect);
                }
                Err(error) => {
                    answer.send(Err(error)).ok();
                    return;
                }
            }
        }
        self.reader.pause(false);
        let (frames, taken) = mpsc::channel(FRAMES_MAX);
        self.connection = Connection::Attached {
            frames,
            ping_at: Instant::now() + PING_EVERY,
        };
        if answer
            .send(Ok(Attached {
                frames: taken,
                written: self.written.0.clone(),
                epoch: self.epoch,
                slots: self.slots,
            }))
            .is_err()
        {
            return self.gone();
        }
        self.send_again(wanted.after).await;
    }

    /// Sends what is not settled and came after an event; after an unknown one, all of it.
    async fn send_again(&mut self, after: Option<After>) {
        let number = after.and_then(|after| match after {
            After::Event(id) => (id.epoch == self.epoch).then_some(id.n),
            After::Seq(n) => Some(n),
        });
        let after = number.filter(|n| *n <= self.last).unwrap_or(0);
        let in_hand = self.forget_settled().await;
        let again: Vec<_> = self
            .unacked
            .range(after.saturating_add(1)..)
            .map(|(n, u)| (*n, u.key.clone()))
            .collect();
        for (n, key) in again {
            if let Some(handed) = in_hand.get(&key) {
                self.send(EventId { epoch: self.epoch, n }, &key, handed);
            }
        }
    }

    /// Forgets what the reader does not hold any more, and tells what it does.
    async fn forget_settled(&mut self) -> BTreeMap<Key, Handed> {
        let look = |inspection: &Inspection<'_>| {
            inspection
                .sidecar
                .in_hand()
                .map(|hand| (hand.key.clone(), hand.handed()))
                .collect::<BTreeMap<_, _>>()
        };
        let in_hand = self.gate.inspect(look).await.unwrap_or_default();
        self.unacked.retain(|_, unacked| {
            in_hand
                .get(&unacked.key)
                .is_some_and(|hand| hand.lease == unacked.lease)
        });
        in_hand
    }

    fn injected(&mut self, key: Key) {
        let first = self
            .unacked
            .values_mut()
            .find(|unacked| unacked.key == key && !unacked.injected);
        if let Some(unacked) = first {
            unacked.injected = true;
            self.reader.injected(key);
        }
    }

    fn next_id(&mut self) -> EventId {
        self.last = self.last.saturating_add(1);
        EventId {
            epoch: self.epoch,
            n: self.last,
        }
    }

    fn room(&self) -> usize {
        match &self.connection {
            Connection::Attached { frames, .. } => frames.capacity(),
            Connection::Gone { .. } => 0,
        }
    }

    /// Gives a frame to the connection. One that takes nothing is as good as gone.
    fn write(&mut self, frame: Frame) {
        if let Connection::Attached { frames, .. } = &self.connection
            && frames.try_send(frame).is_err()
        {
            self.gone();
        }
    }

    fn close(&mut self, reason: &'static str) {
        let id = self.next_id();
        self.write(self.dialect.closed(id, reason));
    }

    fn gone(&mut self) {
        self.reader.pause(true);
        self.connection = Connection::Gone {
            until: Instant::now() + GONE,
        };
    }

    /// Says that the session lives; false when its reader has been gone for too long.
    fn ping(&mut self) -> bool {
        let Connection::Attached { ping_at, .. } = &mut self.connection else {
            return false;
        };
        *ping_at += PING_EVERY;
        self.write(self.dialect.ping());
        true
    }
}

/// The session ended while a connection attached to it.
pub(super) fn ended() -> ErrorDetail {
    ErrorDetail::new(ErrorCode::Draining, "the sidecar is shutting down")
}

const fn kind(wanted: Wanted) -> ReaderKind {
    ReaderKind {
        bridge: wanted.dialect.bridge(),
        slots: wanted.slots,
        auto: false,
        lease_ms: Some(LEASE_MS),
        pane: None,
    }
}
