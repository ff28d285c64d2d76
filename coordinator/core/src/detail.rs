//! Everything that is known of one agent: what it last said, what it holds and why, what that takes, and how well it does.

use serde::Deserialize as _;
use wagglebus_schemas::agent_detail::{
    AgentDetail, HeldTask, LastDecision, ResourceUse, SkillShown, TaskLoad,
};
use wagglebus_schemas::heartbeat::Proficiency;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::Explanation;
use wagglebus_schemas::{AgentId, CapabilityName};

use crate::assign::Estimates;
use crate::lead::health;
use crate::log::{TaskEntry, World};
use crate::reserve::Reserved;
use crate::roster::Member;

/// What is known of an agent beside its record.
pub fn detail(member: &Member, world: &World) -> AgentDetail {
    let heartbeat = member.heartbeat();
    let mut tasks: Vec<HeldTask> = world.held_by(member.agent()).map(held_task).collect();
    // Of those that it began at the same moment the one that it works on comes first.
    tasks.sort_by_key(|task| (task.since, task.state == TaskState::Assigned, task.id));
    let working = tasks.iter().find(|task| task.state == TaskState::InProgress);
    let current = working.or(tasks.first()).map(|task| task.id);
    let count = |state| {
        let many = tasks.iter().filter(|task| task.state == state).count();
        u32::try_from(many).unwrap_or(u32::MAX)
    };
    let load = TaskLoad {
        assigned: count(TaskState::Assigned),
        in_progress: count(TaskState::InProgress),
        blocked: count(TaskState::Blocked),
    };
    let resources = Reserved::of(world).resources(member).into_iter();
    AgentDetail {
        role: member.role().map(str::to_owned),
        hold: heartbeat.and_then(|beat| beat.hold),
        inbox: heartbeat.map(|beat| beat.inbox).unwrap_or_default(),
        in_flight: heartbeat.map(|beat| beat.in_flight.clone()).unwrap_or_default(),
        health: health(member, world.crew()).as_str().to_owned(),
        slots: member.slots(),
        tasks,
        current,
        load,
        resources: resources
            .map(|(name, resource)| ResourceUse {
                name,
                total: resource.total,
                used: resource.total - resource.free,
                free: resource.free,
            })
            .collect(),
        skills: skills(member, world.practice().estimates()),
        last_decision: last_decision(member.agent(), world),
        event_seq: world.last(),
    }
}

fn last_decision(agent: &AgentId, world: &World) -> Option<LastDecision> {
    let last = world.practice().given(agent).last?;
    // What is stored with the task is about its latest assignment.
    let entry = world
        .task(&last.task)
        .filter(|entry| entry.task.epoch == last.epoch);
    let explanation = entry.and_then(|entry| entry.explanation.as_ref());
    Some(LastDecision {
        task_id: last.task,
        epoch: last.epoch,
        at: last.at,
        explanation: explanation.and_then(|explanation| Explanation::deserialize(explanation.value()).ok()),
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wagglebus_schemas::command::TaskVerb;

    use super::*;
    use crate::task::rig::{Rig, about, name};

    #[test]
    fn it_tells_what_is_worked_on_and_of_the_latest_assignment() {
        let mut rig = Rig::new();
        let shown = |rig: &Rig, agent| detail(rig.roster.member(&name(agent)).unwrap(), &rig.world);
        let idle = shown(&rig, "alice");
        assert_eq!(
            (idle.current, idle.load, idle.last_decision),
            (None, TaskLoad::default(), None)
        );
        let [first, second] = ["first", "second"].map(|title| {
            let id = rig.submit(&json!({"title": title}));
            rig.ask(
                "operator",
                TaskVerb::Assign,
                &json!({"task_id": id, "agent": "alice"}),
            );
            id
        });
        assert_eq!(shown(&rig, "alice").current, Some(first), "the oldest assignment");
        rig.ask("alice", TaskVerb::Accept, &about(second, Some(1)));
        let busy = shown(&rig, "alice");
        assert_eq!((busy.current, busy.tasks[0].id), (Some(second), first));
        assert_eq!((busy.load.assigned, busy.load.in_progress), (1, 1));
        let decision = busy.last_decision.unwrap();
        assert_eq!((decision.task_id, decision.epoch), (second, 1));
        assert!(decision.explanation.unwrap().overridden.is_some());

        // It was decided all the same once the task is somebody else's, whose explanation is not told of alice.
        let force = json!({"task_id": second, "agent": "bob", "force": true});
        rig.ask("operator", TaskVerb::Assign, &force);
        let relieved = shown(&rig, "alice").last_decision.unwrap();
        assert_eq!((relieved.task_id, relieved.epoch), (second, 1));
        assert_eq!(relieved.explanation, None);
        assert_eq!(shown(&rig, "bob").last_decision.unwrap().epoch, 2);
    }
}
