//! A [`Bus`] around one model.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::fault::Fault;
use super::filter;
use super::model::{Model, Pulled};
use crate::bus::{Bus, ConsumerState, FetchShape, LaneRef, Late, LateAnswers, Note, Notes, Outgoing, PubAck};
use crate::connect::ANSWER_WITHIN;
use crate::delivery::{AckMeta, Delivery, Settle};
use crate::error::{
    FetchError, FetchFault, InfoError, LeaseError, NoAnswer, PublishError, PublishFault, RequestError,
    SettleError,
};
use crate::lease::{LeaseRecord, LeaseRef};

/// Notes that may wait for one subscriber; more are dropped, as by the server.
const NOTES_MAX: usize = 4096;
/// How long a fetch waits for a word that does not come; as over NATS.
const GRACE: Duration = Duration::from_secs(2);

/// A bus in memory. Cheap to clone; all clones are one bus.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Something was stored, settled, or the connection changed.
    changed: Notify,
    started: Instant,
    late: mpsc::UnboundedSender<Late>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) model: Model,
    connected: bool,
    faults: Vec<Fault>,
    subscribers: Vec<(String, mpsc::Sender<Note>)>,
}

/// The notes of one subscription.
#[derive(Debug)]
pub struct MemoryNotes(mpsc::Receiver<Note>);

impl Memory {
    /// A bus around `model`, connected, and its late answers. Its time begins now.
    pub fn new(model: Model) -> (Self, LateAnswers) {
        let (late, answers) = mpsc::unbounded_channel();
        let world = World {
            model,
            connected: true,
            faults: Vec::new(),
            subscribers: Vec::new(),
        };
        let shared = Shared {
            world: Mutex::new(world),
            changed: Notify::new(),
            started: Instant::now(),
            late,
        };
        (Self(Arc::new(shared)), LateAnswers(answers))
    }

    /// Loses something at the next call that it fits.
    pub fn inject(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// Cuts or mends the connection. While cut, every call fails at once and notes are not heard.
    pub fn set_connected(&self, connected: bool) {
        self.world().connected = connected;
        self.0.changed.notify_waiters();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A panic of a test's other task must not hide its own message behind this one.
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    pub(super) fn connected(&self) -> Result<MutexGuard<'_, World>, NoAnswer> {
        let world = self.world();
        if world.connected {
            Ok(world)
        } else {
            Err(NoAnswer::Disconnected)
        }
    }

    fn publish(&self, record: Outgoing) -> Result<PubAck, PublishFault> {
        let subject = record.subject.clone();
        let mut world = self.connected()?;
        let result = if world.take(Fault::Publish) {
            Err(NoAnswer::Timeout.into())
        } else {
            let stored = world.model.publish(self.now(), record);
            if let Err(unsent @ (PublishFault::InvalidHeader { .. } | PublishFault::TooLarge { .. })) = stored
            {
                return Err(unsent);
            }
            stored.and_then(|(stored, wake)| {
                wake.into_iter().for_each(|wake| world.tell(&wake));
                if world.take(Fault::PubAck) {
                    Err(NoAnswer::Timeout.into())
                } else {
                    Ok(stored)
                }
            })
        };
        drop(world);
        self.0.changed.notify_waiters();
        Ok(Box::pin(async move {
            if result == Err(NoAnswer::Timeout.into()) {
                sleep(ANSWER_WITHIN).await;
            }
            result.map_err(|fault| PublishError { subject, fault })
        }))
    }

    async fn pull(&self, lane: &LaneRef, shape: FetchShape) -> Result<Option<Delivery>, FetchFault> {
        let asked = Instant::now();
        loop {
            // Registered before looking, so that nothing falls between.
            let changed = self.0.changed.notified();
            let (pulled, due) = {
                let mut world = self.connected()?;
                (world.model.pull(self.now(), lane), world.model.next_due())
            };
            let until = match (pulled, shape.expires()) {
                (Pulled::HandedOver(delivery), _) => return self.hand_over(lane, delivery).await,
                (Pulled::NoLane, _) => return Err(NoAnswer::NoResponders.into()),
                (Pulled::Empty, None) => return Ok(None),
                (Pulled::Empty | Pulled::Blocked, Some(expires)) if asked.elapsed() >= expires => {
                    return Ok(None);
                }
                (Pulled::Blocked, None) if asked.elapsed() >= GRACE => return Err(NoAnswer::Timeout.into()),
                (Pulled::Empty | Pulled::Blocked, expires) => asked + expires.unwrap_or(GRACE),
            };
            let due = due.map_or(until, |due| until.min(self.0.started + due));
            tokio::select! {
                () = changed => {}
                () = sleep_until(due) => {}
            }
        }
    }

    async fn hand_over(&self, lane: &LaneRef, delivery: Delivery) -> Result<Option<Delivery>, FetchFault> {
        let (lost, late) = {
            let mut world = self.world();
            (world.take(Fault::HandOver), world.take(Fault::LateHandOver))
        };
        if !lost && !late {
            return Ok(Some(delivery));
        }
        sleep(GRACE).await;
        if late {
            let delivery = Some(delivery);
            let lane = lane.clone();
            // Without a reader the test is over.
            self.0.late.send(Late { lane, delivery }).ok();
        }
        Err(NoAnswer::Timeout.into())
    }
}

impl World {
    pub(super) fn take(&mut self, fault: Fault) -> bool {
        let at = self.faults.iter().position(|waiting| *waiting == fault);
        at.map(|at| self.faults.remove(at)).is_some()
    }

    fn tell(&mut self, note: &Note) {
        self.subscribers.retain(|(_, sender)| !sender.is_closed());
        for (subject, sender) in &self.subscribers {
            if filter::matches(subject, &note.subject) {
                // A full subscriber loses notes, as over NATS.
                sender.try_send(note.clone()).ok();
            }
        }
    }
}

impl Bus for Memory {
    type Notes = MemoryNotes;

    async fn send(&self, record: Outgoing) -> Result<PubAck, PublishError> {
        let subject = record.subject.clone();
        self.publish(record)
            .map_err(|fault| PublishError { subject, fault })
    }

    async fn fetch(&self, lane: &LaneRef, shape: FetchShape) -> Result<Option<Delivery>, FetchError> {
        let pulled = self.pull(lane, shape).await;
        pulled.map_err(|fault| FetchError {
            lane: lane.clone(),
            fault,
        })
    }

    async fn settle(&self, ack_subject: &str, settle: Settle) -> Result<(), SettleError> {
        let meta: AckMeta = ack_subject.parse()?;
        let settled = async {
            let lost = self.connected()?.take(Fault::Settle);
            if !lost {
                self.world().model.settle(self.now(), &meta, &settle)?;
                self.0.changed.notify_waiters();
            }
            if lost || self.world().take(Fault::Confirmation) {
                sleep(ANSWER_WITHIN).await;
                return Err(NoAnswer::Timeout);
            }
            Ok(())
        };
        settled.await.map_err(|fault| SettleError::NoAnswer {
            subject: ack_subject.to_owned(),
            fault,
        })
    }

    async fn consumer_info(&self, lane: &LaneRef) -> Result<ConsumerState, InfoError> {
        let lane = lane.clone();
        match self.connected().map(|world| world.model.state(&lane)) {
            Ok(Some(state)) => Ok(state),
            Ok(None) => Err(InfoError::Refused {
                lane,
                code: 10014,
                text: "consumer not found".to_owned(),
            }),
            Err(fault) => Err(InfoError::NoAnswer { lane, fault }),
        }
    }

    async fn lease_read(&self, key: &LeaseRef) -> Result<Option<LeaseRecord>, LeaseError> {
        let mut world = self.connected().map_err(|fault| LeaseError::Read {
            subject: key.subject.clone(),
            fault,
        })?;
        Ok(world.model.read_lease(self.now(), &key.stream, &key.subject))
    }

    async fn lease_write(&self, key: &LeaseRef, value: Bytes, expected: u64) -> Result<u64, LeaseError> {
        let subject = key.subject.clone();
        let written = self
            .connected()
            .map_err(PublishFault::from)
            .and_then(|mut world| world.model.write_lease(self.now(), &key.subject, value, expected));
        match written {
            Ok(seq) => Ok(seq),
            Err(PublishFault::WrongLastSequence { last }) => Err(LeaseError::Conflict { subject, last }),
            Err(fault) => Err(PublishError { subject, fault }.into()),
        }
    }

    /// Nobody answers: the model has no coordinator.
    async fn request(
        &self,
        subject: &str,
        _payload: Bytes,
        _within: Duration,
    ) -> Result<Bytes, RequestError> {
        let fault = self.connected().err().unwrap_or(NoAnswer::NoResponders);
        Err(RequestError::NoAnswer {
            subject: subject.to_owned(),
            fault,
        })
    }

    async fn subscribe(&self, subject: &str) -> MemoryNotes {
        let (sender, receiver) = mpsc::channel(NOTES_MAX);
        self.world().subscribers.push((subject.to_owned(), sender));
        MemoryNotes(receiver)
    }

    async fn publish_core(&self, subject: &str, payload: Bytes) -> Result<(), NoAnswer> {
        let subject = subject.to_owned();
        self.connected()?.tell(&Note {
            subject,
            payload,
            stream_seq: None,
        });
        Ok(())
    }
}

impl Notes for MemoryNotes {
    async fn next(&mut self) -> Option<Note> {
        self.0.recv().await
    }
}
