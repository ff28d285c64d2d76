//! The leader looks at who is there and what became of tasks, and writes what that changes about agents and the hive.

#[cfg(test)]
mod declared;
#[cfg(test)]
mod halted;
#[cfg(test)]
pub(in crate::lead) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::event::{CauseType, Event};
use wagglebus_schemas::heartbeat::Capability;
use wagglebus_schemas::state::{AgentState, SessionState, SwarmState};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id};

use super::coordination::Coordination;
use super::duty::FIRST_BEAT_MS;
use super::order::Desk;
use crate::fsm::agent::AgentEvent;
use crate::fsm::derive::{self, Signs};
use crate::fsm::swarm::SwarmEvent;
use crate::fsm::write::{self, Because};
use crate::log::crew::{DECLARED_MAX, MachineData};
use crate::log::{Entity, World};
use crate::roster::Member;
use crate::task::Scribe;

/// Least time between two lines that only tell what one agent can do, in milliseconds: it must not fill the log.
const DECLARE_GAP_MS: u64 = 60_000;
/// Most events of one machine that are written at once: no way through a table is longer.
const STEPS_MAX: usize = 8;

/// What a leader remembers of signs, and no log tells: a successor begins to count anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Muster {
    /// Who is to be looked at.
    changed: BTreeSet<AgentId>,
    /// Everybody is.
    all: bool,
    /// The time in which those who were never heard of may still come is over.
    waited: bool,
    /// The machine of an agent moved since the hive was looked at.
    moved: bool,
    beats: BTreeMap<AgentId, Beats>,
}

/// Heartbeats of an agent: lease epoch and number.
#[derive(Debug, Clone, Copy, Default)]
struct Beats {
    last: Option<(u64, u64)>,
    /// The last one before its last task ended.
    at_end: Option<(u64, u64)>,
    /// How many came since its error ended.
    fresh: u8,
    /// When the log was last told what it can do.
    declared_ms: Option<u64>,
}

impl Muster {
    /// A new leader looks at everybody.
    pub(super) fn everybody() -> Self {
        Self {
            all: true,
            moved: true,
            ..Self::default()
        }
    }
}

impl Coordination {
    /// A heartbeat came from this agent, or something else was seen of it.
    pub fn heard(&mut self, agent: AgentId) {
        if self.leads() {
            self.muster.changed.insert(agent);
            // It may have more slots now, or be ready.
            self.all_busy = false;
        }
    }

    /// Looks at whom something was heard of, and at the hive.
    pub(super) fn muster(&mut self, desk: &mut Desk<'_>, since_ms: u64) {
        if !desk.roster.is_listed() {
            return;
        }
        let patient = desk.now.boot_ms.saturating_sub(since_ms) < FIRST_BEAT_MS;
        if !patient && !std::mem::replace(&mut self.muster.waited, true) {
            self.muster.all = true;
        }
        let mut agents = std::mem::take(&mut self.muster.changed);
        if std::mem::take(&mut self.muster.all) {
            agents.extend(desk.roster.members().map(Member::agent).cloned());
            agents.extend(self.world.crew().agents().map(|(agent, _)| agent).cloned());
        }
        for agent in agents {
            self.look_at(desk, &agent, patient);
        }
        if std::mem::take(&mut self.muster.moved) {
            self.look_at_hive(desk);
        }
    }

    fn look_at(&mut self, desk: &mut Desk<'_>, agent: &AgentId, patient: bool) {
        let member = desk.roster.member(agent);
        let beat = member.and_then(Member::heartbeat);
        let mark = beat.map(|beat| (beat.epoch, beat.seq));
        let gone = beat.is_some_and(|beat| beat.state == SessionState::Gone);
        let beats = self.muster.beats.entry(agent.clone()).or_default();
        if beats.last != mark {
            // What came before we looked at it for the first time is of another leader's count.
            let begins = gone || beats.last.is_none();
            beats.fresh = if begins { 0 } else { beats.fresh.saturating_add(1) };
            beats.last = mark;
        }
        let now_ms = desk.now.boot_ms;
        for _ in 0..STEPS_MAX {
            let beats = self.muster.beats.get(agent).copied().unwrap_or_default();
            let entry = self.world.crew().agent(agent);
            let may_work = entry.is_some_and(|entry| may_work(entry.state));
            let known = entry.map(|entry| &entry.declared);
            let declared = beat.and_then(|beat| news_of(known, &beat.capabilities));
            let told = beats.declared_ms.map(|told_ms| now_ms.saturating_sub(told_ms));
            let signs = Signs {
                member,
                declares: declared.is_some() && told.is_none_or(|told_ms| told_ms >= DECLARE_GAP_MS),
                works: may_work && self.world.has_task(agent),
                fresh: beats.fresh,
                rested: beats.at_end != mark,
                patient,
            };
            let Some(event) = derive::agent_event(entry, &signs) else {
                break;
            };
            let begins = tells_epoch(event);
            let declares = event == AgentEvent::Declare || (begins && event != AgentEvent::Detach);
            let data = MachineData {
                epoch: beat.map(|beat| beat.epoch).filter(|_| begins),
                declared: declared.filter(|_| declares),
                ..MachineData::default()
            };
            if data.declared.is_some() {
                self.muster.beats.entry(agent.clone()).or_default().declared_ms = Some(now_ms);
            }
            let because = Because::seen(kind(event));
            self.write_agent(desk, agent, event, because, &data);
        }
        if member.is_none() {
            self.muster.beats.remove(agent);
        }
    }

    fn look_at_hive(&mut self, desk: &mut Desk<'_>) {
        for _ in 0..STEPS_MAX {
            let crew = self.world.crew();
            let counts = crew.counts();
            let Some(event) = derive::swarm_event(crew.swarm().state, counts) else {
                break;
            };
            let data = MachineData {
                counts: Some(counts),
                ..MachineData::default()
            };
            self.write_swarm(desk, event, Because::seen(CauseType::Leader), &data);
        }
    }

    /// What an event of a task changes about those who hold or held it. It goes into the log together with that event.
    pub(super) fn holders_follow(
        &mut self,
        desk: &mut Desk<'_>,
        event: &Event,
        task: Id,
        before: Option<(AgentId, TaskState)>,
    ) {
        let Some(after) = self.world.task(&task) else {
            return;
        };
        let ended_well = after.task.state == TaskState::Completed;
        let was_assigned = before
            .as_ref()
            .is_some_and(|(_, state)| *state == TaskState::Assigned);
        let holders = [before.map(|(holder, _)| holder), after.task.assigned_to.clone()];
        let holders: BTreeSet<AgentId> = holders.into_iter().flatten().collect();
        for agent in holders {
            let Some(state) = self.world.crew().agent(&agent).map(|entry| entry.state) else {
                continue;
            };
            let works = self.world.has_task(&agent);
            let completed =
                ended_well && event.actor == agent && event.to != event.from.as_deref().unwrap_or("");
            let steps: &[AgentEvent] = match state {
                AgentState::Active | AgentState::SurveyMissionCompleted if works => &[AgentEvent::Accept],
                // To complete a task is to have taken it on.
                AgentState::Active | AgentState::SurveyMissionCompleted if completed && was_assigned => {
                    &[AgentEvent::Accept, AgentEvent::Finish]
                }
                AgentState::ContractExecutionActive if works => &[],
                AgentState::ContractExecutionActive if completed => &[AgentEvent::Finish],
                AgentState::ContractExecutionActive => &[AgentEvent::LetGo],
                AgentState::Active
                | AgentState::SurveyMissionCompleted
                | AgentState::Onboarding
                | AgentState::Paused
                | AgentState::Error
                | AgentState::Reset
                | AgentState::Shutdown => &[],
            };
            let data = MachineData {
                task: Some(task),
                ..MachineData::default()
            };
            for step in steps {
                self.write_agent(desk, &agent, *step, Because::follows(event), &data);
            }
            if steps.last() == Some(&AgentEvent::Finish) {
                let beats = self.muster.beats.entry(agent).or_default();
                beats.at_end = beats.last;
            }
        }
    }

    /// What was said to everybody is stored; all that came meanwhile is one broadcast.
    pub(super) fn announcement_ends(&mut self, desk: &mut Desk<'_>) {
        if self.world.crew().swarm().state == SwarmState::Broadcast {
            let because = Because::seen(CauseType::Leader);
            self.write_swarm(desk, SwarmEvent::Stored, because, &MachineData::default());
        }
    }

    /// Takes note of an event of an agent or of the hive.
    pub(super) fn machine_moved(&mut self, event: &Event) {
        let agent = match Entity::of(event) {
            Some(Entity::Agent(agent)) => agent,
            Some(Entity::Swarm) => {
                self.muster.moved = true;
                // All waited for the end of a halt.
                let goes_on = event.from.as_deref() == Some(SwarmState::Halt.as_str());
                self.reassess |= goes_on;
                self.all_busy &= !goes_on;
                return;
            }
            Some(Entity::Task(_)) | None => return,
        };
        self.muster.moved = true;
        if event.to == AgentState::Reset.as_str() && event.from.as_deref() == Some(AgentState::Error.as_str())
        {
            self.muster.beats.entry(agent.clone()).or_default().fresh = 0;
        }
        // Whoever works again may get what waits; that one takes work on or ends it changes nothing.
        let before = event.from.as_deref().and_then(|state| state.parse().ok());
        let away = before.is_none_or(|state| !may_work(state));
        let back = away && event.to.parse().is_ok_and(may_work);
        self.reassess |= back;
        self.all_busy &= !back;
        self.muster.changed.insert(agent);
    }

    fn write_agent(
        &mut self,
        desk: &mut Desk<'_>,
        agent: &AgentId,
        event: AgentEvent,
        because: Because,
        data: &MachineData,
    ) {
        self.by_itself(desk, |world: &World, scribe: &mut Scribe<'_>| {
            write::agent_event(world.crew(), agent, event, because, data, scribe)
        });
    }

    pub(super) fn write_swarm(
        &mut self,
        desk: &mut Desk<'_>,
        event: SwarmEvent,
        because: Because,
        data: &MachineData,
    ) {
        self.by_itself(desk, |world: &World, scribe: &mut Scribe<'_>| {
            write::swarm_event(world.crew(), event, because, data, scribe)
        });
    }
}

/// Whether it matters in this state that the agent has a task.
const fn may_work(state: AgentState) -> bool {
    matches!(
        state,
        AgentState::Active | AgentState::ContractExecutionActive | AgentState::SurveyMissionCompleted
    )
}

/// What an agent says that it can do, if the log tells something else.
fn news_of(
    known: Option<&BTreeSet<CapabilityName>>,
    said: &[Capability],
) -> Option<BTreeSet<CapabilityName>> {
    let said: BTreeSet<&CapabilityName> = said.iter().map(|capability| &capability.name).collect();
    let said = || said.iter().copied().take(DECLARED_MAX);
    let same = said().eq(known.into_iter().flatten());
    (!same).then(|| said().cloned().collect())
}

/// Whether an event says whose sidecar speaks for the agent.
const fn tells_epoch(event: AgentEvent) -> bool {
    matches!(
        event,
        AgentEvent::Join | AgentEvent::JoinPaused | AgentEvent::Return | AgentEvent::Detach
    )
}

/// By what the leader sees an event.
const fn kind(event: AgentEvent) -> CauseType {
    match event {
        AgentEvent::Enrol | AgentEvent::Remove => CauseType::Enrolment,
        AgentEvent::Accept | AgentEvent::LetGo | AgentEvent::Finish => CauseType::Leader,
        AgentEvent::Join
        | AgentEvent::JoinPaused
        | AgentEvent::Idle
        | AgentEvent::Lose
        | AgentEvent::Go
        | AgentEvent::Return
        | AgentEvent::Recover
        | AgentEvent::RecoverPaused
        | AgentEvent::Detach
        | AgentEvent::NewEpoch
        | AgentEvent::Declare => CauseType::Heartbeat,
        AgentEvent::Pause | AgentEvent::Resume | AgentEvent::ResumeTask | AgentEvent::ResumeSurvey => {
            CauseType::Command
        }
    }
}
