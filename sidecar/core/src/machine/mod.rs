//! The sidecar's machine: routes events to its parts and lets them ask for effects. The rules live in the parts.

mod burial;
mod commands;
mod controlling;
mod counts;
mod drain;
mod elsewhere;
mod failures;
mod fetching;
mod incoming;
mod leasing;
mod notices;
mod panes;
mod publishing;
mod receipts;
mod sending;
mod spool_wait;
mod syncing;
#[cfg(test)]
mod tests;
mod verbs;
mod view;
mod waiting;
mod watching;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wagglebus_schemas::{Hive, Id, Priority, RoomName, Timestamp};

pub use counts::Counts;
pub use view::{InHand, View};

use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::event::{Event, Identity};
use crate::fence::Fence;
use crate::inbox::{Appetite, Inbox};
use crate::journal::{JournalError, Location, Written};
use crate::lanes::Turns;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::record::Record;
use crate::settle::Settlements;
use crate::wake::{LaneWatch, SAFETY_POLL_MS};
use drain::Drain;
use spool_wait::SpoolWait;
use syncing::Syncing;
use waiting::Waiters;

/// Time between two heartbeats, in milliseconds (DESIGN 3.6).
pub const HEARTBEAT_MS: u64 = 3_000;
/// Time between two prunings of the ledger, in milliseconds.
const PRUNE_MS: u64 = 60_000;

/// What a sidecar is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hive.
    pub hive: Hive,
    /// Who it speaks for.
    pub identity: Identity,
    /// How many messages the agent works on at once, beside one urgent.
    pub slots: usize,
    /// Take the lease from another living sidecar.
    pub takeover: bool,
}

/// Everything that one sidecar decides with.
#[derive(Debug)]
pub struct Sidecar {
    settings: Settings,
    ledger: Ledger,
    outbox: Outbox,
    inbox: Inbox,
    lanes: [LaneWatch; Priority::COUNT],
    receipts: LaneWatch,
    /// Consumers that the server does not let us ask about, and why.
    refused: BTreeMap<Option<Priority>, String>,
    turns: Turns,
    /// What could be taken when the fetch that is under way began.
    fetching_for: Appetite,
    settlements: Settlements,
    fence: Fence,
    inquiry: controlling::Inquiry,
    waiters: Waiters,
    joined: BTreeMap<RoomName, u64>,
    /// Sequences given back with a delay, and until when: not lost, although nobody holds them.
    delayed: BTreeMap<u64, (Priority, u64)>,
    /// Dead letters that no stream has yet, by their own id: where the dead message lies.
    graves: BTreeMap<Id, burial::Grave>,
    /// What waits for room in the spool.
    spool_wait: SpoolWait,
    /// Highest sequence that each stream acknowledged, by the family of the subject.
    acknowledged: BTreeMap<publishing::Family, u64>,
    /// Stored records published again after a reconnect, to see whether their streams still have them.
    probes: BTreeSet<Id>,
    bus_up: bool,
    /// How far the server's clock is ahead of ours, as of the last answer that said so.
    server_ahead_ms: i64,
    restarted: bool,
    spool_failure: Option<String>,
    drain: Drain,
    heartbeat_at_ms: u64,
    heartbeat_shown: Option<view::Shown>,
    poll_at_ms: u64,
    prune_at_ms: u64,
    syncing: Syncing,
    counts: Counts,
}

impl Sidecar {
    /// A sidecar that goes on from what its spool holds.
    pub fn new(settings: Settings, ledger: Ledger) -> Self {
        let mut outbox = Outbox::default();
        for (order, id) in ledger.unstored() {
            if let Some(head) = ledger.sent(&id).and_then(|entry| entry.head.as_ref()) {
                outbox.push_again(head.priority, order, id);
            }
        }
        Self {
            inbox: Inbox::new(settings.slots),
            fence: Fence::new(settings.identity.clone(), settings.takeover),
            settings,
            ledger,
            outbox,
            lanes: Default::default(),
            receipts: LaneWatch::default(),
            refused: BTreeMap::new(),
            turns: Turns::default(),
            fetching_for: Appetite::None,
            settlements: Settlements::default(),
            inquiry: controlling::Inquiry::default(),
            waiters: Waiters::default(),
            joined: BTreeMap::new(),
            delayed: BTreeMap::new(),
            graves: BTreeMap::new(),
            spool_wait: SpoolWait::default(),
            acknowledged: BTreeMap::new(),
            probes: BTreeSet::new(),
            bus_up: false,
            server_ahead_ms: 0,
            restarted: true,
            spool_failure: None,
            drain: Drain::default(),
            heartbeat_at_ms: 0,
            heartbeat_shown: None,
            poll_at_ms: 0,
            prune_at_ms: 0,
            syncing: Syncing::at_start(),
            counts: Counts::default(),
        }
    }

    /// Takes one event and asks for what follows from it.
    ///
    /// The same state, time and event always lead to the same effects. Never blocks, never panics on foreign input.
    pub fn step(&mut self, cx: &mut Context<'_>, event: Event) {
        // A lease that is over is over, even when the event that noticed it is an ack.
        self.expire_leases(cx);
        self.route(cx, event);
        self.advance(cx);
        self.pump(cx);
        self.sync(cx);
    }

    fn route(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::BusUp => self.connected(cx),
            Event::BusDown => self.disconnected(cx),
            Event::LaneChecked { lane, state } => self.lane_checked(cx, lane, state),
            Event::ReceiptsChecked { state } => self.receipts_checked(cx, state),
            Event::ControlAsked { answer } => self.control_asked(cx, answer),
            Event::ConsumerRefused { lane, why } => self.consumer_refused(cx, lane, why),
            Event::Woken { lane, stream_seq } => {
                self.lane_mut(lane).hint(stream_seq);
                self.announce_to_pane(lane);
            }
            Event::ReceiptWoken { stream_seq } => self.receipts.hint(stream_seq),
            Event::LaneFetched { lane, outcome } => self.lane_fetched(cx, lane, outcome),
            Event::ReceiptFetched { outcome } => self.receipt_fetched(cx, outcome),
            Event::FetchedLate {
                fetched,
                lane: Some(lane),
            } => self.take_late(cx, lane, *fetched),
            Event::FetchedLate { fetched, lane: None } => self.take_receipt(cx, *fetched),
            Event::Published { id, outcome } => self.published(cx, id, outcome),
            Event::Settled {
                ack,
                settlement,
                confirmed,
            } => self.settled(cx, &ack, settlement, confirmed),
            Event::Lease(outcome) => {
                let step = self.fence.answered(cx.now, outcome);
                self.fence_step(cx, step);
            }
            // After a failure no sync says anything about what was written before it.
            Event::Synced { .. } if self.spool_failure.is_some() => {}
            Event::Synced { position } => self.waiters.synced(cx, &self.ledger, position),
            Event::SpoolFailed { why } => self.spool_failure = Some(why),
            Event::Send(request) => self.send(cx, *request),
            Event::Command(request) => self.command(cx, *request),
            Event::Take(take) => self.take(cx, take),
            Event::Gone { token } => self.gone(cx, token),
            Event::ReaderOpened { reader, kind } => self.inbox.open(reader, kind),
            Event::ReaderPaused { reader, paused } => self.inbox.pause(reader, paused),
            Event::ReaderClosed { reader } => {
                let keys = self.inbox.close(reader);
                self.return_all(cx, keys, "its reader is gone");
            }
            Event::Injected { reader, key } => self.injected(cx, reader, &key),
            Event::Pane { reader, news } => self.pane_told(cx, reader, news),
            Event::Verb {
                token,
                id,
                lease,
                verb,
            } => self.verb(cx, token, id, lease.as_deref(), verb),
            Event::RoomChanged { room } => self.forget_room(&room),
            Event::Tick => {}
            Event::Drain => self.begin_drain(cx),
        }
    }

    /// Lets the time take effect.
    fn advance(&mut self, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        self.watches().for_each(|lane| lane.advance(now_ms));
        self.delayed.retain(|_, (_, until_ms)| *until_ms > now_ms);
        if self.poll_at_ms <= now_ms {
            self.poll_at_ms = now_ms.saturating_add(SAFETY_POLL_MS);
            self.watches().for_each(LaneWatch::poll);
            self.recount();
        }
        if self.prune_at_ms <= now_ms {
            self.prune_at_ms = now_ms.saturating_add(PRUNE_MS);
            self.give_up_unreceipted(cx);
            self.ledger.prune(cx.now.wall);
        }
        self.inbox.advance(now_ms);
        self.expire_leases(cx);
        self.waiters.expire(cx, &self.ledger);
    }

    fn expire_leases(&mut self, cx: &mut Context<'_>) {
        let expired = self.inbox.expired(cx.now.mono_ms);
        self.return_all(cx, expired, "its lease expired");
    }

    /// Asks for everything that can go on now.
    fn pump(&mut self, cx: &mut Context<'_>) {
        self.retry_spool(cx);
        if self.bus_up {
            let step = self.fence.due(cx.now);
            self.fence_step(cx, step);
            if self.restarted && self.fence.holds(cx.now) {
                self.restarted = false;
                self.settle_former_life(cx);
            }
            for (ack, settlement) in self.settlements.due(cx.now.mono_ms) {
                cx.ask(Effect::Settle { ack, settlement });
            }
            let hands = self.inbox.progress_due(cx.now.mono_ms);
            for ack in hands
                .into_iter()
                .chain(self.spool_wait.progress_due(cx.now.mono_ms))
            {
                let settlement = Settlement::Progress;
                cx.ask(Effect::Settle { ack, settlement });
            }
            self.inquire(cx);
            self.fetch(cx);
            self.serve_pane(cx);
        }
        self.answer_requests(cx);
        // Last, as receipts come of everything above.
        if self.bus_up {
            self.publish(cx);
        }
        self.beat(cx);
        self.finish_drain(cx);
    }

    fn connected(&mut self, cx: &mut Context<'_>) {
        if self.bus_up {
            self.disconnected(cx);
        }
        self.bus_up = true;
        self.outbox.connected();
        self.settlements.reconnected(cx.now.mono_ms);
        self.watches().for_each(LaneWatch::connected);
        self.poll_at_ms = cx.now.mono_ms.saturating_add(SAFETY_POLL_MS);
        self.heartbeat_at_ms = cx.now.mono_ms;
        self.inquiry.connected(cx.now.mono_ms);
        self.probe_streams(cx.now);
    }

    fn disconnected(&mut self, cx: &mut Context<'_>) {
        self.bus_up = false;
        self.outbox.disconnected();
        self.fence.disconnected(cx.now);
        self.watches().for_each(LaneWatch::disconnected);
    }

    /// Writes a fact, counts it, and has it synced in time.
    fn record(
        &mut self,
        cx: &mut Context<'_>,
        record: Record,
        body: &Bytes,
    ) -> Result<Written, JournalError> {
        let counted = counts::Counted::of(&record);
        let written = cx.record(&mut self.ledger, record, body)?;
        counted.into_iter().for_each(|counted| self.counts.add(counted));
        self.syncing.wrote(cx.now.mono_ms);
        Ok(written)
    }

    /// Writes a fact without a body whose loss costs only a repetition after a restart: this process knows it even when
    /// the spool has no room for it.
    fn note(&mut self, cx: &mut Context<'_>, record: Record, about: Option<Id>) {
        match self.record(cx, record.clone(), &Bytes::new()) {
            Ok(_) => {}
            Err(error) => {
                cx.warn(about, error.to_string());
                let nowhere = Location {
                    segment: 0,
                    offset: 0,
                    len: 0,
                };
                self.ledger.apply(record, nowhere);
            }
        }
    }

    /// The earliest time at which a [`Event::Tick`] would change anything; later than the time of the last step.
    pub fn next_wake(&self, now_ms: u64) -> u64 {
        let lanes = self.lanes.iter().chain([&self.receipts]);
        let bus = [
            self.fence.next_due(),
            self.settlements.next_due(),
            self.outbox.next_timer(),
            self.inquiry.next_due(),
            self.inbox.next_progress(),
            self.spool_wait.next_progress(),
        ];
        let rest = [
            self.inbox.next_timer(now_ms),
            self.waiters.next_deadline(),
            self.spool_wait.next_retry(),
            self.drain.next_timer(),
            self.syncing.next_due(),
            Some(self.heartbeat_at_ms),
            Some(self.poll_at_ms),
            Some(self.prune_at_ms),
        ];
        let bus = bus.into_iter().flatten().filter(|_| self.bus_up);
        let rest = rest.into_iter().flatten();
        lanes
            .filter_map(LaneWatch::next_timer)
            .chain(bus)
            .chain(rest)
            .min()
            .unwrap_or(now_ms)
    }

    /// A compaction copied a record to this place.
    pub fn relocated(&mut self, record: Record, location: Location) {
        self.ledger.apply(record, location);
    }
}

/// Adds milliseconds to a wall-clock time; at the end of representable time it stays.
fn later(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(at.unix_ms().saturating_add(ms)).unwrap_or(at)
}
