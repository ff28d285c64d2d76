//! The views of the log: what is in the buckets, and what is still to be written there (ADR 0042).
//!
//! Only the leader writes, and only what is stored in the log. Changes are collected for a moment and written as they are
//! then: a task that changes ten times is written once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::{Value, json};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::fsm_api::FsmEntity;
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::{AgentId, Hive, Id, Task};

use super::order::{Place, Row};
use crate::log::{Entity, World};

/// Time for which changes are collected before the first of them is written, in milliseconds.
const COLLECT_MS: u64 = 200;
/// Pause between two writes, in milliseconds.
const PAUSE_MS: u64 = 25;
/// Pause after a write of which something failed, and while what changed is not stored, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// Most records under way.
const ROWS_MAX: usize = 128;

/// Something that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    /// The event of which it is.
    seq: u64,
    force: bool,
}

/// What the leader knows of the views.
#[derive(Debug, Clone, Default)]
pub struct Views {
    dirty: BTreeMap<Place, Change>,
    /// What the survey found so far; `None` once it ended, or before it began.
    found: Option<BTreeMap<Place, u64>>,
    under_way: bool,
    /// Which of what is under way are to replace what is there in any case.
    forced: BTreeSet<Place>,
    /// The last key that was written: the next turn begins behind it.
    cursor: Option<Place>,
    next_ms: u64,
}

impl Views {
    /// A new leader: what its predecessor did not write is found out.
    pub(super) fn survey(&mut self) {
        *self = Self {
            found: Some(BTreeMap::new()),
            ..Self::default()
        };
    }

    /// How many records are still to be written.
    pub fn behind(&self) -> usize {
        self.dirty.len()
    }

    /// The event with this sequence has just been applied.
    pub(super) fn changed(&mut self, world: &World, seq: u64, event: &Event, now_ms: u64) {
        let quiet = self.dirty.is_empty();
        let forgotten = world.forgotten().iter().flat_map(|entity| match entity {
            Entity::Task(id) => of_task(id).to_vec(),
            Entity::Agent(agent) => of_agent(agent).to_vec(),
            Entity::Swarm => Vec::new(),
        });
        for place in places(world, seq, event).into_iter().chain(forgotten) {
            self.change(place, seq, false);
        }
        if quiet && !self.dirty.is_empty() {
            self.next_ms = self.next_ms.max(now_ms.saturating_add(COLLECT_MS));
        }
    }

    /// When [`Views::due`] has something to do.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (!self.under_way && !self.dirty.is_empty()).then_some(self.next_ms)
    }

    /// What is to be written now; the log is stored up to `stored`.
    pub(super) fn due(&mut self, world: &World, stored: u64, now_ms: u64) -> Vec<Row> {
        if self.next_ms().is_none_or(|next| now_ms < next) {
            return Vec::new();
        }
        let behind = match &self.cursor {
            Some(cursor) => (Bound::Excluded(cursor), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let first = self.dirty.range::<Place, _>(behind);
        let then = self
            .dirty
            .iter()
            .take_while(|(place, _)| self.cursor.as_ref().is_some_and(|cursor| *place <= cursor));
        let places: Vec<Place> = first
            .chain(then)
            // What is decided and not stored may never have happened.
            .filter(|(_, change)| change.seq <= stored)
            .map(|(place, _)| place.clone())
            .take(ROWS_MAX)
            .collect();
        let mut rows = Vec::new();
        self.forced.clear();
        for place in places {
            let change = self.dirty.remove(&place);
            self.cursor = Some(place.clone());
            let force = change.is_some_and(|change| change.force);
            // What is there of it stays.
            if is_gone(world, &place) {
                continue;
            }
            if force {
                self.forced.insert(place.clone());
            }
            rows.push(row(world, place, force));
        }
        self.under_way = !rows.is_empty();
        self.next_ms = now_ms.saturating_add(if rows.is_empty() { RETRY_MS } else { PAUSE_MS });
        rows
    }

    /// A write ended.
    pub(super) fn projected(&mut self, world: &World, failed: Vec<Place>, now_ms: u64) {
        self.under_way = false;
        let pause = if failed.is_empty() { PAUSE_MS } else { RETRY_MS };
        self.next_ms = now_ms.saturating_add(pause);
        for place in failed {
            let seq = event_seq(world, &place).unwrap_or(0);
            let force = self.forced.contains(&place);
            self.change(place, seq, force);
        }
    }

    /// Some of what is in the buckets.
    pub(super) fn surveyed(&mut self, (world, hive): (&World, &Hive), found: Vec<(Place, u64)>, ended: bool) {
        let Some(known) = &mut self.found else {
            return;
        };
        known.extend(found);
        if !ended {
            return;
        }
        let mut found = self.found.take().unwrap_or_default();
        // What the log knows nothing of was written for another log, or by a later leader: only one more line of ours in the
        // log says that there is none.
        let proof = world.last().saturating_add(1);
        for (place, seq) in all(world, hive) {
            match found.remove(&place) {
                Some(there) if there > seq => self.change(place, proof, true),
                Some(there) if there == seq => {}
                Some(_) | None => self.change(place, seq, false),
            }
        }
        for (place, there) in found {
            if !stays(world, &place, there) {
                self.change(place, proof, true);
            }
        }
    }

    fn change(&mut self, place: Place, seq: u64, force: bool) {
        let change = self.dirty.entry(place).or_insert(Change { seq, force });
        change.seq = change.seq.max(seq);
        change.force |= force;
    }
}

/// Whether a record stays though the world does not know it: it is all that is left of a line that is lost, or of a task of
/// which only is known how it ended. `there` is the event that it is of.
pub fn stays(world: &World, place: &Place, there: u64) -> bool {
    world.is_lost(there) || is_gone(world, place)
}

fn is_gone(world: &World, (bucket, key): &Place) -> bool {
    let id = match bucket {
        Bucket::Tasks => Some(key.as_str()),
        Bucket::Fsm => key
            .strip_prefix(EventKind::Task.as_str())
            .and_then(|key| key.strip_prefix('.')),
        Bucket::Agents | Bucket::Leases | Bucket::Enrolments | Bucket::Leader => None,
    };
    let id = id.and_then(|id| id.parse().ok());
    id.is_some_and(|id| world.gone(&id).is_some())
}

/// Every record that there is to be, with the event that it is of.
pub fn all<'w>(world: &'w World, hive: &Hive) -> impl Iterator<Item = (Place, u64)> + use<'w> {
    let tasks = world.tasks().flat_map(|entry| {
        let places = of_task(&entry.task.id);
        places.map(|place| (place, entry.event_seq))
    });
    let agents = world.crew().agents().flat_map(|(agent, entry)| {
        let places = of_agent(agent);
        places.map(|place| (place, entry.event_seq))
    });
    let swarm = world.crew().swarm();
    let swarm = swarm.since.map(|_| (of_swarm(hive.as_str()), swarm.event_seq));
    tasks.chain(agents).chain(swarm)
}

/// The record of a key, as the log tells of it.
pub fn row(world: &World, place: Place, force: bool) -> Row {
    let told = told(world, &place);
    let (record, event_seq) = told.map_or((None, 0), |(record, seq)| (Some(record), seq));
    let record = record.and_then(|record| match record {
        Value::Object(mut record) => {
            // It stands beside the record.
            record.remove("event_seq");
            Some(record)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    });
    Row {
        place,
        event_seq,
        record,
        force,
    }
}

/// What is at a key, and of which event that is.
fn told(world: &World, (bucket, key): &Place) -> Option<(Value, u64)> {
    let crew = world.crew();
    match bucket {
        Bucket::Tasks => {
            let entry = world.task(&key.parse().ok()?)?;
            Some((serde_json::to_value(&entry.task).ok()?, entry.event_seq))
        }
        Bucket::Agents => {
            let entry = crew.agent(&key.parse().ok()?)?;
            let record = json!({
                "agent": key, "state": entry.state, "since": entry.since, "enrolled": entry.enrolled,
                "paused": entry.paused, "epoch": entry.epoch,
            });
            Some((record, entry.event_seq))
        }
        Bucket::Fsm => {
            let (entity, id) = key.split_once('.')?;
            match entity.parse().ok()? {
                FsmEntity::Task => {
                    let entry = world.task(&id.parse().ok()?)?;
                    let Task { state, .. } = &entry.task;
                    let record = json!({ "entity": entity, "id": id, "state": state, "since": entry.since });
                    Some((record, entry.event_seq))
                }
                FsmEntity::Agent => {
                    let fsm = crew.agent_fsm(&id.parse().ok()?)?;
                    Some((serde_json::to_value(&fsm).ok()?, fsm.event_seq))
                }
                FsmEntity::Swarm => {
                    let fsm = crew.swarm_fsm(id);
                    fsm.since?;
                    Some((serde_json::to_value(&fsm).ok()?, fsm.event_seq))
                }
            }
        }
        Bucket::Leases | Bucket::Enrolments | Bucket::Leader => None,
    }
}

fn event_seq(world: &World, place: &Place) -> Option<u64> {
    told(world, place).map(|(_, seq)| seq)
}

/// The keys of what an event with this sequence has just changed. Refusals leave most things as they were.
fn places(world: &World, seq: u64, event: &Event) -> Vec<Place> {
    match Entity::of(event) {
        Some(Entity::Task(id)) => {
            let entry = world.task(&id).filter(|entry| entry.event_seq == seq);
            entry.map_or_else(Vec::new, |_| of_task(&id).into())
        }
        Some(Entity::Agent(agent)) => {
            let entry = world.crew().agent(&agent);
            let entry = entry.filter(|entry| entry.event_seq == seq);
            entry.map_or_else(Vec::new, |_| of_agent(&agent).into())
        }
        Some(Entity::Swarm) => vec![of_swarm(&event.entity_id)],
        None => Vec::new(),
    }
}

fn of_task(id: &Id) -> [Place; 2] {
    [
        (Bucket::Tasks, id.to_string()),
        (Bucket::Fsm, format!("{}.{id}", EventKind::Task)),
    ]
}

fn of_agent(agent: &AgentId) -> [Place; 2] {
    [
        (Bucket::Agents, agent.to_string()),
        (Bucket::Fsm, format!("{}.{agent}", EventKind::Agent)),
    ]
}

fn of_swarm(hive: &str) -> Place {
    (Bucket::Fsm, format!("{}.{hive}", EventKind::Swarm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_replaces_what_is_there_the_next_time() {
        let (world, hive) = (World::new(), Hive::default());
        let place: Place = (Bucket::Tasks, "of another log".to_owned());
        let mut views = Views::default();
        views.survey();
        views.surveyed((&world, &hive), vec![(place.clone(), 5)], true);
        for now_ms in [10_000, 20_000] {
            let rows = views.due(&world, 1, now_ms);
            let written: Vec<_> = rows.iter().map(|row| (&row.place, row.force)).collect();
            assert_eq!(written, [(&place, true)], "{now_ms}");
            views.projected(&world, vec![place.clone()], now_ms);
        }
    }
}
