//! Reservations: what the tasks that agents hold take of their resources.
//!
//! Nothing is booked: what is reserved follows from the log alone, task by task, so that it can neither leak nor differ
//! from one leader to the next. A task takes its resources from its assignment or claim until it ends or is given back.

use std::collections::BTreeMap;

use wagglebus_schemas::task::Task;
use wagglebus_schemas::{AgentId, Resources};

use crate::assign::Resource;
use crate::log::World;
use crate::roster::Member;

/// Amounts by the name of the resource.
type Amounts = BTreeMap<&'static str, f64>;

/// What is reserved at each agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reserved<'w>(BTreeMap<&'w AgentId, Amounts>);

impl<'w> Reserved<'w> {
    /// As the log says.
    pub fn of(world: &'w World) -> Self {
        Self::of_tasks(world.held().map(|entry| &entry.task))
    }

    /// By these tasks.
    fn of_tasks(tasks: impl Iterator<Item = &'w Task>) -> Self {
        let mut reserved: BTreeMap<&AgentId, Amounts> = BTreeMap::new();
        for task in tasks {
            let Some(holder) = &task.assigned_to else { continue };
            for (name, amount) in wanted(&task.resources) {
                *reserved.entry(holder).or_default().entry(name).or_default() += amount;
            }
        }
        Self(reserved)
    }

    /// What an agent has, and what of it is free.
    pub fn resources(&self, member: &Member) -> BTreeMap<String, Resource> {
        let reserved = self.0.get(member.agent());
        let used = |name| {
            reserved
                .and_then(|amounts| amounts.get(name))
                .copied()
                .unwrap_or(0.0)
        };
        let declared = member.resources().into_iter().flat_map(wanted);
        let resource = |(name, total): (&'static str, f64)| {
            let free = total - used(name);
            (name.to_owned(), Resource { total, free })
        };
        declared.map(resource).collect()
    }
}

/// Why an agent cannot take a task beside what it holds, for each resource of which it has too little.
pub fn lacking(world: &World, member: &Member, task: &Task) -> Vec<String> {
    if task.resources.is_empty() {
        return Vec::new();
    }
    let own = world.held_by(member.agent()).map(|entry| &entry.task);
    let has = Reserved::of_tasks(own).resources(member);
    let missing = wanted(&task.resources).filter_map(|(name, wanted)| match has.get(name) {
        None => Some(format!("reports no {name}, the task needs {wanted}")),
        Some(has) if !Resource::suffices(has.free, wanted) => {
            let Resource { total, free } = has;
            Some(format!(
                "has {free} of {total} {name} free, the task needs {wanted}"
            ))
        }
        Some(_) => None,
    });
    missing.collect()
}

/// Each resource of which there is anything.
fn wanted(resources: &Resources) -> impl Iterator<Item = (&'static str, f64)> {
    let amounts = resources.each().into_iter();
    amounts
        .filter(|(_, amount)| !amount.is_zero())
        .map(|(name, amount)| (name, amount.get()))
}
