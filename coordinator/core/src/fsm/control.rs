//! Control commands: the operator pauses and resumes agents, and halts and resumes the hive (TASKS 3, Control).

use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::ControlAction;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::state::AgentState;

use super::agent::AgentEvent;
use super::swarm::SwarmEvent;
use super::write::{self, Because};
use crate::log::crew::{self, AgentEntry, MachineData};
use crate::log::data::{FollowKind, object};
use crate::log::{TaskEntry, World};
use crate::roster::Roster;
use crate::task::{Ask, Scribe};
use crate::unknown::unknown_agent;

/// Most agents that one event tells: a line of the log has a bound.
const TOLD_MAX: usize = 1_000;

/// Decides a control command: the event that decides it, and further ones that only tell more agents.
pub fn decide(
    world: &World,
    roster: &Roster,
    ask: &Ask,
    (agent, action): (Option<&AgentId>, ControlAction),
    scribe: &mut Scribe<'_>,
) -> Vec<Event> {
    let may = if ask.from == AgentId::operator() {
        Ok(())
    } else {
        Err(forbidden(&ask.from))
    };
    let decided = may.and_then(|()| match agent {
        Some(agent) => of_agent(world, roster, ask, (agent, action), scribe).map(|event| vec![event]),
        None => of_hive(world, ask, action, scribe),
    });
    decided.unwrap_or_else(|error| vec![refused(world, ask, agent, error, scribe)])
}

fn of_agent(
    world: &World,
    roster: &Roster,
    ask: &Ask,
    (agent, action): (&AgentId, ControlAction),
    scribe: &mut Scribe<'_>,
) -> Result<Event, ErrorDetail> {
    let crew = world.crew();
    let known = crew.agent(agent).filter(|entry| entry.enrolled);
    let entry = known.ok_or_else(|| unknown_agent(roster, agent))?;
    if *agent == AgentId::operator() {
        return Err(invalid("the operator is no agent, and cannot be paused"));
    }
    let event = match action {
        ControlAction::Pause => AgentEvent::Pause,
        ControlAction::Resume => resume(entry, world.has_task(agent)),
        ControlAction::Halt => {
            return Err(invalid("halt is of the whole hive")
                .hint(format!("`wagglebus pause {agent}` stops one agent")));
        }
    };
    let mut data = answered(ask, scribe);
    // Who is told to go on may have heard otherwise, and knows by the number which word is the last one.
    if !entry.paused || action == ControlAction::Resume {
        data.follows.push(scribe.follow(FollowKind::Control, agent));
    }
    let event = write::agent_event(crew, agent, event, because(ask, scribe), &data, scribe);
    event.ok_or_else(|| illegal(&format!("{action} of {agent}"), entry.state.as_str()))
}

/// Where an agent goes on: with its task, if it has one by now.
fn resume(entry: &AgentEntry, has_task: bool) -> AgentEvent {
    match (entry.state, entry.was) {
        (AgentState::Paused, _) if has_task => AgentEvent::ResumeTask,
        (AgentState::Paused, Some(AgentState::SurveyMissionCompleted)) => AgentEvent::ResumeSurvey,
        _ => AgentEvent::Resume,
    }
}

fn of_hive(
    world: &World,
    ask: &Ask,
    action: ControlAction,
    scribe: &mut Scribe<'_>,
) -> Result<Vec<Event>, ErrorDetail> {
    let crew = world.crew();
    let event = match action {
        ControlAction::Halt => SwarmEvent::Halt,
        ControlAction::Resume => SwarmEvent::Resume,
        ControlAction::Pause => {
            return Err(invalid("a hive is halted and not paused; pause is of one agent")
                .hint("name an agent, or use `halt`"));
        }
    };
    let changes = crew.is_halted() != (action == ControlAction::Halt);
    let operator = AgentId::operator();
    let agents = crew
        .agents()
        .filter(|(agent, entry)| entry.enrolled && **agent != operator);
    let told: Vec<&AgentId> = agents.map(|(agent, _)| agent).filter(|_| changes).collect();
    let mut parts = told.chunks(TOLD_MAX);
    let mut data = answered(ask, scribe);
    data.follows.extend(follows(parts.next(), scribe));
    let first = write::swarm_event(crew, event, because(ask, scribe), &data, scribe);
    let first = first.ok_or_else(|| illegal(action.as_str(), crew.swarm().state.as_str()))?;
    let mut events = vec![first];
    for part in parts {
        let data = MachineData {
            follows: follows(Some(part), scribe),
            ..MachineData::default()
        };
        events.extend(events.last().cloned().map(|before| Event {
            id: scribe.ids.fresh(),
            seq: before.seq + 1,
            from: Some(before.to.clone()),
            cause: Because::follows(&before).cause,
            data: object(&data),
            ..before
        }));
    }
    Ok(events)
}

/// Tells agents that were not told yet: the leader that decided it fell in between its lines, or they were enrolled
/// afterwards and may have asked before.
pub fn catch_up(world: &World, scribe: &mut Scribe<'_>) -> Option<Event> {
    let crew = world.crew();
    let untold: Vec<&AgentId> = crew.untold().take(TOLD_MAX).collect();
    if untold.is_empty() {
        return None;
    }
    let data = MachineData {
        follows: follows(Some(&untold), scribe),
        ..MachineData::default()
    };
    let event = if crew.is_halted() {
        SwarmEvent::Halt
    } else {
        SwarmEvent::Resume
    };
    write::swarm_event(crew, event, Because::seen(CauseType::Leader), &data, scribe)
}

fn follows(agents: Option<&[&AgentId]>, scribe: &mut Scribe<'_>) -> Vec<crate::log::data::Follow> {
    let agents = agents.unwrap_or_default().iter();
    agents
        .map(|agent| scribe.follow(FollowKind::Control, agent))
        .collect()
}

/// Why nobody may get a task who is paused, or while all are stopped; by hand neither.
///
/// # Errors
/// `illegal_transition`, with what to do first.
pub fn may_get(world: &World, entry: &TaskEntry, agent: &AgentId) -> Result<(), ErrorDetail> {
    let crew = world.crew();
    if crew.is_halted() {
        let message = format!("the hive is halted: task {} is given to nobody", entry.task.id);
        return Err(ErrorDetail::new(ErrorCode::IllegalTransition, message).hint("resume the hive first"));
    }
    if crew.is_paused(agent) {
        let message = format!("{agent} is paused: it gets no task");
        return Err(ErrorDetail::new(ErrorCode::IllegalTransition, message)
            .hint("resume it first, or choose another"));
    }
    Ok(())
}

/// The data of a command that is done: its sender gets a verdict.
fn answered(ask: &Ask, scribe: &mut Scribe<'_>) -> MachineData {
    let verdict = ask.id.map(|_| scribe.follow(FollowKind::Verdict, &ask.from));
    MachineData {
        follows: verdict.into_iter().collect(),
        ..MachineData::default()
    }
}

fn because(ask: &Ask, scribe: &Scribe<'_>) -> Because {
    Because {
        actor: ask.from.clone(),
        cause: ask.cause(scribe.hive),
    }
}

fn refused(
    world: &World,
    ask: &Ask,
    agent: Option<&AgentId>,
    error: ErrorDetail,
    scribe: &mut Scribe<'_>,
) -> Event {
    let crew = world.crew();
    let swarm = crew.swarm();
    let (of, state, seq) = match agent {
        Some(agent) => {
            let entry = crew.agent(agent);
            let state = entry.map(|entry| entry.state.to_string());
            let of = (EventKind::Agent, agent.to_string());
            (of, state, entry.map_or(0, |entry| entry.seq + 1))
        }
        None => {
            let of = (EventKind::Swarm, crew::swarm_id(scribe.hive));
            (of, Some(swarm.state.to_string()), swarm.seq + 1)
        }
    };
    let to = state.clone().unwrap_or_else(|| "none".to_owned());
    let data = MachineData {
        error: Some(error),
        ..answered(ask, scribe)
    };
    let because = because(ask, scribe);
    scribe.machine_event(of, seq, (state, to), ("refused", None), because, &data)
}

fn forbidden(from: &AgentId) -> ErrorDetail {
    let message = format!("{from} is not the operator: only the operator pauses, resumes and halts");
    ErrorDetail::new(ErrorCode::Forbidden, message)
}

fn invalid(why: &str) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidMessage, why)
}

fn illegal(what: &str, state: &str) -> ErrorDetail {
    let message = format!("{what} is not possible: the state is {state}");
    ErrorDetail::new(ErrorCode::IllegalTransition, message)
}
