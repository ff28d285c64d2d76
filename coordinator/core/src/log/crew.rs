//! Agents and the hive as the log tells of them: where their machines stand, and what the operator decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::control::AgentControl;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::fsm_api::{Fsm, FsmEntity};
use wagglebus_schemas::state::{AgentState, SwarmState};
use wagglebus_schemas::{AgentId, CapabilityName, Hive, Id, Timestamp};

use super::data::Follow;
use super::letter::Letter;
use crate::fsm::agent::AgentEvent;
use crate::fsm::swarm::SwarmEvent;
use crate::fsm::write;

/// Most capabilities of an agent of which the log tells: a line of it has a bound.
pub const DECLARED_MAX: usize = 256;

/// What the `data` of an agent's or the hive's event holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MachineData {
    /// Lease epoch of the sidecar that speaks for the agent from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// What the agent can do from here on, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<BTreeSet<CapabilityName>>,
    /// The task of which it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Id>,
    /// What the hive was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why the command was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// What is published because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follow>,
}

/// How the agents stand, without the operator, who is a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Enrolled.
    pub enrolled: u64,
    /// Active, with or without a task.
    pub active: u64,
    /// In error, or not yet back from it.
    pub unhealthy: u64,
}

/// An agent's machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentEntry {
    /// Where it stands.
    pub state: AgentState,
    /// Since when.
    pub since: Timestamp,
    /// Number of its latest event.
    pub seq: u64,
    /// Sequence of that event in the log.
    pub event_seq: u64,
    /// Whether it is enrolled.
    pub enrolled: bool,
    /// Whether the operator paused it, also while it is not there.
    pub paused: bool,
    /// Where it stood when it was paused.
    pub was: Option<AgentState>,
    /// Sequence of the event that paused or resumed it last, or took its name from it.
    pub control_seq: u64,
    /// Sequence of the event that told it last how the hive stands, 0 where none did.
    #[serde(default)]
    pub told_seq: u64,
    /// Lease epoch of the sidecar that spoke for it last; 0 before the first.
    pub epoch: u64,
    /// What it can do, as it said last; at most [`DECLARED_MAX`] names.
    #[serde(default)]
    pub declared: BTreeSet<CapabilityName>,
}

/// The machine of the hive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwarmEntry {
    /// Where it stands.
    pub state: SwarmState,
    /// Since when; `None` before the first event.
    pub since: Option<Timestamp>,
    /// Number of its latest event.
    pub seq: u64,
    /// Sequence of that event in the log.
    pub event_seq: u64,
    /// Sequence of the last event that halted or resumed it, or told further agents of that.
    pub control_seq: u64,
    /// Sequence of the event that halted or resumed it last: whoever was told of an earlier one is still to be told.
    #[serde(default)]
    pub decided_seq: u64,
}

impl Default for SwarmEntry {
    fn default() -> Self {
        Self {
            state: SwarmState::Idle,
            since: None,
            seq: 0,
            event_seq: 0,
            control_seq: 0,
            decided_seq: 0,
        }
    }
}

/// The fold of the events of agents and of the hive.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Crew {
    agents: BTreeMap<AgentId, AgentEntry>,
    swarm: SwarmEntry,
    /// Sequence of the last event that paused, resumed or removed somebody who is forgotten.
    #[serde(default)]
    forgotten_seq: u64,
}

impl Crew {
    /// An agent's machine.
    pub fn agent(&self, agent: &AgentId) -> Option<&AgentEntry> {
        self.agents.get(agent)
    }

    /// Every agent of whom the log tells, by name, also those that are not enrolled any more.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, &AgentEntry)> {
        self.agents.iter()
    }

    /// Forgets an agent that was removed. Its sidecar may come back under its name with what it heard last: whatever is said
    /// to somebody of whom nothing else was said is later than that.
    pub(super) fn forget(&mut self, agent: &AgentId) {
        if let Some(entry) = self.agents.remove(agent) {
            self.forgotten_seq = self.forgotten_seq.max(entry.control_seq);
        }
    }

    /// The machine of the hive.
    pub const fn swarm(&self) -> &SwarmEntry {
        &self.swarm
    }

    /// Whether the operator stopped everything.
    pub fn is_halted(&self) -> bool {
        self.swarm.state == SwarmState::Halt
    }

    /// Whether the operator paused this agent.
    pub fn is_paused(&self, agent: &AgentId) -> bool {
        self.agents.get(agent).is_some_and(|entry| entry.paused)
    }

    /// Whether the operator keeps this agent from getting anything. A person is never kept from reading.
    pub fn is_held_back(&self, agent: &AgentId) -> bool {
        self.is_paused(agent) || (self.is_halted() && *agent != AgentId::operator())
    }

    /// What the operator decided about an agent.
    pub fn control(&self, agent: &AgentId) -> AgentControl {
        let own = self.agents.get(agent).map_or(0, |entry| entry.control_seq);
        let own = if own == 0 { self.forgotten_seq } else { own };
        AgentControl {
            paused: self.is_paused(agent),
            halted: self.is_halted() && *agent != AgentId::operator(),
            event_seq: own.max(self.swarm.control_seq),
        }
    }

    /// Enrolled agents that were not told how the hive stands since the operator decided that last.
    pub fn untold(&self) -> impl Iterator<Item = &AgentId> {
        let operator = AgentId::operator();
        let decided = self.swarm.decided_seq;
        let untold = move |agent: &AgentId, entry: &AgentEntry| {
            entry.enrolled && entry.told_seq < decided && *agent != operator
        };
        let agents = self.agents.iter();
        agents
            .filter(move |(agent, entry)| untold(agent, entry))
            .map(|(agent, _)| agent)
    }

    /// How the agents stand.
    pub fn counts(&self) -> Counts {
        let operator = AgentId::operator();
        let agents = self.agents.iter();
        let enrolled = agents.filter(|(agent, entry)| entry.enrolled && **agent != operator);
        enrolled.fold(Counts::default(), |counts, (_, entry)| {
            let (active, unhealthy) = match entry.state {
                AgentState::Active
                | AgentState::ContractExecutionActive
                | AgentState::SurveyMissionCompleted => (1, 0),
                AgentState::Error | AgentState::Reset => (0, 1),
                AgentState::Onboarding | AgentState::Paused | AgentState::Shutdown => (0, 0),
            };
            Counts {
                enrolled: counts.enrolled + 1,
                active: counts.active + active,
                unhealthy: counts.unhealthy + unhealthy,
            }
        })
    }

    /// An agent's machine as it is told.
    pub fn agent_fsm(&self, agent: &AgentId) -> Option<Fsm> {
        let entry = self.agents.get(agent)?;
        Some(Fsm {
            entity: FsmEntity::Agent,
            id: agent.to_string(),
            state: entry.state.to_string(),
            since: Some(entry.since),
            seq: entry.seq,
            event_seq: entry.event_seq,
            paused: Some(entry.paused),
        })
    }

    /// The machine of the hive as it is told.
    pub fn swarm_fsm(&self, hive: &str) -> Fsm {
        Fsm {
            entity: FsmEntity::Swarm,
            id: hive.to_owned(),
            state: self.swarm.state.to_string(),
            since: self.swarm.since,
            seq: self.swarm.seq,
            event_seq: self.swarm.event_seq,
            paused: None,
        }
    }

    /// Lets the event of an agent or of the hive with this sequence happen, and says what follows from it.
    ///
    /// # Errors
    /// Why it cannot be read: its data or its state is not what this program writes. Nothing has changed then.
    pub fn apply(&mut self, seq: u64, event: &Event) -> Result<Vec<Letter>, String> {
        let data = MachineData::deserialize(serde_json::Value::Object(event.data.clone()))
            .map_err(|error| error.to_string())?;
        let fsm = if event.entity == EventKind::Swarm {
            self.swarm_event(seq, event, &data)?;
            Some(self.swarm_fsm(&event.entity_id))
        } else {
            let agent: AgentId = event.entity_id.parse().map_err(readable)?;
            self.agent_event(seq, (&agent, event), &data)?;
            self.agent_fsm(&agent)
        };
        let action = fsm.filter(|_| data.error.is_none());
        Ok(write::letters(seq, event, &data, action))
    }

    fn agent_event(
        &mut self,
        seq: u64,
        (agent, event): (&AgentId, &Event),
        data: &MachineData,
    ) -> Result<(), String> {
        if data.error.is_some() {
            // A command about nobody changes nothing, also not who is there.
            if let Some(entry) = self.agents.get_mut(agent) {
                (entry.seq, entry.event_seq) = (event.seq, seq);
            }
            return Ok(());
        }
        let to: AgentState = event.to.parse().map_err(readable)?;
        let entry = self.agents.entry(agent.clone()).or_insert(AgentEntry {
            state: to,
            since: event.at,
            seq: 0,
            event_seq: 0,
            enrolled: true,
            paused: false,
            was: None,
            control_seq: 0,
            told_seq: 0,
            epoch: 0,
            declared: BTreeSet::new(),
        });
        let from = std::mem::replace(&mut entry.state, to);
        (entry.seq, entry.event_seq) = (event.seq, seq);
        if from != to {
            entry.since = event.at;
        }
        if let Some(epoch) = data.epoch {
            entry.epoch = epoch;
        }
        if let Some(declared) = &data.declared {
            entry.declared.clone_from(declared);
        }
        let word = event.event.as_str();
        let guard = event.guard.as_deref();
        if word == AgentEvent::Enrol.as_str() {
            entry.enrolled = true;
        } else if word == AgentEvent::Remove.as_str() && guard == AgentEvent::Remove.guard() {
            // Whoever gets this name next is somebody else: no word about the one before may count any more.
            (entry.enrolled, entry.paused, entry.epoch) = (false, false, 0);
            (entry.control_seq, entry.told_seq) = (seq, 0);
            entry.declared.clear();
        } else if word == AgentEvent::Pause.as_str() && !entry.paused {
            (entry.paused, entry.control_seq) = (true, seq);
        } else if word == AgentEvent::Resume.as_str() && (entry.paused || !write::controls(data).is_empty()) {
            (entry.paused, entry.control_seq) = (false, seq);
        }
        if from != to {
            entry.was = (to == AgentState::Paused).then_some(from);
        }
        Ok(())
    }

    fn swarm_event(&mut self, seq: u64, event: &Event, data: &MachineData) -> Result<(), String> {
        let to: SwarmState = event.to.parse().map_err(readable)?;
        let swarm = &mut self.swarm;
        (swarm.seq, swarm.event_seq) = (event.seq, seq);
        if data.error.is_some() {
            return Ok(());
        }
        let from = std::mem::replace(&mut swarm.state, to);
        if from != to {
            swarm.since = Some(event.at);
        }
        // Also an event that only tells further agents of the halt: of two the later one counts.
        let is_control = [SwarmEvent::Halt, SwarmEvent::Resume]
            .map(SwarmEvent::as_str)
            .contains(&event.event.as_str());
        let told = write::controls(data);
        if is_control && (from != to || !told.is_empty()) {
            swarm.control_seq = seq;
        }
        if is_control && from != to {
            swarm.decided_seq = seq;
        }
        for follow in told {
            if let Some(entry) = self.agents.get_mut(&follow.to) {
                entry.told_seq = seq;
            }
        }
        Ok(())
    }
}

fn readable(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The name under which the log tells of the hive.
pub fn swarm_id(hive: &Hive) -> String {
    hive.to_string()
}
