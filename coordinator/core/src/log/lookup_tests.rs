//! Tests of what tasks are found by: it says what a look at all of them says.

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Id};

use super::{TaskEntry, World, snapshot};
use crate::task::rig::{Rig, about, name};

const LAST: Id = Id::from_bytes([0xff; 16]);

fn ids<'t>(entries: impl Iterator<Item = &'t TaskEntry>) -> Vec<Id> {
    entries.map(|entry| entry.task.id).collect()
}

/// Each answer is that of a look at all tasks.
fn compare(world: &World) {
    for agent in ["alice", "bob", "carol", "sue"].map(name) {
        let agent: AgentId = agent;
        let own = |entry: &&TaskEntry| entry.task.assigned_to.as_ref() == Some(&agent);
        let held = |entry: &&TaskEntry| own(entry) && entry.task.state.is_held();
        assert_eq!(ids(world.held_by(&agent)), ids(world.tasks().filter(held)));
        let concerns = |entry: &&TaskEntry| own(entry) || entry.task.submitted_by == agent;
        let all = world.tasks_before(&LAST).filter(concerns);
        assert_eq!(ids(world.tasks_about(&agent, &LAST)), ids(all));
    }
    for state in TaskState::ALL.iter().copied() {
        let all = world
            .tasks_before(&LAST)
            .filter(|entry| entry.task.state == state);
        assert_eq!(ids(world.tasks_in(state, &LAST)), ids(all));
    }
    for entry in world.tasks() {
        let found = entry.notice.and_then(|notice| world.of_notice(&notice));
        let held = entry.notice.is_some() && entry.task.state.is_held();
        assert_eq!(found, held.then_some(entry));
    }
    let (_, bytes) = snapshot::encode(world, None).unwrap();
    assert_eq!(&snapshot::decode(&bytes).unwrap().1, world);
}

#[test]
fn tasks_are_found_as_all_of_them_say() {
    for state in TaskState::ALL.iter().copied() {
        let (mut rig, id) = Rig::brought_to(state);
        compare(&rig.world);
        let second = rig.submit(&json!({"title": "second"}));
        for (from, verb, task) in [
            ("operator", TaskVerb::Assign, second),
            ("alice", TaskVerb::Refuse, id),
            ("operator", TaskVerb::Assign, id),
            ("bob", TaskVerb::Progress, second),
            ("bob", TaskVerb::Fail, second),
            ("sue", TaskVerb::Cancel, id),
        ] {
            let epoch = rig.task(&task).task.epoch;
            let epoch = (verb != TaskVerb::Assign).then_some(epoch);
            rig.ask(from, verb, &about(task, epoch));
            compare(&rig.world);
        }
    }
}
