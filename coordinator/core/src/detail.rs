//! Everything that is known of one agent: what it last said, what it holds, what that takes, and how well it does.

use wagglebus_schemas::agent_detail::{AgentDetail, HeldTask, ResourceUse, SkillShown};
use wagglebus_schemas::heartbeat::Proficiency;
use wagglebus_schemas::{AgentId, CapabilityName};

use crate::assign::Estimates;
use crate::lead::health;
use crate::log::{TaskEntry, World};
use crate::reserve::Reserved;
use crate::roster::Member;

/// What is known of an agent beside its record.
pub fn detail(member: &Member, world: &World) -> AgentDetail {
    let heartbeat = member.heartbeat();
    let own = |entry: &&TaskEntry| entry.task.assigned_to.as_ref() == Some(member.agent());
    let mut tasks: Vec<HeldTask> = world.held().filter(own).map(held_task).collect();
    tasks.sort_by_key(|task| task.id);
    let resources = Reserved::of(world).resources(member).into_iter();
    AgentDetail {
        role: member.role().map(str::to_owned),
        hold: heartbeat.and_then(|beat| beat.hold),
        inbox: heartbeat.map(|beat| beat.inbox).unwrap_or_default(),
        in_flight: heartbeat.map(|beat| beat.in_flight.clone()).unwrap_or_default(),
        health: health(member, world.crew()).as_str().to_owned(),
        slots: member.slots(),
        tasks,
        resources: resources
            .map(|(name, resource)| ResourceUse {
                name,
                total: resource.total,
                used: resource.total - resource.free,
                free: resource.free,
            })
            .collect(),
        skills: skills(member, world.practice().estimates()),
    }
}

fn held_task(entry: &TaskEntry) -> HeldTask {
    let task = &entry.task;
    HeldTask {
        id: task.id,
        title: task.title.as_str().to_owned(),
        state: task.state,
        priority: task.priority,
        epoch: task.epoch,
        progress: task.progress,
        resources: task.resources,
        since: entry.held_since,
    }
}

/// What it declares, and what else it was seen to do.
fn skills(member: &Member, estimates: &Estimates) -> Vec<SkillShown> {
    let agent = member.agent();
    let outcomes = |capability: Option<&CapabilityName>| {
        let mut known = estimates.known(agent);
        known
            .find(|(name, _)| *name == capability)
            .map_or(0.0, |(_, count)| count)
    };
    let declared = member.capabilities().iter();
    let declared = declared.map(|able| (Some(&able.name), Some(able.proficiency)));
    let is_declared =
        |name: Option<&CapabilityName>| member.capabilities().iter().any(|able| Some(&able.name) == name);
    let seen = estimates.known(agent).map(|(name, _)| (name, None));
    let seen = seen.filter(|(name, _)| !is_declared(*name));
    declared
        .chain(seen)
        .map(|(name, proficiency)| shown(estimates, agent, (name, proficiency), outcomes(name)))
        .collect()
}

fn shown(
    estimates: &Estimates,
    agent: &AgentId,
    (capability, declared): (Option<&CapabilityName>, Option<Proficiency>),
    outcomes: f64,
) -> SkillShown {
    let ability = estimates.ability(agent, capability, declared);
    SkillShown {
        capability: capability.cloned(),
        declared,
        success: ability.skill.mean(),
        outcomes,
        pace: ability.pace,
    }
}
