//! What goes wrong in a world, and how it is mended.

use super::server::Pulled;
use super::{Sabotage, World};
use crate::event::Event;
use crate::record::{Closed, OutKind, Record};

impl World {
    pub(super) fn fault(&mut self, at: usize) {
        match self.chance.below(100) {
            0..35 if self.nodes[at].connected => self.disconnect(at),
            0..35 => {}
            35..50 => self.kill(at),
            50..55 if self.power_cuts => self.cut_power(at),
            50..55 => {}
            55..65 => {
                let spool = &mut self.nodes[at].rig.spool;
                spool.full = !spool.full && self.chance.percent(60);
            }
            65..75 => self.nodes[at].rig.spool.room = Some(self.chance.below(4)),
            75..85 => self.nodes[at].rig.spool.room = None,
            85..88 => self.nodes[at].refusing = true,
            88..92 => self.control(at, true),
            92..95 => self.control(at, false),
            _ => self.execute_given_up(at),
        }
        let node = &mut self.nodes[at];
        if !node.connected && self.chance.percent(50) {
            self.connect(at);
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        self.faulty = false;
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            node.rig.spool.full = false;
            node.rig.spool.room = None;
            self.execute_given_up(at);
            if !self.nodes[at].connected {
                self.connect(at);
            }
            self.let_all_go_on(at);
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        self.nodes[at].connected = true;
        self.nodes[at].refusing = false;
        self.step(at, Event::BusUp);
    }

    /// What is on the way when a connection ends: the server may have read any beginning of it, and answers reach nobody.
    fn cut(&mut self, at: usize) {
        let ops = std::mem::take(&mut self.nodes[at].ops);
        let read = self.chance.below(ops.len() + 1);
        for op in ops.into_iter().take(read) {
            self.serve(at, op, 99);
        }
        let node = &mut self.nodes[at];
        node.replies.clear();
        node.connected = false;
        node.lane_fetches.clear();
        if self.chance.percent(50) {
            // A stopped server executes pulls when nobody listens any more.
            let (me, now_ms) = (self.nodes[at].me().clone(), self.now_ms);
            for lane in std::mem::take(&mut self.nodes[at].given_up) {
                self.server.pull(now_ms, &me, lane);
            }
        }
    }

    fn disconnect(&mut self, at: usize) {
        self.cut(at);
        self.step(at, Event::BusDown);
    }

    /// A pull that had been given up is executed after all.
    fn execute_given_up(&mut self, at: usize) {
        let (me, now_ms) = (self.nodes[at].me().clone(), self.now_ms);
        for lane in std::mem::take(&mut self.nodes[at].given_up) {
            if let Pulled::Message(fetched) = self.server.pull(now_ms, &me, lane)
                && self.nodes[at].connected
            {
                self.nodes[at]
                    .replies
                    .push_back(Event::FetchedLate { fetched, lane });
            }
        }
    }

    /// kill -9: what was written is there, everything else is gone. The child goes with its sidecar.
    pub(super) fn kill(&mut self, at: usize) {
        self.cut(at);
        let node = &mut self.nodes[at];
        let had_room = !node.rig.spool.full && node.rig.spool.room.is_none();
        self.receipts_lost |= !had_room;
        node.reader = None;
        node.polling = None;
        node.writing.clear();
        node.wants_sync = false;
        if self.chance.percent(50) {
            node.items.clear();
        }
        node.rig.restart();
        // A start syncs what it read.
        node.synced = node.rig.spool.records.len();
        self.connect(at);
    }

    /// The host loses power: what the disk had not confirmed is gone.
    fn cut_power(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let synced = node.synced;
        node.rig.spool.records.truncate(synced);
        self.receipts_lost = true;
        self.cut(at);
        let node = &mut self.nodes[at];
        node.reader = None;
        node.polling = None;
        node.writing.clear();
        node.items.clear();
        node.wants_sync = false;
        node.rig.restart();
        self.checker.power_cut(&self.nodes[at].rig);
        self.connect(at);
    }

    /// Breaks a rule on purpose.
    pub(super) fn spoil(&mut self, at: usize) {
        let sabotage = self.sabotage;
        let node = &mut self.nodes[at];
        for (record, _) in &mut node.rig.spool.records {
            let spoilt = match (sabotage, &*record) {
                (Sabotage::ForgetsEnds, Record::Out(out)) => out.then_ack.is_some(),
                (Sabotage::ForgetsEnds, Record::Acked { .. }) => true,
                (Sabotage::ForgetsHandOvers, Record::HandOver(_)) => true,
                (Sabotage::ForgetsAccepted, Record::Out(out)) => out.kind == OutKind::Message,
                _ => false,
            };
            if spoilt {
                *record = Record::OutClosed {
                    id: crate::machine::tests::rig::id(0),
                    why: Closed::GivenUp,
                };
            }
        }
        if sabotage == Sabotage::ShufflesPublishes && node.ops.len() > 1 {
            node.ops.rotate_left(1);
        }
    }
}
