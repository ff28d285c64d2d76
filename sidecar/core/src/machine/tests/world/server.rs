//! A tiny model of the server: streams, lanes, deliveries, leases. What is lost on the way is the world's business.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::limits::ACK_PENDING_MAX;
use wagglebus_schemas::{AgentId, Id, Priority};

use crate::effect::Settlement;
use crate::event::{Fetched, LaneState, LeaseOutcome};
use crate::fence::LEASE_MS;
use crate::wake::ACK_WAIT_MS;

/// A stored record.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) id: Id,
    pub(super) body: Bytes,
}

/// A lane of an agent's inbox; `None`: its receipts.
type Consumer = (AgentId, Option<Priority>);

#[derive(Debug, Default)]
struct Deliveries {
    /// How many records of the stream were looked at.
    seen: usize,
    flight: BTreeMap<u64, Flight>,
    /// To be delivered again before anything new.
    again: VecDeque<u64>,
}

#[derive(Debug)]
struct Flight {
    count: u64,
    due_ms: u64,
}

/// What a pull finds.
#[derive(Debug)]
pub(super) enum Pulled {
    Message(Box<Fetched>),
    Empty,
    /// Too much is in flight: no word at all.
    Silence,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) messages: Vec<Stored>,
    pub(super) receipts: Vec<Stored>,
    pub(super) dead: Vec<Stored>,
    deliveries: BTreeMap<Consumer, Deliveries>,
    leases: BTreeMap<AgentId, (Lease, u64, u64)>,
    lease_seq: u64,
}

impl Server {
    /// Stores a record once; a repeat is told by its id. Returns its sequence and whether it was there before.
    pub(super) fn publish(&mut self, subject: &str, id: Id, body: Bytes) -> (u64, bool) {
        let stream = match subject.split('.').nth(1) {
            Some("msg" | "room") => &mut self.messages,
            Some("receipt") => &mut self.receipts,
            _ => &mut self.dead,
        };
        if let Some(at) = stream.iter().position(|stored| stored.id == id) {
            return (at as u64 + 1, true);
        }
        stream.push(Stored {
            subject: subject.to_owned(),
            id,
            body,
        });
        (stream.len() as u64, false)
    }

    /// Whether the message at this place of the stream was delivered and acked.
    pub(super) fn is_acked(&self, agent: &AgentId, lane: Priority, at: usize) -> bool {
        let deliveries = self.deliveries.get(&(agent.clone(), Some(lane)));
        deliveries.is_some_and(|deliveries| {
            deliveries.seen > at && !deliveries.flight.contains_key(&(at as u64 + 1))
        })
    }

    pub(super) fn pull(&mut self, now_ms: u64, agent: &AgentId, lane: Option<Priority>) -> Pulled {
        let stream = if lane.is_some() {
            &self.messages
        } else {
            &self.receipts
        };
        let prefix = match lane {
            Some(lane) => format!("wb.msg.{agent}.{lane}."),
            None => format!("wb.receipt.{agent}."),
        };
        let deliveries = self.deliveries.entry((agent.clone(), lane)).or_default();
        for (seq, flight) in &deliveries.flight {
            if flight.due_ms <= now_ms && !deliveries.again.contains(seq) {
                deliveries.again.push_back(*seq);
            }
        }
        let seq = if let Some(seq) = deliveries.again.pop_front() {
            seq
        } else {
            let fresh = stream.iter().enumerate().skip(deliveries.seen);
            let mut fresh = fresh.filter(|(_, stored)| stored.subject.starts_with(&prefix));
            let Some((at, _)) = fresh.next() else {
                return Pulled::Empty;
            };
            if deliveries.flight.len() >= ACK_PENDING_MAX {
                return Pulled::Silence;
            }
            deliveries.seen = at + 1;
            at as u64 + 1
        };
        let due_ms = now_ms + ACK_WAIT_MS;
        let flight = deliveries
            .flight
            .entry(seq)
            .or_insert(Flight { count: 0, due_ms });
        flight.count += 1;
        flight.due_ms = due_ms;
        assert!(flight.count <= 100, "max_deliver is reached: {seq} is lost");
        let stored = &stream[usize::try_from(seq).unwrap() - 1];
        let pending = stream.iter().skip(deliveries.seen);
        let lane_name = lane.map_or_else(|| "receipts".to_owned(), |lane| lane.to_string());
        Pulled::Message(Box::new(Fetched {
            subject: stored.subject.clone(),
            msg_id: Some(stored.id.to_string()),
            payload: stored.body.clone(),
            ack: format!("{agent}.{lane_name}.{seq}.{}", flight.count),
            num_delivered: flight.count,
            stream_seq: seq,
            pending: pending
                .filter(|stored| stored.subject.starts_with(&prefix))
                .count() as u64,
        }))
    }

    pub(super) fn settle(&mut self, now_ms: u64, ack: &str, settlement: Settlement) {
        let (consumer, seq) = parse(ack);
        let deliveries = self.deliveries.entry(consumer).or_default();
        let Some(flight) = deliveries.flight.get_mut(&seq) else {
            return;
        };
        match settlement {
            Settlement::Ack => {
                deliveries.flight.remove(&seq);
                deliveries.again.retain(|known| *known != seq);
            }
            Settlement::Progress => flight.due_ms = now_ms + ACK_WAIT_MS,
            Settlement::Nak { delay_ms: 0 } => {
                flight.due_ms = now_ms;
                if !deliveries.again.contains(&seq) {
                    deliveries.again.push_back(seq);
                }
            }
            Settlement::Nak { delay_ms } => flight.due_ms = now_ms + delay_ms,
        }
    }

    /// Where a consumer stands, with the ack subjects of what is in flight and not held.
    pub(super) fn check(&self, agent: &AgentId, lane: Option<Priority>, held: &[u64]) -> LaneState {
        let none = Deliveries::default();
        let deliveries = self.deliveries.get(&(agent.clone(), lane)).unwrap_or(&none);
        let lane_name = lane.map_or_else(|| "receipts".to_owned(), |lane| lane.to_string());
        let lost = deliveries.flight.keys().filter(|seq| !held.contains(seq));
        LaneState {
            pending: 0,
            lost: lost
                .map(|seq| format!("{agent}.{lane_name}.{seq}.lost"))
                .collect(),
            joined: BTreeMap::new(),
            server_time: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.deliveries
            .values()
            .map(|deliveries| deliveries.flight.len())
            .sum()
    }

    pub(super) fn read_lease(&mut self, now_ms: u64, agent: &AgentId) -> LeaseOutcome {
        self.leases.retain(|_, (_, _, at_ms)| *at_ms + LEASE_MS > now_ms);
        let found = self.leases.get(agent);
        LeaseOutcome::Read(found.map(|(lease, seq, _)| (lease.clone(), *seq)))
    }

    pub(super) fn write_lease(&mut self, now_ms: u64, lease: Lease, expected: u64) -> LeaseOutcome {
        let agent = lease.agent.clone();
        self.read_lease(now_ms, &agent);
        if self.leases.get(&agent).map_or(0, |(_, seq, _)| *seq) != expected {
            return LeaseOutcome::Conflict;
        }
        self.lease_seq += 1;
        self.leases.insert(agent, (lease, self.lease_seq, now_ms));
        LeaseOutcome::Written(self.lease_seq)
    }
}

fn parse(ack: &str) -> (Consumer, u64) {
    let tokens: Vec<&str> = ack.split('.').collect();
    let consumer = (tokens[0].parse().unwrap(), tokens[1].parse().ok());
    (consumer, tokens[2].parse().unwrap())
}
