//! The machine of each rule and what it is about: quiet → pending → firing → resolved.
//!
//! Firing and resolved are in the log; pending, and how long something has been well, is known to the leader alone. A
//! successor begins those waits anew.

use std::collections::BTreeMap;

use super::fold::Alerts;
use super::rule::{Rule, Settings};
use super::seen::{Key, Seen, Sighting};

/// Most alerts of one rule that are open at a time: what is wrong with a thousand is told once for so many of them, and
/// for the others as these are over.
pub const OPEN_MAX: usize = 256;

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// It holds for long enough.
    Fire(Key, Sighting),
    /// It did not hold for long enough.
    Resolve(wagglebus_schemas::Id),
}

/// The waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watches {
    /// Since when a rule holds that was not told yet.
    pending: BTreeMap<Key, u64>,
    /// Since when one that was told does not hold any more.
    well: BTreeMap<Key, u64>,
}

impl Watches {
    /// Takes note of what was seen at `now_ms` of a clock that never jumps, and says what is to be told.
    pub fn step(&mut self, alerts: &Alerts, settings: &Settings, seen: Seen, now_ms: u64) -> Vec<Move> {
        let open = alerts.open();
        let Seen {
            judged,
            holds,
            unclear,
        } = seen;
        let stays =
            |key: &Key| !judged.contains(&key.rule) || holds.contains_key(key) || unclear.contains(key);
        self.pending
            .retain(|key, _| stays(key) && !open.contains_key(key));
        self.well.retain(|key, _| {
            let back = holds.contains_key(key) || unclear.contains(key);
            open.contains_key(key) && !back
        });
        let mut counts: BTreeMap<Rule, usize> = BTreeMap::new();
        for key in open.keys() {
            *counts.entry(key.rule).or_default() += 1;
        }
        let mut moves = Vec::new();
        for (key, id) in &open {
            if stays(key) {
                continue;
            }
            let since_ms = *self.well.entry(key.clone()).or_insert(now_ms);
            if now_ms.saturating_sub(since_ms) >= key.rule.spec().resolve_after_ms {
                moves.push(Move::Resolve(*id));
            }
        }
        for (key, sighting) in holds {
            if open.contains_key(&key) {
                continue;
            }
            let since_ms = *self.pending.entry(key.clone()).or_insert(now_ms);
            let count = counts.entry(key.rule).or_default();
            let held_ms = now_ms.saturating_sub(since_ms);
            if held_ms >= wait_ms(&key, settings) && *count < OPEN_MAX {
                *count += 1;
                self.pending.remove(&key);
                moves.push(Move::Fire(key, sighting));
            }
        }
        moves
    }
}

/// How long a rule must hold. An agent is lost since a moment that only this clock knows.
fn wait_ms(key: &Key, settings: &Settings) -> u64 {
    let held = key.rule.spec().for_ms;
    match key.rule {
        Rule::AgentLost => held.saturating_add(settings.limit_ms(key.rule)),
        Rule::UrgentUnread
        | Rule::DeadLetter
        | Rule::Failure
        | Rule::TaskStuck
        | Rule::TaskOverdue
        | Rule::TaskAtRisk
        | Rule::TaskUnassigned => held,
    }
}
