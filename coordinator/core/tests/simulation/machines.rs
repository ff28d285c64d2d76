//! The checker's own account of agents and of the hive, by its own tables of TASKS 4.

use std::collections::BTreeMap;

use wagglebus_coordinator_core::log::TaskData;
use wagglebus_coordinator_core::log::crew::MachineData;
use wagglebus_coordinator_core::log::data::FollowKind;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::event::{CauseType, Event, EventKind};

use crate::bus::{Bus, Command};
use crate::checker::{Broken, Checker, check, fail};
use crate::sabotage::Rule;

/// Event, guard, from, to; `*` is any of the states that are not named in another line, `=` the same.
type Move = (
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
    &'static str,
);

const THERE: [&str; 3] = ["active", "contract_execution_active", "survey_mission_completed"];
const AWAY: [&str; 4] = ["onboarding", "error", "reset", "shutdown"];
const LIVING: [&str; 6] = [
    "onboarding",
    "active",
    "contract_execution_active",
    "survey_mission_completed",
    "paused",
    "reset",
];
const BUT_SHUTDOWN: [&str; 7] = [
    "onboarding",
    "active",
    "contract_execution_active",
    "survey_mission_completed",
    "paused",
    "error",
    "reset",
];

/// Every move of an agent.
const AGENT: [Move; 21] = [
    ("enrol", None, &["shutdown"], "onboarding"),
    ("heartbeat", Some("lease"), &["onboarding"], "active"),
    ("heartbeat", Some("lease_of_paused"), &["onboarding"], "paused"),
    (
        "accept",
        None,
        &["active", "survey_mission_completed"],
        "contract_execution_active",
    ),
    (
        "complete",
        Some("last_task"),
        &["contract_execution_active"],
        "survey_mission_completed",
    ),
    (
        "let_go",
        Some("last_task"),
        &["contract_execution_active"],
        "active",
    ),
    ("idle", None, &["survey_mission_completed"], "active"),
    ("pause", None, &THERE, "paused"),
    ("pause", None, &AWAY, "="),
    ("resume", Some("was_active"), &["paused"], "active"),
    (
        "resume",
        Some("has_task"),
        &["paused"],
        "contract_execution_active",
    ),
    (
        "resume",
        Some("was_survey_mission_completed"),
        &["paused"],
        "survey_mission_completed",
    ),
    ("resume", Some("was_active"), &AWAY, "="),
    ("lost", Some("no_heartbeat"), &LIVING, "error"),
    ("lost", Some("gone"), &LIVING, "error"),
    ("heartbeat", Some("not_gone"), &["error"], "reset"),
    ("heartbeat", Some("two_heartbeats"), &["reset"], "active"),
    (
        "heartbeat",
        Some("two_heartbeats_of_paused"),
        &["reset"],
        "paused",
    ),
    ("leave", Some("detached"), &BUT_SHUTDOWN, "shutdown"),
    ("leave", Some("removed"), &BUT_SHUTDOWN, "shutdown"),
    ("new_epoch", None, &["shutdown"], "onboarding"),
];

/// Every move of the hive.
const SWARM: [Move; 10] = [
    ("gather", Some("two_active"), &["idle"], "coordinating"),
    (
        "scatter",
        Some("fewer_than_two_active"),
        &["coordinating"],
        "idle",
    ),
    ("announce", None, &["coordinating"], "broadcast"),
    ("stored", None, &["broadcast"], "coordinating"),
    (
        "degrade",
        Some("over_a_quarter_unhealthy"),
        &["idle", "coordinating", "broadcast"],
        "degraded",
    ),
    ("recover", Some("none_unhealthy"), &["degraded"], "coordinating"),
    (
        "halt",
        None,
        &["idle", "coordinating", "broadcast", "degraded"],
        "halt",
    ),
    ("halt", None, &["halt"], "="),
    ("resume", None, &["halt"], "idle"),
    (
        "resume",
        None,
        &["idle", "coordinating", "broadcast", "degraded"],
        "=",
    ),
];

/// What may be said again though it changes nothing.
const REPEATS: [(&str, Option<&str>, &[&str]); 3] = [
    ("pause", None, &["paused"]),
    ("resume", Some("was_active"), &THERE),
    ("declare", None, &BUT_SHUTDOWN),
];

/// A machine.
#[derive(Debug, Clone, Default)]
struct Machine {
    state: String,
    seq: u64,
    paused: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    agents: BTreeMap<AgentId, Machine>,
    swarm: Machine,
}

impl Machines {
    /// Lets an event of an agent or of the hive happen, if it may. `command` is what it decides.
    pub(crate) fn advance(
        &mut self,
        event: &Event,
        data: &MachineData,
        command: Option<&Command>,
    ) -> Result<(), Broken> {
        if let Some(command) = command {
            self.judge(event, data, command)?;
        }
        let refused = event.event == "refused";
        check(Rule::Machines, refused == data.error.is_some(), || {
            format!("{event:?}")
        })?;
        if event.entity == EventKind::Swarm {
            if self.swarm.state.is_empty() {
                self.swarm.state = "idle".to_owned();
            }
            self.swarm.moves(event, &SWARM, &[])?;
            return self.numbers(event, data);
        }
        let agent: AgentId = event.entity_id.parse().unwrap();
        let Some(machine) = self.agents.get_mut(&agent) else {
            if refused {
                return check(Rule::Machines, event.seq == 0, || format!("{event:?}"));
            }
            let begins = (event.seq, event.event.as_str(), event.to.as_str()) == (1, "enrol", "onboarding");
            check(Rule::Machines, begins && event.from.is_none(), || {
                format!("{event:?}")
            })?;
            let machine = Machine {
                state: event.to.clone(),
                seq: 1,
                paused: false,
            };
            self.agents.insert(agent, machine);
            return Ok(());
        };
        machine.moves(event, &AGENT, &REPEATS)?;
        if !refused {
            match event.event.as_str() {
                "pause" => machine.paused = true,
                "resume" => machine.paused = false,
                _ => {}
            }
        }
        let alike = machine.paused == (machine.state == "paused") || AWAY.contains(&machine.state.as_str());
        check(Rule::Machines, alike, || format!("{machine:?}"))
    }

    /// The numbers by which the hive is judged are those of its agents.
    fn numbers(&self, event: &Event, data: &MachineData) -> Result<(), Broken> {
        let Some(told) = data.counts else { return Ok(()) };
        let many = |states: &[&str]| {
            let fit = self
                .agents
                .values()
                .filter(|machine| states.contains(&machine.state.as_str()));
            fit.count() as u64
        };
        let (active, unhealthy) = (many(&THERE), many(&["error", "reset"]));
        let holds = match event.event.as_str() {
            "gather" => active >= 2,
            "scatter" => active < 2,
            "degrade" => unhealthy * 4 > self.agents.len() as u64,
            "recover" => unhealthy == 0,
            _ => false,
        };
        let same = (told.active, told.unhealthy) == (active, unhealthy);
        check(Rule::Machines, holds && same, || {
            format!("{event:?}: {active} {unhealthy}")
        })
    }

    /// What is to become of a control command.
    fn judge(&self, event: &Event, data: &MachineData, command: &Command) -> Result<(), Broken> {
        let body: serde_json::Value = serde_json::from_slice(&command.body).unwrap();
        let action = body["action"].as_str().unwrap_or_default();
        let agent: Option<AgentId> = body["agent"].as_str().map(|agent| agent.parse().unwrap());
        let expected = match &agent {
            _ if command.from != AgentId::operator() => Some(ErrorCode::Forbidden),
            Some(agent) if !self.agents.contains_key(agent) => Some(ErrorCode::UnknownAgent),
            Some(_) if action == "halt" => Some(ErrorCode::InvalidMessage),
            None if action == "pause" => Some(ErrorCode::InvalidMessage),
            Some(_) | None => None,
        };
        let decided = data.error.as_ref().map(|error| error.code);
        let fits = decided == expected && (decided.is_some() || event.event == action);
        check(Rule::Judgement, fits, || {
            format!("{body} was judged {decided:?}, and should be {expected:?}")
        })?;
        let changes = match &agent {
            // That it may go on is said again: what it heard last is not known here.
            Some(agent) => {
                let known = self.agents.get(agent);
                known.is_some_and(|known| action == "resume" || !known.paused)
            }
            None => self.is_halted() != (action == "halt"),
        };
        let told: Vec<&AgentId> = data
            .follows
            .iter()
            .filter(|follow| follow.kind == FollowKind::Control)
            .map(|follow| &follow.to)
            .collect();
        let concerned: Vec<&AgentId> = match &agent {
            _ if !changes || expected.is_some() => Vec::new(),
            Some(agent) => vec![agent],
            None => self.agents.keys().collect(),
        };
        check(Rule::Verdicts, told == concerned, || {
            format!("{body} is told {told:?} and not {concerned:?}")
        })
    }

    fn is_halted(&self) -> bool {
        self.swarm.state == "halt"
    }

    /// Nobody is given a task who is paused, or while all are stopped.
    pub(crate) fn may_get(&self, data: &TaskData) -> Result<(), Broken> {
        let Some(agent) = data.assigned_to.as_ref().filter(|_| data.epoch.is_some()) else {
            return Ok(());
        };
        let paused = self.agents.get(agent).is_some_and(|machine| machine.paused);
        check(Rule::HeldBack, !paused && !self.is_halted(), || {
            format!(
                "{agent} is given a task: {:?}, the hive {:?}",
                self.agents.get(agent),
                self.swarm
            )
        })
    }

    /// Who is paused.
    pub(crate) fn paused(&self) -> Option<&AgentId> {
        self.agents
            .iter()
            .find(|(_, machine)| machine.paused)
            .map(|(agent, _)| agent)
    }

    /// Everything that the operator stopped: agents, and with `None` the hive.
    pub(crate) fn stopped(&self) -> Vec<Option<AgentId>> {
        let paused = self.agents.iter().filter(|(_, machine)| machine.paused);
        let agents = paused.map(|(agent, _)| Some(agent.clone()));
        agents.chain(self.is_halted().then_some(None)).collect()
    }

    /// Why they are not all well.
    pub(crate) fn unrest(&self) -> Option<String> {
        let ill = self
            .agents
            .iter()
            .find(|(_, machine)| !THERE.contains(&machine.state.as_str()));
        let ill = ill.map(|(agent, machine)| format!("{agent} is not well: {machine:?}"));
        let idle = !matches!(self.swarm.state.as_str(), "coordinating" | "broadcast");
        ill.or_else(|| idle.then(|| format!("the hive is {:?}", self.swarm)))
    }
}

impl Checker {
    /// An event of an agent or of the hive.
    pub(crate) fn machine(
        &mut self,
        bus: &Bus,
        event: &Event,
        command: Option<&Command>,
    ) -> Result<(), Broken> {
        let Ok(data) = serde_json::from_value::<MachineData>(event.data.clone().into()) else {
            return fail(Rule::Folds, "its data cannot be read".to_owned());
        };
        if event.cause.kind == CauseType::Message && event.cause.seq.is_some() {
            self.replier(bus, event)?;
        }
        self.machines.advance(event, &data, command)?;
        let verdicts = data
            .follows
            .iter()
            .filter(|follow| follow.kind == FollowKind::Verdict);
        let verdicts: Vec<&AgentId> = verdicts.map(|follow| &follow.to).collect();
        let asker: Vec<&AgentId> = command.map(|command| &command.from).into_iter().collect();
        check(Rule::Verdicts, verdicts == asker, || {
            format!("{verdicts:?} {asker:?}")
        })?;
        self.register(&data.follows)
    }
}

impl Machine {
    fn moves(
        &mut self,
        event: &Event,
        moves: &[Move],
        repeats: &[(&str, Option<&str>, &[&str])],
    ) -> Result<(), Broken> {
        let follows = event.seq == self.seq + 1 && event.from.as_deref() == Some(self.state.as_str());
        check(Rule::Machines, follows, || {
            format!("{event:?} comes after {self:?}")
        })?;
        self.seq = event.seq;
        let (word, guard, from, to) = (
            event.event.as_str(),
            event.guard.as_deref(),
            self.state.as_str(),
            event.to.as_str(),
        );
        let stays = to == from;
        let moves = moves.iter().any(|(name, needs, before, after)| {
            let leads = *after == to || (*after == "=" && stays);
            *name == word && *needs == guard && before.contains(&from) && leads
        });
        let repeats = repeats
            .iter()
            .any(|(name, needs, states)| *name == word && *needs == guard && states.contains(&from));
        let fits = moves || (stays && (repeats || word == "refused"));
        check(Rule::Machines, fits, || {
            format!("{word} {guard:?} from {from} to {to}")
        })?;
        self.state = event.to.clone();
        Ok(())
    }
}
