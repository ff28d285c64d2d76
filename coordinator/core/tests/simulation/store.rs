//! What is stored beside the log: views of it, and snapshots with which older lines can go.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wagglebus_coordinator_core::lead::{Place, Row, view};
use wagglebus_coordinator_core::log::World;
use wagglebus_coordinator_core::log::snapshot;
use wagglebus_schemas::Hive;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::stream::Bucket;

use crate::bus::Bus;
use crate::checker::{Checker, check};
use crate::sabotage::{Rule, Sabotage};
use crate::sim::Sim;

/// What the server keeps of it.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    views: BTreeMap<Place, (u64, Map<String, Value>)>,
    /// The newest last.
    snapshots: Vec<(u64, Vec<u8>)>,
    /// Lines up to this one are gone.
    purged: u64,
}

impl Beside {
    pub(crate) fn survey(&self) -> Vec<(Place, u64)> {
        let all = self.views.iter();
        all.map(|(place, (seq, _))| (place.clone(), *seq)).collect()
    }
}

impl Sim {
    /// Records arrive at the server.
    pub(crate) fn write_views(&mut self, rows: Vec<Row>) {
        for row in rows {
            if let Err(broken) = self.checker.shown(&self.bus, &row) {
                self.checker.broken(broken.rule, broken.what);
            }
            let there = self.bus.beside.views.get(&row.place);
            let newer = there.is_some_and(|(seq, _)| *seq >= row.event_seq);
            if let Some(record) = row.record.filter(|_| !newer) {
                self.bus.beside.views.insert(row.place, (row.event_seq, record));
            }
        }
    }

    pub(crate) fn spoil_views(&mut self, rows: &mut [Row]) {
        if self.sabotage == Some(Sabotage::SpoilsView)
            && let Some(record) = rows.first_mut().and_then(|row| row.record.as_mut())
        {
            record.insert("state".to_owned(), json!("lost"));
        }
    }

    /// Looks after the log: a snapshot now and then, which may be damaged, and lines go that two of them cover.
    pub(crate) fn keep(&mut self) {
        if !self.weather.purges || !self.chance.percent(30) {
            return;
        }
        let (head, mut bytes) = snapshot::encode(&self.checker.world, None).unwrap();
        if self.chance.percent(20) {
            bytes.truncate(bytes.len() / 2);
        }
        self.note(|| format!("a snapshot up to {}", head.seq));
        let beside = &mut self.bus.beside;
        beside.snapshots.push((head.seq, bytes));
        let readable = |(_, bytes): &&(u64, Vec<u8>)| snapshot::decode(bytes).is_ok();
        let two = beside.snapshots.iter().rev().filter(readable).nth(1);
        if let Some((seq, _)) = two.filter(|_| self.chance.percent(50)) {
            beside.purged = beside.purged.max(*seq);
            let purged = beside.purged;
            self.note(|| format!("lines up to {purged} are gone"));
        }
    }

    /// Gives a reader whose next line is gone, or who is at the beginning, the newest readable snapshot.
    pub(crate) fn restore(&mut self, at: usize, next: u64) -> bool {
        let gone = next <= self.bus.beside.purged;
        if !gone && (next > 1 || self.chance.percent(50)) {
            return false;
        }
        let newer = self
            .bus
            .beside
            .snapshots
            .iter()
            .rev()
            .filter(|(seq, _)| *seq >= next);
        let read = newer
            .filter_map(|(seq, bytes)| Some((*seq, snapshot::decode(bytes).ok()?.1)))
            .next();
        let Some((seq, mut world)) = read else {
            if gone {
                let what = format!("node {at} cannot know line {next}");
                self.checker.broken(Rule::Folds, what);
            }
            return false;
        };
        if self.sabotage == Some(Sabotage::EmptiesSnapshot) {
            world = World::new();
            world.skip(seq);
        }
        self.note(|| format!("node {at} reads the snapshot up to {seq}"));
        self.nodes[at].log.next = seq + 1;
        self.lead(at, |c, desk| c.restored(desk, world));
        true
    }
}

impl Checker {
    /// The fold of the rest after a snapshot is the fold of everything.
    pub(crate) fn fold_again(&mut self, event: &Event) {
        self.again.apply(self.seen, event).unwrap();
        if self.seen.is_multiple_of(13) {
            let (head, bytes) = snapshot::encode(&self.again, None).unwrap();
            let (read, world) = snapshot::decode(&bytes).unwrap();
            if read != head || world != self.world {
                let what = format!("a snapshot at {} is not what it was", self.seen);
                self.broken(Rule::Folds, what);
            }
            self.again = world;
        }
    }

    /// A record says what the log said at its event.
    fn shown(&self, bus: &Bus, row: &Row) -> Result<(), crate::checker::Broken> {
        let known = row.event_seq <= bus.last() && !row.force;
        check(Rule::Views, known, || format!("{row:?} is not of this log"))?;
        let (bucket, key) = &row.place;
        if *bucket == Bucket::Agents || (*bucket == Bucket::Fsm && !key.starts_with("task.")) {
            return Ok(()); // Compared in the end.
        }
        let entry = usize::try_from(row.event_seq - 1)
            .ok()
            .and_then(|n| self.entries.get(n));
        let Some(Some(entry)) = entry else {
            return crate::checker::fail(Rule::Views, format!("{row:?} is of no task"));
        };
        let record = row.record.clone().unwrap_or_default();
        let fits = record.get("state") == Some(&json!(entry.task.state))
            && (row.place.0 == Bucket::Fsm || json!(record) == json!(entry.task));
        check(Rule::Views, fits, || format!("{row:?} is {entry:?}"))
    }

    /// What is not in the views as the log says it.
    pub(crate) fn unshown(&self, bus: &Bus) -> Option<String> {
        let views = &bus.beside.views;
        let mut all = view::all(&self.world, &Hive::default());
        let missing = all.find(|(place, seq)| views.get(place).map(|(seq, _)| seq) != Some(seq));
        missing.map(|(place, seq)| format!("{place:?} of event {seq} is {:?}", views.get(&place)))
    }
}
