//! Agents: those that work, and those that lie, hang, die, flood and come too late.

use serde_json::{Value, json};
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::heartbeat::{Capability, Heartbeat, LaneDepths, Proficiency, SpoolDepth};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskDraft;
use wagglebus_schemas::{AgentId, CapabilityName, Draft, Id, Timestamp};

use crate::chance::Chance;
use crate::sim::{Due, Sim, What};
use wagglebus_coordinator_core::task::FreshIds as _;

const BEAT_MS: u64 = 3_000;

/// An assignment that an agent knows of.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) task: Id,
    pub(crate) epoch: u64,
}

/// An agent with its sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) name: AgentId,
    pub(crate) capabilities: Vec<CapabilityName>,
    /// `None`: the operator, who gets no tasks in these worlds.
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) beats: bool,
    /// Until when it does nothing.
    pub(crate) hangs_until: u64,
    epoch: u64,
    beat_seq: u64,
    pub(crate) jobs: Vec<Job>,
    /// What it submitted.
    pub(crate) drafts: Vec<(Id, TaskDraft)>,
}

impl Agent {
    pub(crate) fn new(number: usize, chance: &mut Chance) -> Self {
        let name: AgentId = format!("agent-{number}").parse().unwrap();
        let capabilities = ["rust", "docs", "ops"].iter().filter(|_| chance.percent(60));
        let nkey = format!("U{:A<55}", ["B", "C", "D", "E", "F", "G"][number]);
        let enrolment =
            json!({"agent": name, "nkey": nkey, "ephemeral": false, "rooms": [], "at": Timestamp::EPOCH});
        Self {
            capabilities: capabilities.map(|name| name.parse().unwrap()).collect(),
            enrolment: Some(serde_json::from_value(enrolment).unwrap()),
            beats: true,
            hangs_until: 0,
            epoch: 1,
            beat_seq: 0,
            jobs: Vec::new(),
            drafts: Vec::new(),
            name,
        }
    }

    pub(crate) fn operator() -> Self {
        Self {
            name: AgentId::operator(),
            capabilities: Vec::new(),
            enrolment: None,
            ..Self::new(0, &mut Chance::new(0))
        }
    }

    /// Nothing is wrong with it any more.
    pub(crate) const fn revive(&mut self) {
        self.beats = true;
        self.hangs_until = 0;
    }

    fn heartbeat(&mut self, state: SessionState) -> Heartbeat {
        self.beat_seq += 1;
        let declared = self.capabilities.iter().map(|name| Capability {
            name: name.clone(),
            proficiency: Proficiency::DEFAULT,
        });
        Heartbeat {
            agent: self.name.clone(),
            epoch: self.epoch,
            seq: self.beat_seq,
            interval_ms: BEAT_MS,
            state,
            hold: None,
            bridges: Vec::new(),
            inbox: LaneDepths::default(),
            in_flight: Vec::new(),
            spool: SpoolDepth::default(),
            agent_cpu_ms: None,
            agent_rss_bytes: None,
            cpu_ms: 1,
            rss_bytes: 1,
            version: "1".to_owned(),
            capabilities: declared.collect(),
            resources: None,
            slots: None,
            at: Timestamp::EPOCH,
        }
    }
}

impl Sim {
    pub(crate) fn pulse(&mut self, at: usize) {
        self.after(BEAT_MS, Due::Pulse(at));
        if self.agents[at].beats {
            self.beat(at, SessionState::Idle);
        }
    }

    fn beat(&mut self, at: usize, state: SessionState) {
        if self.agents[at].enrolment.is_none() {
            return;
        }
        let beat = self.agents[at].heartbeat(state);
        for node in 0..self.nodes.len() {
            if self.nodes[node].up && !self.nodes[node].cut && !self.is_lost() {
                let delay = self.delay();
                self.node_in(node, delay, What::Beat(Box::new(beat.clone())));
            }
        }
    }

    /// Something bad happens to an agent, or it recovers.
    pub(crate) fn strike(&mut self, at: usize) {
        let name = self.agents[at].name.clone();
        if !self.agents[at].beats {
            // Its sidecar has a new lease, and does not know what the agent was doing.
            let agent = &mut self.agents[at];
            agent.revive();
            agent.epoch += 1;
            agent.beat_seq = 0;
            agent.jobs.clear();
            return self.note(|| format!("{name} is back"));
        }
        if self.chance.percent(50) {
            self.agents[at].hangs_until = self.now_ms + self.chance.between(1_000, 40_000);
            return self.note(|| format!("{name} hangs"));
        }
        self.note(|| format!("{name} dies"));
        if self.chance.percent(40) {
            self.beat(at, SessionState::Gone);
        }
        self.agents[at].beats = false;
    }

    /// A letter is in the stream: its recipient reads it, perhaps twice.
    pub(crate) fn deliver(&mut self, to: &Subject) {
        let Subject::Message { to, .. } = to else { return };
        let letter = self.bus.mail.len() - 1;
        let Some(agent) = self.agents.iter().position(|agent| agent.name == *to) else {
            return;
        };
        let delay = self.delay();
        self.after(delay, Due::Mail { agent, letter });
        if self.is_lost() {
            self.after(delay + 30_000, Due::Mail { agent, letter });
        }
    }

    pub(crate) fn mail(&mut self, agent: usize, letter: usize) {
        if !self.agents[agent].beats && !self.calm {
            return;
        }
        let letter = &self.bus.mail[letter];
        let notice = letter.id;
        let message: Value = serde_json::from_slice(&letter.body).unwrap();
        let said = &message["metadata"];
        let Some(task) = said["task_id"].as_str().and_then(|id| id.parse().ok()) else {
            return;
        };
        let epoch = said["epoch"].as_u64().unwrap_or_default();
        let jobs = &mut self.agents[agent].jobs;
        match said["kind"].as_str() {
            Some("task.assigned") => jobs.push(Job { task, epoch }),
            // Some notice it, and some go on with what is not theirs any more.
            Some("task.released") if self.chance.percent(60) => {
                jobs.retain(|job| job.task != task || job.epoch > epoch);
                return;
            }
            _ => return,
        }
        if self.chance.percent(70) {
            let level = self.chance.pick(ReceiptLevel::ALL);
            let bridge = self.chance.pick(Bridge::ALL);
            let delay = self.delay();
            let id = self.ids.fresh();
            self.after(delay, Due::Receipt(id, notice, level, bridge));
        }
        // Text agents just reply; some much too late, and some twice.
        for _ in 0..2 {
            if self.chance.percent(8) {
                let from = self.agents[agent].name.clone();
                self.reply(from, notice);
            }
        }
    }

    pub(crate) fn reply(&mut self, from: AgentId, notice: Id) {
        let mut draft = Draft::text(AgentId::coordinator().into(), "here it is".to_owned());
        draft
            .metadata
            .insert("in_reply_to".to_owned(), notice.to_string().into());
        let message = draft.into_message(self.ids.fresh(), from, Timestamp::EPOCH);
        let after = self.chance.between(50, 30_000);
        self.after(after, Due::Message(Box::new(message)));
    }
}
