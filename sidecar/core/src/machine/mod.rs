//! The sidecar's machine: routes events to its parts and lets them ask for effects. The rules live in the parts.

mod fetching;
mod incoming;
mod leasing;
mod publishing;
mod receipts;
mod sending;
#[cfg(test)]
mod tests;
mod verbs;
mod view;
mod waiting;

use std::collections::BTreeMap;

use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::{Hive, Id, Priority, RoomName, Timestamp};

pub use view::{InHand, View};

use crate::context::Context;
use crate::effect::{Answer, Effect};
use crate::event::{Event, Identity};
use crate::fence::Fence;
use crate::inbox::Inbox;
use crate::lanes::Turns;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::settle::Settlements;
use crate::wake::{LaneWatch, SAFETY_POLL_MS};
use waiting::Waiters;

/// Time between two heartbeats, in milliseconds (DESIGN 3.6).
pub const HEARTBEAT_MS: u64 = 3_000;
/// Time between two prunings of the ledger, in milliseconds.
const PRUNE_MS: u64 = 60_000;
/// How long a drain waits for publishes and settlements, in milliseconds.
const DRAIN_MS: u64 = 10_000;

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
    turns: Turns,
    settlements: Settlements,
    fence: Fence,
    waiters: Waiters,
    joined: BTreeMap<RoomName, u64>,
    /// Sequences given back with a delay, and until when: not lost, although nobody holds them.
    delayed: BTreeMap<u64, (Priority, u64)>,
    /// Highest sequence that each stream acknowledged, by the family of the subject.
    acknowledged: BTreeMap<publishing::Family, u64>,
    /// A stored message published again after a reconnect, to see whether the stream still has it.
    probe: Option<Id>,
    bus_up: bool,
    restarted: bool,
    spool_failure: Option<String>,
    draining_until_ms: Option<u64>,
    heartbeat_at_ms: u64,
    heartbeat_shown: Option<view::Shown>,
    poll_at_ms: u64,
    prune_at_ms: u64,
    sync: Option<bool>,
}

impl Sidecar {
    /// A sidecar that goes on from what its spool holds.
    pub fn new(settings: Settings, ledger: Ledger) -> Self {
        let mut outbox = Outbox::default();
        for (order, id) in ledger.unstored() {
            if let Some(head) = ledger.sent(&id).and_then(|entry| entry.head.as_ref()) {
                outbox.push(head.priority, order, id, None);
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
            turns: Turns::default(),
            settlements: Settlements::default(),
            waiters: Waiters::default(),
            joined: BTreeMap::new(),
            delayed: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            probe: None,
            bus_up: false,
            restarted: true,
            spool_failure: None,
            draining_until_ms: None,
            heartbeat_at_ms: 0,
            heartbeat_shown: None,
            poll_at_ms: 0,
            prune_at_ms: 0,
            sync: None,
        }
    }

    /// Takes one event and asks for what follows from it.
    ///
    /// The same state, time and event always lead to the same effects. Never blocks, never panics on foreign input.
    pub fn step(&mut self, cx: &mut Context<'_>, event: Event) {
        self.route(cx, event);
        self.advance(cx);
        self.pump(cx);
        if let Some(at_once) = self.sync.take() {
            cx.ask(Effect::Sync { at_once });
        }
    }

    fn route(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::BusUp => self.connected(cx),
            Event::BusDown => self.disconnected(cx),
            Event::LaneChecked { lane, state } => self.lane_checked(cx, lane, state),
            Event::ReceiptsChecked { state } => self.receipts_checked(cx, state),
            Event::Woken { lane, stream_seq } => self.lane_mut(lane).hint(stream_seq),
            Event::ReceiptWoken { stream_seq } => self.receipts.hint(stream_seq),
            Event::LaneFetched { lane, outcome } => self.lane_fetched(cx, lane, outcome),
            Event::ReceiptFetched { outcome } => self.receipt_fetched(cx, outcome),
            Event::FetchedLate {
                fetched,
                lane: Some(lane),
            } => self.take_in(cx, lane, *fetched),
            Event::FetchedLate { fetched, lane: None } => self.take_receipt(cx, &fetched),
            Event::Published { id, outcome } => self.published(cx, id, outcome),
            Event::Settled { ack, confirmed } => self.settled(cx, &ack, confirmed),
            Event::Lease(outcome) => {
                let step = self.fence.answered(cx.now, outcome);
                self.fence_step(cx, step);
            }
            Event::Synced { position } => self.waiters.synced(cx, &self.ledger, position),
            Event::SpoolFailed { why } => self.spool_failure = Some(why),
            Event::Send(request) => self.send(cx, *request),
            Event::Take(take) => self.take(cx, take),
            Event::Gone { token } => self.gone(cx, token),
            Event::ReaderOpened { reader, kind } => self.inbox.open(reader, kind),
            Event::ReaderClosed { reader } => {
                let keys = self.inbox.close(reader);
                self.return_all(cx, keys, "its reader is gone");
            }
            Event::Injected { reader, key } => self.injected(cx, reader, &key),
            Event::Verb {
                token,
                id,
                lease,
                verb,
            } => self.verb(cx, token, id, lease.as_deref(), verb),
            Event::Tick => {}
            Event::Drain => self.drain(cx),
        }
    }

    /// Lets the time take effect.
    fn advance(&mut self, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        for lane in self.lanes.iter_mut().chain([&mut self.receipts]) {
            lane.advance(now_ms);
        }
        self.delayed.retain(|_, (_, until_ms)| *until_ms > now_ms);
        if self.poll_at_ms <= now_ms {
            self.poll_at_ms = now_ms.saturating_add(SAFETY_POLL_MS);
            self.lanes
                .iter_mut()
                .chain([&mut self.receipts])
                .for_each(LaneWatch::poll);
        }
        if self.prune_at_ms <= now_ms {
            self.prune_at_ms = now_ms.saturating_add(PRUNE_MS);
            self.give_up_unreceipted(cx);
            self.ledger.prune(cx.now.wall);
        }
        let expired = self.inbox.expired(now_ms);
        self.return_all(cx, expired, "its lease expired");
        self.waiters.expire(cx, &self.ledger);
    }

    /// Asks for everything that can go on now.
    fn pump(&mut self, cx: &mut Context<'_>) {
        if self.bus_up {
            let step = self.fence.due(cx.now);
            self.fence_step(cx, step);
            for (ack, settlement) in self.settlements.due(cx.now.mono_ms) {
                cx.ask(Effect::Settle { ack, settlement });
            }
            for ack in self.inbox.progress_due(cx.now.mono_ms) {
                cx.ask(Effect::Settle {
                    ack,
                    settlement: crate::effect::Settlement::Progress,
                });
            }
            self.publish(cx);
            self.fetch(cx);
        }
        self.answer_requests(cx);
        self.beat(cx);
        self.finish_drain(cx);
    }

    fn lane_mut(&mut self, lane: Priority) -> &mut LaneWatch {
        let [urgent, high, normal, low] = &mut self.lanes;
        match lane {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }

    fn lane(&self, lane: Priority) -> &LaneWatch {
        let [urgent, high, normal, low] = &self.lanes;
        match lane {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }

    fn connected(&mut self, cx: &mut Context<'_>) {
        self.bus_up = true;
        self.outbox.connected();
        self.settlements.reconnected(cx.now.mono_ms);
        self.settle_former_life(cx);
        self.lanes
            .iter_mut()
            .chain([&mut self.receipts])
            .for_each(LaneWatch::connected);
        self.poll_at_ms = cx.now.mono_ms.saturating_add(SAFETY_POLL_MS);
        self.heartbeat_at_ms = cx.now.mono_ms;
        self.probe_stream();
    }

    fn disconnected(&mut self, cx: &mut Context<'_>) {
        self.bus_up = false;
        self.outbox.disconnected();
        self.fence.disconnected(cx.now);
        for lane in self.lanes.iter_mut().chain([&mut self.receipts]) {
            lane.failed(cx.now.mono_ms);
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) {
        self.draining_until_ms = Some(cx.now.mono_ms.saturating_add(DRAIN_MS));
        for (token, keys) in self.inbox.close_requests() {
            self.return_all(cx, keys, "the sidecar is shutting down");
            cx.ask(Effect::Answer {
                token,
                answer: Answer::Messages(Vec::new()),
            });
        }
        let held: Vec<_> = self.inbox.hands().map(|hand| hand.key.clone()).collect();
        self.return_all(cx, held, "the sidecar is shutting down");
    }

    fn finish_drain(&mut self, cx: &mut Context<'_>) {
        let Some(until_ms) = self.draining_until_ms else {
            return;
        };
        let quiet = self.outbox.under_way() == 0 && self.settlements.is_empty() && self.waiters.is_empty();
        if !self.bus_up || quiet || until_ms <= cx.now.mono_ms {
            cx.ask(Effect::Drained);
        }
    }

    const fn is_draining(&self) -> bool {
        self.draining_until_ms.is_some()
    }

    /// Notes that something was written to the spool.
    fn wrote(&mut self, at_once: bool) {
        self.sync = Some(at_once || self.sync.unwrap_or(false));
    }

    /// The earliest time at which a [`Event::Tick`] would change anything.
    pub fn next_wake(&self, now_ms: u64) -> u64 {
        let lanes = self
            .lanes
            .iter()
            .chain([&self.receipts])
            .filter_map(LaneWatch::next_timer);
        let bus = [
            self.fence.next_due(),
            self.settlements.next_due(),
            self.outbox.next_timer(),
        ];
        let bus = bus.into_iter().flatten().filter(|_| self.bus_up);
        let inbox = self.inbox.next_timer(now_ms);
        let rest = [self.waiters.next_deadline(), inbox, self.draining_until_ms]
            .into_iter()
            .flatten();
        let own = [self.heartbeat_at_ms, self.poll_at_ms, self.prune_at_ms];
        lanes.chain(bus).chain(rest).chain(own).min().unwrap_or(now_ms)
    }

    /// A compaction copied a record to this place.
    pub fn relocated(&mut self, record: crate::record::Record, location: crate::journal::Location) {
        self.ledger.apply(record, location);
    }

    /// The fold of the spool.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// A level as a receipt says it, when receipts say it at all.
const fn receipt_level_is_proof(level: ReceiptLevel) -> bool {
    matches!(
        level,
        ReceiptLevel::Injected | ReceiptLevel::Seen | ReceiptLevel::Done
    )
}

/// Adds milliseconds to a wall-clock time; at the end of representable time it stays.
fn later(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(at.unix_ms().saturating_add(ms)).unwrap_or(at)
}
