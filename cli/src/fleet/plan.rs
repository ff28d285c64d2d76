//! What must be done so that the agents are as the file says. Pure: nothing is looked at or changed here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::{AgentId, RoomName};

use super::{Fleet, Member};

/// What there is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Found {
    /// Who may log in, with the record where there is one.
    pub(crate) enrolled: BTreeMap<AgentId, Option<Enrolment>>,
    /// What sidecars in the background were asked for; `None`: not by a fleet file.
    pub(crate) background: BTreeMap<AgentId, Option<Vec<String>>>,
    /// Sidecars that run otherwise, with their processes.
    pub(crate) elsewhere: BTreeMap<AgentId, u32>,
    /// Whom the file named when it was applied before.
    pub(crate) former: BTreeSet<AgentId>,
}

/// Something to be done with one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Let it in.
    Enrol,
    /// Write down what it is there for.
    Role,
    /// Put it into a room.
    Join(RoomName),
    /// Take it out of a room that the file does not name.
    Leave(RoomName),
    /// Run its sidecar in the background.
    Start,
    /// End its sidecar, and run it as the file says.
    Restart,
    /// End its sidecar: the file says that it runs elsewhere.
    Stop,
    /// Take its way in: the file does not name it any more.
    Remove,
}

impl Step {
    /// Whether it ends something that runs, or takes something away.
    const fn takes_away(&self) -> bool {
        matches!(self, Self::Restart | Self::Stop | Self::Leave(_) | Self::Remove)
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Enrol => "let in".to_owned(),
            Self::Role => "write down its role".to_owned(),
            Self::Join(room) => format!("join room {room}"),
            Self::Leave(room) => format!("leave room {room}"),
            Self::Start => "start its sidecar".to_owned(),
            Self::Restart => "restart its sidecar with what changed".to_owned(),
            Self::Stop => "end its sidecar".to_owned(),
            Self::Remove => "take its way in".to_owned(),
        }
    }
}

/// What is to be done with one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The agent.
    pub(crate) agent: AgentId,
    /// The steps, in order; none: it is as the file says.
    pub(crate) steps: Vec<Step>,
    /// Why it cannot be done.
    pub(crate) obstacle: Option<String>,
    /// What would be done with `--prune`.
    pub(crate) kept: Vec<Step>,
}

impl Planned {
    /// The sign before its line: to be added, changed, taken away, or as it is.
    fn sign(&self) -> char {
        match &self.steps[..] {
            _ if self.obstacle.is_some() => '!',
            [] => '=',
            [Step::Enrol | Step::Start, ..] => '+',
            steps if steps.contains(&Step::Remove) => '-',
            _ => '~',
        }
    }

    /// One line for people.
    pub(crate) fn told(&self) -> String {
        let words = |steps: &[Step]| steps.iter().map(Step::told).collect::<Vec<_>>().join(", ");
        let mut what = match (&self.obstacle, &self.steps[..]) {
            (Some(obstacle), _) => obstacle.clone(),
            (None, []) => "as it should be".to_owned(),
            (None, steps) => words(steps),
        };
        if !self.kept.is_empty() {
            what.push_str(&format!(" (with --prune: {})", words(&self.kept)));
        }
        format!("{} {}: {what}", self.sign(), self.agent)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let words = |steps: &[Step]| steps.iter().map(Step::told).collect::<Vec<_>>();
        json!({
            "agent": self.agent,
            "steps": words(&self.steps),
            "with_prune": words(&self.kept),
            "obstacle": self.obstacle,
        })
    }

    /// Whether it ends something that runs, or takes something away.
    pub(crate) fn takes_away(&self) -> bool {
        self.steps.iter().any(Step::takes_away)
    }
}

/// What must be done, agent by agent: those of the file, then those that it does not name any more.
pub(crate) fn plan(fleet: &Fleet, found: &Found, prune: bool) -> Vec<Planned> {
    let named = fleet
        .agents
        .iter()
        .map(|member| member_plan(member, found, prune));
    let here: BTreeSet<&AgentId> = fleet.agents.iter().map(|member| &member.agent).collect();
    let gone = found.former.iter().filter(|agent| !here.contains(agent));
    named
        .chain(gone.filter_map(|agent| former_plan(agent, found, prune)))
        .collect()
}

fn member_plan(member: &Member, found: &Found, prune: bool) -> Planned {
    let agent = &member.agent;
    let (mut steps, mut surplus) = (Vec::new(), Vec::new());
    let enrolment = found.enrolled.get(agent).and_then(Option::as_ref);
    if enrolment.is_none() {
        steps.push(Step::Enrol);
    }
    if enrolment.and_then(|record| record.role.as_ref()) != member.role.as_ref() {
        steps.push(Step::Role);
    }
    let rooms = enrolment.map_or(&[][..], |record| &record.rooms[..]);
    let is_in = |room: &RoomName| rooms.iter().any(|known| known.name == *room);
    steps.extend(
        member
            .rooms
            .iter()
            .filter(|room| !is_in(room))
            .cloned()
            .map(Step::Join),
    );
    let other = |room: &&RoomName| **room != RoomName::all() && !member.rooms.contains(room);
    let others = rooms.iter().map(|known| &known.name).filter(other);
    surplus.extend(others.cloned().map(Step::Leave));
    let mut obstacle = None;
    match (member.asked(), found.background.get(agent)) {
        (None, None) => {}
        (None, Some(_)) => surplus.push(Step::Stop),
        (Some(wanted), Some(asked)) if asked.as_ref() == Some(&wanted) => {}
        (Some(_), Some(_)) => steps.push(Step::Restart),
        (Some(_), None) => match found.elsewhere.get(agent) {
            Some(pid) => {
                obstacle = Some(format!(
                    "its sidecar runs already, and not in the background: end process {pid}"
                ))
            }
            None => steps.push(Step::Start),
        },
    }
    if prune {
        steps.append(&mut surplus);
    }
    Planned {
        agent: agent.clone(),
        steps,
        obstacle,
        kept: surplus,
    }
}

/// Whom the file named before and does not name any more; `None` when it is gone already.
fn former_plan(agent: &AgentId, found: &Found, prune: bool) -> Option<Planned> {
    let mut steps = Vec::new();
    if found.background.contains_key(agent) {
        steps.push(Step::Stop);
    }
    if found.enrolled.contains_key(agent) {
        steps.push(Step::Remove);
    }
    if steps.is_empty() {
        return None;
    }
    let (steps, kept) = if prune {
        (steps, Vec::new())
    } else {
        (Vec::new(), steps)
    };
    Some(Planned {
        agent: agent.clone(),
        steps,
        obstacle: None,
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::parse;

    fn fleet(text: &str) -> Fleet {
        parse(text, "crew", std::path::Path::new("/")).unwrap()
    }

    fn enrolment(name: &str, role: Option<&str>, rooms: &[&str]) -> (AgentId, Option<Enrolment>) {
        let rooms: Vec<_> = rooms
            .iter()
            .map(|room| json!({"name": room, "joined_seq": 1}))
            .collect();
        let record = json!({
            "agent": name, "nkey": format!("U{:A<55}", ""), "ephemeral": false, "rooms": rooms, "role": role,
            "at": "2026-01-02T03:04:05.678Z",
        });
        (
            name.parse().unwrap(),
            Some(serde_json::from_value(record).unwrap()),
        )
    }

    fn told(fleet: &Fleet, found: &Found, prune: bool) -> Vec<String> {
        plan(fleet, found, prune).iter().map(Planned::told).collect()
    }

    const CREW: &str = "rooms = [\"crew\"]\n[agents.a]\nrole = \"leads\"\nhttp = true\n[agents.b]\n";

    /// What there is once the file was applied.
    fn applied(fleet: &Fleet) -> Found {
        Found {
            enrolled: [
                enrolment("a", Some("leads"), &["all", "crew"]),
                enrolment("b", None, &["all", "crew"]),
            ]
            .into(),
            background: [("a".parse().unwrap(), fleet.agents[0].asked())].into(),
            elsewhere: BTreeMap::new(),
            former: fleet.agents.iter().map(|member| member.agent.clone()).collect(),
        }
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        let fleet = fleet(CREW);
        assert_eq!(
            told(&fleet, &Found::default(), false),
            [
                "+ a: let in, write down its role, join room crew, start its sidecar",
                "+ b: let in, join room crew"
            ]
        );
        let found = applied(&fleet);
        assert_eq!(
            told(&fleet, &found, false),
            ["= a: as it should be", "= b: as it should be"]
        );
        assert!(
            plan(&fleet, &found, true)
                .iter()
                .all(|planned| planned.steps.is_empty())
        );
    }

    #[test]
    fn what_changed_is_restarted_and_counts_as_taking_away() {
        let found = applied(&fleet(CREW));
        let changed =
            fleet("[agents.a]\nrole = \"helps\"\nhttp = true\nslots = 3\n[agents.b]\nhttp = true\n");
        let planned = plan(&changed, &found, false);
        let told: Vec<String> = planned.iter().map(Planned::told).collect();
        assert_eq!(
            told,
            [
                "~ a: write down its role, restart its sidecar with what changed (with --prune: leave room crew)",
                "+ b: start its sidecar (with --prune: leave room crew)"
            ]
        );
        assert_eq!(
            planned.iter().map(Planned::takes_away).collect::<Vec<_>>(),
            [true, false]
        );
        // An attachment by hand is not what the file asks for.
        let by_hand = Found {
            background: [("a".parse().unwrap(), None)].into(),
            ..applied(&fleet(CREW))
        };
        assert_eq!(plan(&fleet(CREW), &by_hand, false)[0].steps, [Step::Restart]);
    }

    #[test]
    fn who_is_not_named_any_more_goes_only_when_pruned() {
        let found = applied(&fleet(CREW));
        let smaller = fleet("[agents.b]\nrooms = [\"crew\"]\n");
        assert_eq!(
            told(&smaller, &found, false),
            [
                "= b: as it should be",
                "= a: as it should be (with --prune: end its sidecar, take its way in)"
            ]
        );
        assert_eq!(
            told(&smaller, &found, true)[1],
            "- a: end its sidecar, take its way in"
        );
        // Others, whom no file of this name brought in, are none of its business.
        let strangers = Found {
            former: BTreeSet::new(),
            ..found
        };
        assert_eq!(told(&smaller, &strangers, true), ["= b: as it should be"]);
    }

    #[test]
    fn a_sidecar_that_somebody_else_runs_stands_in_the_way() {
        let found = Found {
            background: BTreeMap::new(),
            elsewhere: [("a".parse().unwrap(), 77)].into(),
            ..applied(&fleet(CREW))
        };
        let planned = plan(&fleet(CREW), &found, false);
        assert!(
            planned[0].told().starts_with("! a: its sidecar runs already"),
            "{}",
            planned[0].told()
        );
        // Who runs elsewhere by the file's own words is right there.
        let found = Found {
            elsewhere: [("b".parse().unwrap(), 78)].into(),
            ..applied(&fleet(CREW))
        };
        assert_eq!(plan(&fleet(CREW), &found, false)[1].obstacle, None);
    }
}
