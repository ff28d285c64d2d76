//! The event loop: whatever happens becomes an event, and what the machine asks for is carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use wagglebus_nats::bus::{Bus, LateAnswers, Note};
use wagglebus_nats::connect::{Event as BusEvent, Events, OLD_SERVER, Subscription};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::heartbeat::BridgeProof;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::{Subject, filter};
use wagglebus_schemas::{AgentId, Hive, Id};
use wagglebus_sidecar_core::context::{Context, FreshIds};
use wagglebus_sidecar_core::effect::{Answer, Body, Effect};
use wagglebus_sidecar_core::event::{Event, PublishOutcome, ReaderId, Token};
use wagglebus_sidecar_core::machine::Sidecar;

use crate::bridge::agent::AgentProcess;
use crate::bridge::tmux::TmuxBridge;
use crate::clock;
use crate::gate::{Call, GateEnds, Inspection, ReaderItem};
use crate::heartbeat::{Pulse, Vitals};
use crate::perform::{Performer, fetched};
use crate::shutdown::Shutdown;
use crate::storage::{Compaction, Storage, SyncReport};

/// Why the event loop ended.
pub(crate) enum End {
    /// It was told to; everything is given back.
    Drained,
    /// Another sidecar holds the lease.
    Fenced(Box<Lease>),
}

/// What the event loop is built from.
pub(crate) struct Parts {
    pub(crate) sidecar: Sidecar,
    pub(crate) storage: Storage,
    pub(crate) syncs: mpsc::UnboundedReceiver<SyncReport>,
    pub(crate) bus: JetStream,
    pub(crate) late: LateAnswers,
    pub(crate) bus_events: Events,
    pub(crate) gate: GateEnds,
    pub(crate) pulse: Pulse,
    pub(crate) bridge: BridgeProof,
    pub(crate) process: AgentProcess,
    pub(crate) hive: Hive,
    pub(crate) agent: AgentId,
    /// Tells the epoch once the lease is held, and again when it changes.
    pub(crate) epoch: watch::Sender<u64>,
}

/// The event loop.
pub(crate) struct EventLoop {
    sidecar: Sidecar,
    storage: Storage,
    syncs: mpsc::UnboundedReceiver<SyncReport>,
    performer: Performer,
    late: LateAnswers,
    bus_events: Events,
    wakes: Subscription,
    gate: GateEnds,
    answers: BTreeMap<Token, oneshot::Sender<Answer>>,
    readers: BTreeMap<ReaderId, mpsc::Sender<ReaderItem>>,
    pulse: Pulse,
    bridge: BridgeProof,
    process: AgentProcess,
    hive: Hive,
    epoch: watch::Sender<u64>,
    compaction: Compaction,
    ids: Uuids,
    effects: Vec<Effect>,
    end: Option<End>,
}

struct Uuids;

impl FreshIds for Uuids {
    fn fresh(&mut self) -> Id {
        Id::from_uuid(uuid::Uuid::now_v7())
    }
}

/// What woke the loop.
enum Turn {
    Event(Event),
    Call(Option<Call>),
    Bus(Option<BusEvent>),
    Wake(Option<Note>),
    Synced(SyncReport),
    Compact,
    Shutdown,
}

impl EventLoop {
    pub(crate) async fn new(parts: Parts) -> Self {
        let wakes = parts
            .bus
            .subscribe(&filter::wakes(&parts.hive, &parts.agent))
            .await;
        Self {
            sidecar: parts.sidecar,
            storage: parts.storage,
            syncs: parts.syncs,
            performer: Performer::new(parts.bus, parts.hive.clone(), parts.agent),
            late: parts.late,
            bus_events: parts.bus_events,
            wakes,
            gate: parts.gate,
            answers: BTreeMap::new(),
            readers: BTreeMap::new(),
            pulse: parts.pulse,
            bridge: parts.bridge,
            process: parts.process,
            hive: parts.hive,
            epoch: parts.epoch,
            compaction: Compaction::default(),
            ids: Uuids,
            effects: Vec::new(),
            end: None,
        }
    }

    /// Runs until the process shall end. `drain` gives the sign to shut down from inside.
    pub(crate) async fn run(mut self, mut drain: Shutdown) -> End {
        let mut draining = false;
        loop {
            let turn = self.turn(&mut drain, draining).await;
            match turn {
                Turn::Event(event) => self.step(event).await,
                Turn::Call(call) => self.call(call).await,
                Turn::Bus(event) => self.bus_event(event).await,
                Turn::Wake(note) => self.wake(note).await,
                Turn::Synced(report) => self.synced(report).await,
                Turn::Compact => {
                    self.compaction
                        .advance(&mut self.storage, &mut self.sidecar)
                        .await
                }
                Turn::Shutdown => {
                    draining = true;
                    self.step(Event::Drain).await;
                }
            }
            if let Some(end) = self.end.take() {
                return end;
            }
        }
    }

    /// Waits for the next thing to happen. What ends comes first. Then everything takes its turn by chance: a long queue
    /// of one kind (publish acks of a full outbox) must not keep the others from being heard. Compaction fills pauses.
    async fn turn(&mut self, drain: &mut Shutdown, draining: bool) -> Turn {
        let now = clock::now().mono_ms;
        let wake_in = Duration::from_millis(self.sidecar.next_wake(now).saturating_sub(now));
        let compact = self.compaction.is_runnable(&self.storage);
        let others = async {
            tokio::select! {
                event = self.performer.next() => Turn::Event(event),
                Some(late) = self.late.next() => Turn::Event(match late.delivery {
                    Some(delivery) => {
                        let lane = lane_of(&delivery.ack.meta().lane.consumer);
                        Event::FetchedLate { fetched: Box::new(fetched(delivery)), lane }
                    }
                    None => Event::Tick,
                }),
                Some(report) = self.syncs.recv() => Turn::Synced(report),
                note = self.wakes.next() => Turn::Wake(note),
                call = self.gate.calls.recv() => Turn::Call(call),
                () = tokio::time::sleep(wake_in) => Turn::Event(Event::Tick),
            }
        };
        tokio::select! {
            biased;
            Some(event) = self.gate.endings.recv() => Turn::Event(event),
            event = self.bus_events.next() => Turn::Bus(event),
            () = drain.begun(), if !draining => Turn::Shutdown,
            turn = others => turn,
            () = std::future::ready(()), if compact => Turn::Compact,
        }
    }

    async fn call(&mut self, call: Option<Call>) {
        match call {
            Some(Call::Ask { event, token, answer }) => {
                self.answers.insert(token, answer);
                self.step(event).await;
            }
            Some(Call::Inspect(look)) => {
                let now = clock::now();
                look(&Inspection {
                    sidecar: &self.sidecar,
                    storage: &self.storage,
                    now,
                });
            }
            Some(Call::Open { reader, kind, items }) => {
                self.readers.insert(reader, items);
                self.step(Event::ReaderOpened { reader, kind }).await;
            }
            // Every gate is gone: nobody will ask for anything any more.
            None => self.step(Event::Drain).await,
        }
    }

    async fn bus_event(&mut self, event: Option<BusEvent>) {
        match event {
            Some(BusEvent::Connected { server, .. }) => {
                tracing::info!(server = ?server, "connected to the bus");
                if server.is_old() {
                    tracing::warn!(version = %server.version, "{OLD_SERVER}");
                }
                self.step(Event::BusUp).await;
            }
            Some(BusEvent::Disconnected { .. }) => {
                tracing::warn!("the connection to the bus is gone; messages are spooled");
                self.performer.disconnected();
                self.step(Event::BusDown).await;
            }
            Some(BusEvent::Retrying { error }) => tracing::debug!(%error, "connecting again"),
            Some(BusEvent::PermissionDenied { subject }) => {
                tracing::error!(
                    subject,
                    "the bus denies a subject that a sidecar needs; look with `wagglebus doctor`"
                );
            }
            Some(BusEvent::SlowConsumer) => tracing::warn!("wakes were lost; the safety poll finds the mail"),
            Some(BusEvent::LameDuck) => tracing::info!("the server is about to stop"),
            Some(BusEvent::Other(text)) => tracing::info!(text, "the server said"),
            Some(BusEvent::Closed) | None => self.step(Event::Drain).await,
        }
    }

    async fn wake(&mut self, note: Option<Note>) {
        let Some(note) = note else { return };
        let stream_seq = note.stream_seq;
        match Subject::parse(&self.hive, &note.subject) {
            Ok(Subject::WakeMessage { priority: lane, .. }) => {
                self.step(Event::Woken { lane, stream_seq }).await
            }
            Ok(Subject::WakeReceipt { .. } | Subject::WakeControl { .. }) => {
                self.step(Event::ReceiptWoken { stream_seq }).await;
            }
            // A wake is a hint and may be forged; what is none says nothing.
            Ok(_) | Err(_) => {}
        }
    }

    async fn synced(&mut self, report: SyncReport) {
        self.storage.synced();
        match report.failure {
            None => {
                self.compaction.synced(&mut self.storage, report.position);
                self.step(Event::Synced {
                    position: report.position,
                })
                .await;
            }
            Some(error) => {
                tracing::error!(%error, "the spool cannot be synced; nothing more is accepted");
                self.step(Event::SpoolFailed {
                    why: error.to_string(),
                })
                .await;
            }
        }
    }

    async fn step(&mut self, event: Event) {
        if let Event::ReaderClosed { reader } = &event {
            self.readers.remove(reader);
        }
        let mut effects = std::mem::take(&mut self.effects);
        self.sidecar.step(
            &mut Context {
                now: clock::now(),
                journal: &mut self.storage,
                ids: &mut self.ids,
                effects: &mut effects,
            },
            event,
        );
        for effect in effects.drain(..) {
            self.perform(effect).await;
        }
        self.effects = effects;
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Publish { out, body } => {
                let body = match body {
                    Body::Bytes(bytes) => Ok(bytes),
                    Body::At(location) => self.storage.read(location),
                };
                match body {
                    Ok(body) => self.performer.publish(&out, body).await,
                    Err(error) => {
                        let why = format!("its body cannot be read from the spool: {error}");
                        self.performer.give_up(out.id, PublishOutcome::Refused { why });
                    }
                }
            }
            Effect::FetchLane { lane, shape } => self.performer.fetch(Some(lane), shape),
            Effect::FetchReceipt { shape } => self.performer.fetch(None, shape),
            Effect::CheckLane { lane, held } => self.performer.check(Some(lane), held),
            Effect::CheckReceipts => self.performer.check(None, Vec::new()),
            Effect::AskControl => self.performer.ask_control(),
            Effect::Settle { ack, settlement } => self.performer.settle(ack, settlement),
            Effect::Sync => self.storage.sync(),
            Effect::HandOver { reader, key, handed } => {
                self.tell_reader(reader, ReaderItem::Message { key, handed });
            }
            Effect::Look { reader } => self.tell_reader(reader, ReaderItem::Look),
            Effect::Nudge { reader, nudge } => self.tell_reader(reader, ReaderItem::Nudge(nudge)),
            Effect::Withdraw { reader } => self.tell_reader(reader, ReaderItem::Withdraw),
            Effect::Notify { receipt } => self.notify(&receipt),
            Effect::Answer { token, answer } => {
                if let Some(waiting) = self.answers.remove(&token) {
                    // A caller that is gone has told so by itself.
                    waiting.send(answer).ok();
                }
            }
            Effect::ReadLease => self.performer.read_lease(),
            Effect::WriteLease { lease, expected } => self.performer.write_lease(&lease, expected),
            Effect::Heartbeat => self.heartbeat().await,
            Effect::Fenced { holder } => self.end = Some(End::Fenced(holder)),
            Effect::Drained => self.end = Some(End::Drained),
            Effect::Warn { what, about } => match about {
                Some(id) => tracing::warn!(%id, "{what}"),
                None => tracing::warn!("{what}"),
            },
        }
    }

    /// Gives an item to a stream reader. One that has no room or is gone is told to the machine as closed by its own
    /// end of the gate.
    fn tell_reader(&mut self, reader: ReaderId, item: ReaderItem) {
        let told = self
            .readers
            .get(&reader)
            .is_some_and(|items| items.try_send(item).is_ok());
        if !told {
            self.readers.remove(&reader);
        }
    }

    fn notify(&mut self, receipt: &Receipt) {
        for items in self.readers.values() {
            // Receipts can be read again by `trace`: a reader that is slow misses the notice, not the receipt.
            items
                .try_send(ReaderItem::Receipt(Box::new(receipt.clone())))
                .ok();
        }
    }

    async fn heartbeat(&mut self) {
        let now = clock::now();
        let view = self.sidecar.view(now);
        self.epoch
            .send_if_modified(|epoch| std::mem::replace(epoch, view.epoch) != view.epoch);
        let bridge = view.nudged.map_or(self.bridge, TmuxBridge::proof);
        let vitals = Vitals {
            bridges: vec![bridge],
            spool_bytes: self.storage.bytes(),
            agent_pid: self.process.pid(),
            agent_starting: self.process.is_starting(),
            agent_gone: self.process.gone_since(),
        };
        let beat = self.pulse.next(view, vitals, now.wall);
        let from = beat.agent.clone();
        let payload = serde_json::to_vec(&beat).unwrap_or_default().into();
        self.performer
            .publish_core(&Subject::Heartbeat { from }, payload)
            .await;
    }
}

/// The lane that a consumer's name ends in; `None`: receipts.
fn lane_of(consumer: &str) -> Option<wagglebus_schemas::Priority> {
    consumer.rsplit_once('_').and_then(|(_, lane)| lane.parse().ok())
}
