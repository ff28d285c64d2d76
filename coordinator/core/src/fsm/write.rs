//! Writes the events of agents and of the hive, and what is published because of them.

use wagglebus_schemas::control::{Control, ControlScope};
use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};
use wagglebus_schemas::fsm_api::Fsm;
use wagglebus_schemas::state::AgentState;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id};

use super::agent::AgentEvent;
use super::swarm::SwarmEvent;
use super::{Step, agent, swarm};
use crate::log::crew::{self, AgentEntry, Crew, MachineData};
use crate::log::data::{Follow, FollowKind};
use crate::log::letter::{self, Letter};
use crate::task::Scribe;

/// Who made it happen, and by what.
#[derive(Debug, Clone)]
pub struct Because {
    /// Who.
    pub actor: AgentId,
    /// By what.
    pub cause: Cause,
}

impl Because {
    /// The leader saw it by itself.
    pub fn seen(kind: CauseType) -> Self {
        Self {
            actor: AgentId::coordinator(),
            cause: Cause {
                kind,
                id: None,
                stream: None,
                seq: None,
            },
        }
    }

    /// It follows from an event that was just decided: the place in a stream is named by that one alone, since it is what
    /// was decided.
    pub fn follows(event: &Event) -> Self {
        Self {
            actor: event.actor.clone(),
            cause: Cause {
                stream: None,
                seq: None,
                ..event.cause.clone()
            },
        }
    }
}

/// An event of an agent's machine; `None` where its table knows of none.
pub fn agent_event(
    crew: &Crew,
    agent: &AgentId,
    event: AgentEvent,
    because: Because,
    data: &MachineData,
    scribe: &mut Scribe<'_>,
) -> Option<Event> {
    let entry = crew.agent(agent);
    let to = match entry {
        Some(entry) => to(agent::step(entry.state, event), entry)?,
        None => (event == AgentEvent::Enrol).then_some(AgentState::Onboarding)?,
    };
    Some(scribe.machine_event(
        (EventKind::Agent, agent.to_string()),
        entry.map_or(1, |entry| entry.seq + 1),
        (entry.map(|entry| entry.state.to_string()), to.to_string()),
        (event.as_str(), event.guard()),
        because,
        data,
    ))
}

fn to(step: Step<AgentState>, entry: &AgentEntry) -> Option<AgentState> {
    match step {
        Step::To(to) => Some(to),
        Step::Unchanged => Some(entry.state),
        Step::Illegal => None,
    }
}

/// An event of the machine of the hive; `None` where its table knows of none.
pub fn swarm_event(
    crew: &Crew,
    event: SwarmEvent,
    because: Because,
    data: &MachineData,
    scribe: &mut Scribe<'_>,
) -> Option<Event> {
    let entry = crew.swarm();
    let to = match swarm::step(entry.state, event) {
        Step::To(to) => to,
        Step::Unchanged => entry.state,
        Step::Illegal => return None,
    };
    Some(scribe.machine_event(
        (EventKind::Swarm, crew::swarm_id(scribe.hive)),
        entry.seq + 1,
        (Some(entry.state.to_string()), to.to_string()),
        (event.as_str(), event.guard()),
        because,
        data,
    ))
}

/// Those follows that tell an agent what the operator decided.
pub fn controls(data: &MachineData) -> Vec<&Follow> {
    let follows = data.follows.iter();
    follows
        .filter(|follow| follow.kind == FollowKind::Control)
        .collect()
}

/// What is published because of an event whose sequence in the log is `seq`; `fsm` is the machine after it.
pub fn letters(seq: u64, event: &Event, data: &MachineData, fsm: Option<Fsm>) -> Vec<Letter> {
    let result = fsm.and_then(|fsm| serde_json::to_value(fsm).ok());
    let letter = |follow: &Follow| match follow.kind {
        FollowKind::Verdict => {
            let about = (follow.to.clone(), event.cause.id?);
            letter::receipt(follow.id, about, event.at, result.clone(), data.error.clone())
        }
        FollowKind::Control => control(seq, event, follow.id, &follow.to),
        FollowKind::Assigned | FollowKind::Released | FollowKind::Ended => None,
    };
    data.follows.iter().filter_map(letter).collect()
}

fn control(seq: u64, event: &Event, id: Id, to: &AgentId) -> Option<Letter> {
    let scope = if event.entity == EventKind::Swarm {
        ControlScope::Hive
    } else {
        ControlScope::Agent
    };
    let control = Control {
        id,
        action: event.event.parse().ok()?,
        scope,
        event_seq: seq,
        at: event.at,
    };
    let subject = Subject::Control { to: to.clone() };
    letter::encode(
        subject,
        id,
        "io.wagglebus.control.v1.control".to_owned(),
        &control,
    )
}
