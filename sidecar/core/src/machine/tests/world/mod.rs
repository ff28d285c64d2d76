//! A world: several machines, their agents, one server, one clock, and chance. One seed decides everything.

mod agents;
mod chance;
mod checker;
mod controls;
mod faults;
mod node;
mod server;
mod serving;

use wagglebus_schemas::{AgentId, Priority};

use crate::effect::{Answer, Effect};
use crate::event::Event;
use crate::machine::tests::rig::now;

use chance::Chance;
use checker::Checker;
use node::{Item, Mode, Node};
use server::Server;

/// A rule of the machine that is broken on purpose, to show that the checker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Nothing is.
    None,
    /// The spool forgets how messages ended.
    ForgetsEnds,
    /// The spool forgets hand-overs.
    ForgetsHandOvers,
    /// The spool forgets what was accepted.
    ForgetsAccepted,
    /// Publishes overtake each other.
    ShufflesPublishes,
}

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    server: Server,
    nodes: Vec<Node>,
    now_ms: u64,
    chance: Chance,
    checker: Checker,
    /// Things go wrong.
    faulty: bool,
    /// Power cuts happen, too: what the disk had not confirmed is lost.
    pub(super) power_cuts: bool,
    /// Receipts may have been lost with a disk that was full when its process died, or with the power.
    receipts_lost: bool,
    /// Messages that are still to be sent.
    left: usize,
    sabotage: Sabotage,
    /// The process of a node dies when its spool has so many records, between two of one step if need be.
    dies_at: Option<(usize, usize)>,
    /// Events of the coordinator's log.
    events: u64,
    /// Lanes in the order of the hand-overs that took a regular slot, by agent.
    pub(super) turns: Vec<(AgentId, Priority)>,
}

impl World {
    pub(super) fn new(seed: u64, messages: usize) -> Self {
        let mut chance = Chance::new(seed);
        let names = ["alice", "bob", "carol"];
        let nodes = names.iter().zip(0..).map(|(name, number)| {
            let mode = chance.pick(&[Mode::Polls, Mode::Auto, Mode::Explicit]);
            Node::new(name, number, 1 + chance.below(3), mode)
        });
        Self {
            seed,
            server: Server::default(),
            nodes: nodes.collect(),
            now_ms: 1_000,
            faulty: true,
            power_cuts: false,
            receipts_lost: false,
            left: messages,
            chance,
            checker: Checker::default(),
            sabotage: Sabotage::None,
            dies_at: None,
            events: 0,
            turns: Vec::new(),
        }
    }

    /// Nothing goes wrong but what a test asks for.
    pub(super) fn calm(seed: u64, messages: usize) -> Self {
        let mut world = Self::new(seed, messages);
        world.faulty = false;
        world
    }

    /// The process of a node dies once, when its spool has so many records.
    pub(super) const fn dying(mut self, node: usize, records: usize) -> Self {
        self.dies_at = Some((node, records));
        self
    }

    /// The disk of a node is full from so many records on, until things are mended.
    pub(super) fn filling(mut self, node: usize, records: usize) -> Self {
        self.nodes[node].rig.spool.room = Some(records);
        self.receipts_lost = false;
        self
    }

    /// Messages that are in the stream before anything begins.
    pub(super) fn backlog(&mut self, from: &str, to: &str, lane: Priority, many: u64) {
        for _ in 0..many {
            let n = 1_000_000 + self.server.messages.len() as u64;
            let fetched = crate::machine::tests::rig::message(from, to, lane, n);
            let id = crate::machine::tests::rig::id(n);
            self.server.publish(&fetched.subject, id, fetched.payload);
            let story = (from.parse().unwrap(), to.parse().unwrap(), lane);
            self.checker.accepted(id, story);
        }
    }

    /// The agent of a node reads from a stream that ends a message by writing it.
    pub(super) fn reads_a_stream(&mut self, node: usize) {
        self.nodes[node].mode = Mode::Auto;
    }

    /// How many records the spool of a node has.
    pub(super) fn records(&self, node: usize) -> usize {
        self.nodes[node].rig.spool.records.len()
    }

    pub(super) const fn sabotaged(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = sabotage;
        self
    }

    /// Lets everything go wrong for so many turns, then nothing more, and checks that all is well in the end.
    pub(super) fn run(&mut self, turns: usize) {
        println!("world {}", self.seed);
        for at in 0..self.nodes.len() {
            self.connect(at);
        }
        for _ in 0..turns {
            self.turn();
        }
        self.heal();
        for _ in 0..10_000 {
            if self.is_done() {
                return self.check_the_end();
            }
            for _ in 0..20 {
                self.turn();
            }
        }
        let waiting = self
            .checker
            .sent
            .iter()
            .filter(|(id, sent)| !self.is_settled(**id, sent));
        let waiting: Vec<_> = waiting.collect();
        let in_flight = self.server.in_flight();
        let busy: Vec<_> = self.nodes.iter().filter(|node| !node.is_idle()).collect();
        panic!(
            "liveness at {} ms: {waiting:?}, {in_flight} in flight, {busy:#?}",
            self.now_ms
        );
    }

    fn is_done(&self) -> bool {
        let waiting = self
            .checker
            .sent
            .iter()
            .any(|(id, sent)| !self.is_settled(*id, sent));
        self.left == 0 && !waiting && self.server.in_flight() == 0 && self.nodes.iter().all(Node::is_idle)
    }

    /// Whether an accepted message was acked, or lost before anybody was told that it is accepted.
    fn is_settled(&self, id: wagglebus_schemas::Id, sent: &checker::Sent) -> bool {
        let (_, to, lane) = &sent.story;
        match self.server.messages.iter().position(|stored| stored.id == id) {
            Some(at) => self.server.is_acked(to, *lane, at),
            None => !sent.promised,
        }
    }

    /// Everything accepted came to an end, and its sender knows how.
    fn check_the_end(&self) {
        for (id, sent) in &self.checker.sent {
            let (from, to, _) = &sent.story;
            let key = crate::record::Key {
                from: from.clone(),
                id: *id,
            };
            let shown = self.checker.delivered.contains_key(&(to.clone(), key.clone()));
            let text = id.to_string();
            let dead = self.server.dead.iter().any(|stored| {
                let letter: serde_json::Value = serde_json::from_slice(&stored.body).unwrap();
                letter["message_id"] == text.as_str()
            });
            assert!(!sent.promised || shown || dead, "loss: {sent:?} {key:?}");
            let sender = self.nodes.iter().find(|node| node.me() == from).unwrap();
            let entry = sender.rig.sidecar.ledger().sent(id);
            let told = entry.is_none_or(|entry| entry.closed.is_some());
            assert!(
                told || self.receipts_lost,
                "the sender of {key:?} knows nothing of its end"
            );
        }
    }

    fn turn(&mut self) {
        let at = self.chance.below(self.nodes.len());
        match self.chance.below(100) {
            0..35 => self.execute(at),
            35..65 => self.reply(at),
            65..82 => self.act(at),
            82..88 => self.sync(at),
            88..97 => self.pass(),
            _ if self.faulty => self.fault(at),
            _ => self.pass(),
        }
    }

    pub(super) fn step(&mut self, at: usize, event: Event) -> Vec<Effect> {
        let node = &mut self.nodes[at];
        node.rig.now_ms = self.now_ms;
        if let Event::LaneFetched { lane, .. } = &event {
            node.lane_fetches.remove(lane);
        } else if matches!(event, Event::BusDown) {
            node.lane_fetches.clear();
        }
        let effects = node.rig.step(event);
        if let Some((dying, records)) = self.dies_at
            && dying == at
            && node.rig.spool.records.len() >= records
        {
            // It died before anything that it asked for was done.
            node.rig.spool.records.truncate(records);
            self.dies_at = None;
            self.receipts_lost = true;
            self.kill(at);
            return Vec::new();
        }
        if self.sabotage != Sabotage::None {
            self.spoil(at);
        }
        let node = &mut self.nodes[at];
        self.checker.look(&node.rig, node.max_take, &effects);
        for effect in &effects {
            if !node.ask(effect) {
                match effect {
                    Effect::Sync => node.wants_sync = true,
                    Effect::HandOver { reader, key, handed } => {
                        self.checker.handed_over(&node.rig, handed);
                        let hand = node.rig.sidecar.in_hand().find(|hand| hand.key == *key).unwrap();
                        if !hand.in_urgent_slot {
                            self.turns.push((node.me().clone(), hand.priority));
                        }
                        let key = key.clone();
                        node.writing.push_back((*reader, Item { key, lease: None }));
                    }
                    Effect::Answer { token, answer } => {
                        if let Answer::Messages(messages) = answer {
                            for handed in messages {
                                self.checker.handed_over(&node.rig, handed);
                            }
                        }
                        agents::answered(node, &mut self.checker, *token, answer);
                    }
                    Effect::Fenced { .. } => panic!("fenced"),
                    _ => {}
                }
            }
        }
        effects
    }

    fn reply(&mut self, at: usize) {
        if let Some(event) = self.nodes[at].replies.pop_front() {
            self.step(at, event);
        }
    }

    fn sync(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if std::mem::take(&mut node.wants_sync) {
            node.synced = node.rig.spool.records.len();
            let position = node.rig.spool.position();
            self.step(at, Event::Synced { position });
        }
    }

    /// Time passes: a little, or up to the next thing that somebody waits for.
    fn pass(&mut self) {
        let busy = self
            .nodes
            .iter()
            .any(|node| !node.ops.is_empty() || !node.replies.is_empty());
        let wake = |node: &Node| node.rig.sidecar.next_wake(self.now_ms);
        let next = self.nodes.iter().map(wake).min().unwrap();
        self.now_ms = if busy && self.chance.percent(90) {
            self.now_ms + self.chance.below(20) as u64
        } else {
            next.max(self.now_ms)
        };
        for at in 0..self.nodes.len() {
            if self.nodes[at].rig.sidecar.next_wake(self.now_ms) <= self.now_ms {
                self.step(at, Event::Tick);
            }
        }
    }
}
