//! The outbox: which record is published next, how many at once, and what happens after a failure.
//!
//! Publishes leave in order on one connection, pipelined. At the first failure nothing more leaves until all that are
//! under way have been answered; then publishing goes on from the first that is not stored, under the same ids
//! (DESIGN 3.3, Order).

use std::collections::BTreeMap;

use bytes::Bytes;
use wagglebus_schemas::{Id, Priority};

use crate::lanes::{LaneSet, Turns};

/// Most publishes under way at once. Below the NATS client's own queue, so that handing one over never blocks.
pub const WINDOW_MAX: usize = 1_024;
/// Most bytes of bodies kept in memory for publishing; others are read from the spool again.
const CACHED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// First pause after a failure, in milliseconds; doubled up to [`PAUSE_MS_MAX`].
const PAUSE_MS_MIN: u64 = 100;
/// Longest pause after a failure, in milliseconds.
const PAUSE_MS_MAX: u64 = 5_000;

/// A record that waits to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    id: Id,
    body: Option<Bytes>,
    /// It may have left before.
    again: bool,
}

/// A record whose publish has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnderWay {
    lane: Priority,
    order: u64,
    /// Highest sequence that its stream had acknowledged when it was sent.
    floor: u64,
    body: Option<Bytes>,
    again: bool,
}

/// A publish that was acknowledged, or refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The highest sequence that its stream had acknowledged when it was sent: an ack at or below it means that the
    /// stream lost its tail.
    pub floor: u64,
    /// It may have left before: that the stream knows its id is no surprise.
    pub again: bool,
}

/// Whether publishes may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The bus is not connected.
    Down,
    /// They may.
    Open,
    /// One failed: not before all others are answered, and not before this time.
    Stopped { until_ms: u64 },
}

/// The next publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Which record.
    pub id: Id,
    /// Its body, when it is still in memory.
    pub body: Option<Bytes>,
}

/// Records on their way to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    lanes: [BTreeMap<u64, Waiting>; Priority::COUNT],
    turns: Turns,
    under_way: BTreeMap<Id, UnderWay>,
    cached_bytes: usize,
    flow: Flow,
    pause_ms: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            lanes: Default::default(),
            turns: Turns::default(),
            under_way: BTreeMap::new(),
            cached_bytes: 0,
            flow: Flow::Down,
            pause_ms: PAUSE_MS_MIN,
        }
    }
}

impl Outbox {
    /// Puts a record into its lane, at its place in the order of acceptance.
    pub fn push(&mut self, lane: Priority, order: u64, id: Id, body: Option<Bytes>) {
        let body = body.filter(|body| self.cached_bytes.saturating_add(body.len()) <= CACHED_BYTES_MAX);
        self.cached_bytes = self
            .cached_bytes
            .saturating_add(body.as_ref().map_or(0, Bytes::len));
        if let Some(lane) = self.lanes.get_mut(lane.index()) {
            let again = false;
            lane.insert(order, Waiting { id, body, again });
        }
    }

    /// Puts a record into its lane that may have left before.
    pub fn push_again(&mut self, lane: Priority, order: u64, id: Id) {
        if let Some(lane) = self.lanes.get_mut(lane.index()) {
            let (body, again) = (None, true);
            lane.insert(order, Waiting { id, body, again });
        }
    }

    /// The bus is connected.
    pub const fn connected(&mut self) {
        self.flow = Flow::Open;
        self.pause_ms = PAUSE_MS_MIN;
    }

    /// The bus is gone, and with it every awaited answer: what was under way goes back to its place.
    pub fn disconnected(&mut self) {
        self.flow = Flow::Down;
        for (
            id,
            UnderWay {
                lane, order, body, ..
            },
        ) in std::mem::take(&mut self.under_way)
        {
            if let Some(lane) = self.lanes.get_mut(lane.index()) {
                let again = true;
                lane.insert(order, Waiting { id, body, again });
            }
        }
    }

    /// The next publish, if one may leave; it then is under way. `floor` tells the highest sequence that the record's
    /// stream has acknowledged.
    pub fn next(&mut self, now_ms: u64, floor: impl FnOnce(Id) -> u64) -> Option<Next> {
        match self.flow {
            Flow::Down => return None,
            Flow::Stopped { until_ms } if now_ms < until_ms || !self.under_way.is_empty() => return None,
            Flow::Stopped { .. } => self.flow = Flow::Open,
            Flow::Open => {}
        }
        if self.under_way.len() >= WINDOW_MAX {
            return None;
        }
        let waiting: LaneSet = Priority::ALL
            .iter()
            .copied()
            .filter(|lane| !self.lane(*lane).is_empty())
            .collect();
        let lane = self.turns.next(waiting)?;
        self.turns.take(lane, waiting);
        let (order, Waiting { id, body, again }) = self.lanes.get_mut(lane.index())?.pop_first()?;
        let under_way = UnderWay {
            lane,
            order,
            floor: floor(id),
            body: body.clone(),
            again,
        };
        self.under_way.insert(id, under_way);
        Some(Next { id, body })
    }

    fn lane(&self, lane: Priority) -> &BTreeMap<u64, Waiting> {
        static EMPTY: BTreeMap<u64, Waiting> = BTreeMap::new();
        self.lanes.get(lane.index()).unwrap_or(&EMPTY)
    }

    /// A publish was acknowledged, or refused for good. `None`: it was not under way.
    pub fn finished(&mut self, id: &Id) -> Option<Finished> {
        let under_way = self.under_way.remove(id)?;
        self.uncache(under_way.body.as_ref());
        self.pause_ms = PAUSE_MS_MIN;
        let UnderWay { floor, again, .. } = under_way;
        Some(Finished { floor, again })
    }

    /// A publish got no answer or a passing refusal: it goes back to its place, and the outbox stops.
    pub fn failed(&mut self, id: &Id, now_ms: u64) {
        let Some(UnderWay {
            lane, order, body, ..
        }) = self.under_way.remove(id)
        else {
            return;
        };
        if let Some(lane) = self.lanes.get_mut(lane.index()) {
            let (id, again) = (*id, true);
            lane.insert(order, Waiting { id, body, again });
        }
        if self.flow == Flow::Open {
            self.flow = Flow::Stopped {
                until_ms: now_ms.saturating_add(self.pause_ms),
            };
            self.pause_ms = self.pause_ms.saturating_mul(2).min(PAUSE_MS_MAX);
        }
    }

    /// When a stop ends by time alone.
    pub fn next_timer(&self) -> Option<u64> {
        match self.flow {
            Flow::Stopped { until_ms } if self.under_way.is_empty() => Some(until_ms),
            Flow::Stopped { .. } | Flow::Down | Flow::Open => None,
        }
    }

    /// Whether publishes leave as they come.
    pub fn is_flowing(&self) -> bool {
        self.flow == Flow::Open
    }

    /// How many publishes have no answer yet.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.lanes.iter().all(BTreeMap::is_empty)
    }

    /// Whether the record waits or is under way.
    pub fn has(&self, lane: Priority, order: u64, id: &Id) -> bool {
        self.under_way.contains_key(id) || self.lane(lane).contains_key(&order)
    }

    fn uncache(&mut self, body: Option<&Bytes>) {
        self.cached_bytes = self.cached_bytes.saturating_sub(body.map_or(0, Bytes::len));
    }
}

#[cfg(test)]
mod tests;
