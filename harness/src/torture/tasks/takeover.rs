//! How long takeovers took: of the leader, and of the tasks of agents that were struck.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::event::{Event, EventKind};

use super::facts::{Facts, Fault, Line, On};

/// Beyond this a line has nothing to do with the fault before it, in milliseconds.
const WITHIN_MS: u64 = 60_000;

/// Times of one kind, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Times(Vec<u64>);

impl Times {
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The median and the largest; 0 without any.
    pub(super) fn p50_and_max(&self) -> (u64, u64) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let p50 = sorted.get(sorted.len().saturating_sub(1) / 2);
        (
            p50.copied().unwrap_or_default(),
            sorted.last().copied().unwrap_or_default(),
        )
    }
}

/// From each blow on a leader to the next first line of a leader.
pub(super) fn leaders(facts: &Facts) -> Times {
    let blows = facts.faults.iter().filter(|fault| fault.on == On::Leader);
    let next = |fault: &Fault| {
        let mut later = since(facts, fault);
        later.find(|line| line.event.entity == EventKind::Leader)
    };
    let times = blows.filter_map(|fault| Some(next(fault)?.stored_ms.saturating_sub(fault.at_ms)));
    Times(times.collect())
}

/// From each blow on an agent, killed or stopped, to the release of each task that it held and lost by it.
pub(super) fn agents(facts: &Facts, killed: bool) -> Times {
    let mut times = Vec::new();
    for fault in facts.faults.iter().filter(|fault| fault.killed == killed) {
        let On::Agent(agent) = &fault.on else { continue };
        for task in held(facts, agent, fault.at_ms) {
            let mut later = since(facts, fault).filter(|line| line.event.entity_id == task);
            // The first thing that happens to it: what it lost after it had come back is no takeover.
            let next = later.find(|line| moves(&line.event));
            if let Some(line) = next.filter(|line| is_loss(&line.event, agent)) {
                times.push(line.stored_ms.saturating_sub(fault.at_ms));
            }
        }
    }
    Times(times)
}

fn since<'f>(facts: &'f Facts, fault: &Fault) -> impl Iterator<Item = &'f Line> {
    let from = facts.lines.partition_point(|line| line.stored_ms < fault.at_ms);
    let until = fault.at_ms + WITHIN_MS;
    let later = facts.lines.get(from..).unwrap_or_default();
    later.iter().take_while(move |line| line.stored_ms <= until)
}

fn moves(event: &Event) -> bool {
    event.entity == EventKind::Task && event.from.as_deref() != Some(event.to.as_str())
}

fn is_loss(event: &Event, agent: &AgentId) -> bool {
    let lost = serde_json::json!([agent, "lost"]);
    event.event == "release" && event.data.get("released") == Some(&lost)
}

/// The tasks that an agent held at a time.
fn held(facts: &Facts, agent: &AgentId, at_ms: u64) -> Vec<String> {
    let mut held: Vec<String> = Vec::new();
    let before = facts.lines.iter().take_while(|line| line.stored_ms <= at_ms);
    for line in before.filter(|line| moves(&line.event)) {
        let event = &line.event;
        let given = event.data.get("assigned_to").and_then(serde_json::Value::as_str);
        match given {
            Some(to) if to == agent.as_str() => held.push(event.entity_id.clone()),
            Some(_) => held.retain(|task| *task != event.entity_id),
            None if matches!(event.to.as_str(), "assigned" | "in_progress" | "blocked") => {}
            None => held.retain(|task| *task != event.entity_id),
        }
    }
    held
}
