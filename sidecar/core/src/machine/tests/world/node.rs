//! One machine of a world with its connection: what is on the way to the server and back.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use wagglebus_schemas::{AgentId, Id, Priority};

use crate::effect::{Effect, Settlement};
use crate::event::{Event, ReaderId, Token};
use crate::machine::tests::rig::Rig;
use crate::record::{Key, Out};

/// How the agent is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Long polls.
    Polls,
    /// A stream reader that gives no sign of its own.
    Auto,
    /// A stream reader that acks.
    Explicit,
}

/// Something on its way to the server.
#[derive(Debug)]
pub(super) enum Op {
    Publish(Arc<Out>, bytes::Bytes),
    Fetch(Option<Priority>),
    Check(Option<Priority>, Vec<u64>),
    Settle(String, Settlement),
    ReadLease,
    WriteLease(Box<wagglebus_schemas::lease::Lease>, u64),
}

/// A message in the hands of the agent itself.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) lease: Option<String>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) rig: Rig,
    pub(super) mode: Mode,
    pub(super) connected: bool,
    pub(super) ops: VecDeque<Op>,
    pub(super) replies: VecDeque<Event>,
    /// Pulls that were given up and are executed later.
    pub(super) given_up: Vec<Option<Priority>>,
    /// Every publish fails until all that are under way have failed.
    pub(super) refusing: bool,
    pub(super) wants_sync: bool,
    pub(super) synced: usize,
    pub(super) reader: Option<ReaderId>,
    pub(super) readers: u64,
    pub(super) writing: VecDeque<(ReaderId, Item)>,
    pub(super) items: Vec<Item>,
    pub(super) polling: Option<Token>,
    pub(super) max_take: usize,
    pub(super) lane_fetches: BTreeSet<Priority>,
    pub(super) asked: Vec<(Token, Id)>,
}

impl Node {
    pub(super) fn new(name: &str, number: u32, slots: usize, mode: Mode) -> Self {
        let mut rig = Rig::new(name, slots);
        rig.ids.world = number + 1;
        Self {
            rig,
            mode,
            connected: false,
            ops: VecDeque::new(),
            replies: VecDeque::new(),
            given_up: Vec::new(),
            refusing: false,
            wants_sync: false,
            synced: 0,
            reader: None,
            readers: 0,
            writing: VecDeque::new(),
            items: Vec::new(),
            polling: None,
            max_take: 0,
            lane_fetches: BTreeSet::new(),
            asked: Vec::new(),
        }
    }

    pub(super) const fn me(&self) -> &AgentId {
        &self.rig.settings.identity.agent
    }

    /// Puts what is meant for the server on its way. Returns whether it was.
    pub(super) fn ask(&mut self, effect: &Effect) -> bool {
        let op = match effect.clone() {
            Effect::Publish { out, body } => {
                let body = match body {
                    crate::effect::Body::Bytes(bytes) => bytes,
                    crate::effect::Body::At(at) => self.rig.spool.body(at),
                };
                Op::Publish(out, body)
            }
            Effect::FetchLane { lane, .. } => {
                let others = self.lane_fetches.len();
                assert!(
                    self.lane_fetches.insert(lane)
                        && (others == 0 || others == 1 && lane == Priority::Urgent),
                    "one fetch at a time, and one of urgent mail beside it: {:?}",
                    self.lane_fetches
                );
                Op::Fetch(Some(lane))
            }
            Effect::FetchReceipt { .. } => Op::Fetch(None),
            Effect::CheckLane { lane, held } => Op::Check(Some(lane), held),
            Effect::CheckReceipts => Op::Check(None, Vec::new()),
            Effect::Settle { ack, settlement } => Op::Settle(ack, settlement),
            Effect::ReadLease => Op::ReadLease,
            Effect::WriteLease { lease, expected } => Op::WriteLease(lease, expected),
            _ => return false,
        };
        assert!(self.connected, "asked of a bus that is down: {op:?}");
        self.ops.push_back(op);
        true
    }

    pub(super) fn is_idle(&self) -> bool {
        let view = self.rig.sidecar.view(super::now(self.rig.now_ms));
        self.ops.is_empty()
            && self.replies.is_empty()
            && self.writing.is_empty()
            && self.items.is_empty()
            && view.unstored.0 == 0
            && view.under_way == (0, 0)
            && view.in_flight.is_empty()
    }
}
