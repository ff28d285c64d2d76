//! Keeps score of the tasks: what the log says of each, and what is missing. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::Explanation;
use wagglebus_schemas::{AgentId, CapabilityName, Id, Timestamp};

/// Longest time from a kill to the task's next assignment, in milliseconds (TASKS 5).
pub(super) const TAKEOVER_MS_MAX: i64 = 10_000;

/// A task that was submitted.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: Id,
    pub(super) title: String,
    pub(super) needs: CapabilityName,
    pub(super) depends_on: Vec<Id>,
    /// What the log says of it, in order.
    pub(super) events: Vec<Happened>,
    /// Why it went to its last holder, as the coordinator explains it.
    pub(super) explained: Option<Explanation>,
    /// How often its submitter was told that it is completed.
    pub(super) told: usize,
}

/// One event of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happened {
    pub(super) what: What,
    /// Where the task stood then.
    pub(super) state: Option<TaskState>,
    pub(super) at: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Submitted,
    Ready,
    /// It was given to somebody, as the assignment with this number.
    Assigned(AgentId, u64),
    Accepted(AgentId),
    /// With the result as JSON.
    Completed(AgentId, String),
    /// It was taken from somebody, with the reason.
    Released(AgentId, String),
    /// Somebody was refused, with the code.
    Refused(AgentId, String),
    Other(String),
}

/// The agent that was killed, and with which task in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Killed {
    pub(super) agent: AgentId,
    pub(super) task: Id,
    pub(super) at: Timestamp,
}

/// All tasks of the demonstration.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<Job>,
    /// Who declares what.
    pub(super) able: BTreeMap<AgentId, Vec<CapabilityName>>,
    pub(super) killed: Option<Killed>,
}

impl Job {
    pub(super) fn new(id: Id, title: &str, needs: CapabilityName, depends_on: Vec<Id>) -> Self {
        Self {
            id,
            title: title.to_owned(),
            needs,
            depends_on,
            events: Vec::new(),
            explained: None,
            told: 0,
        }
    }

    pub(super) fn state(&self) -> Option<TaskState> {
        self.events.last()?.state
    }

    pub(super) fn is_completed(&self) -> bool {
        self.state() == Some(TaskState::Completed)
    }

    /// Who held it, one after the other.
    pub(super) fn holders(&self) -> Vec<&AgentId> {
        let whats = self.events.iter().map(|happened| &happened.what);
        whats
            .filter_map(|what| {
                if let What::Assigned(agent, _) = what {
                    Some(agent)
                } else {
                    None
                }
            })
            .collect()
    }

    /// When something happened to it first.
    pub(super) fn when(&self, what: impl Fn(&What) -> bool) -> Option<Timestamp> {
        let found = self.events.iter().find(|happened| what(&happened.what));
        found.map(|happened| happened.at)
    }

    /// From its submission to its end, in milliseconds.
    pub(super) fn took_ms(&self) -> Option<i64> {
        let ended = self.when(|what| matches!(what, What::Completed(..)))?;
        Some(ended.unix_ms() - self.when(|what| *what == What::Submitted)?.unix_ms())
    }
}

impl Jobs {
    pub(super) fn job(&self, id: Id) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// A line of the log. `None` when it is about none of the tasks, or tells a person nothing.
    pub(super) fn happened(&mut self, event: &Event, at: Timestamp) -> Option<(&Job, &Happened)> {
        if event.entity != EventKind::Task {
            return None;
        }
        let id: Id = event.entity_id.parse().ok()?;
        let job = self.jobs.iter_mut().find(|job| job.id == id)?;
        let (what, state) = (what(event), event.to.parse().ok());
        job.events.push(Happened { what, state, at });
        let job: &Job = job;
        Some((job, job.events.last()?))
    }

    /// From the kill to the next assignment of the task that was in hand, in milliseconds.
    pub(super) fn takeover_ms(&self) -> Option<i64> {
        let killed = self.killed.as_ref()?;
        let next = |happened: &&Happened| {
            happened.at > killed.at && matches!(&happened.what, What::Assigned(to, _) if *to != killed.agent)
        };
        let next = self.job(killed.task)?.events.iter().find(next)?;
        Some(next.at.unix_ms() - killed.at.unix_ms())
    }

    /// Everything that is not as it must be: a line each.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = self.jobs.iter().flat_map(|job| self.missing_of(job)).collect();
        match &self.killed {
            None => missing.push("no agent was killed with a task in hand".into()),
            Some(killed) => missing.extend(self.missing_of_takeover(killed)),
        }
        missing
    }

    fn missing_of(&self, job: &Job) -> Vec<String> {
        let mut missing = Vec::new();
        let title = &job.title;
        let completions = job
            .events
            .iter()
            .filter(|it| matches!(it.what, What::Completed(..)));
        match (completions.count(), job.state()) {
            (1, Some(TaskState::Completed)) => {}
            (count, Some(state)) => {
                missing.push(format!("\"{title}\" was completed {count} times, and is {state}"))
            }
            (_, None) => missing.push(format!("\"{title}\" is not in the log")),
        }
        let holders = job.holders();
        let can = |agent: &AgentId| self.able.get(agent).is_some_and(|able| able.contains(&job.needs));
        for holder in holders.iter().filter(|holder| !can(holder)) {
            missing.push(format!(
                "\"{title}\" went to {holder}, who cannot do {}",
                job.needs
            ));
        }
        if let (Some(What::Completed(by, _)), Some(last)) = (
            job.events
                .iter()
                .rev()
                .map(|it| &it.what)
                .find(|what| matches!(what, What::Completed(..))),
            holders.last(),
        ) && by != *last
        {
            missing.push(format!("\"{title}\" was completed by {by} and held by {last}"));
        }
        match (&job.explained, holders.last()) {
            (Some(explained), Some(last)) => {
                let eligible = explained.candidates.iter().filter(|candidate| candidate.eligible);
                let wrong = eligible
                    .map(|candidate| &candidate.agent)
                    .find(|agent| !can(agent));
                if explained.chosen.as_ref() != Some(*last) || wrong.is_some() {
                    missing.push(format!(
                        "\"{title}\" went to {last}, and the explanation is {explained:?}"
                    ));
                }
            }
            (None, _) => missing.push(format!("\"{title}\" was not explained")),
            (Some(_), None) => missing.push(format!("\"{title}\" went to nobody")),
        }
        let begun = job.when(|what| matches!(what, What::Assigned(..)));
        for id in &job.depends_on {
            let needed = self.job(*id);
            let done = needed.and_then(|needed| needed.when(|what| matches!(what, What::Completed(..))));
            if done.is_none() || begun < done {
                missing.push(format!("\"{title}\" did not wait for {id}"));
            }
        }
        if job.told != 1 {
            missing.push(format!(
                "its submitter was told {} times that \"{title}\" is completed",
                job.told
            ));
        }
        missing
    }

    fn missing_of_takeover(&self, killed: &Killed) -> Vec<String> {
        let mut missing = Vec::new();
        let Killed { agent, task, .. } = killed;
        let Some(job) = self.job(*task) else {
            return vec![format!("{agent} was killed without a task")];
        };
        let lost = What::Released(agent.clone(), "lost".into());
        if job.when(|what| *what == lost).is_none() {
            missing.push(format!(
                "\"{}\" was not taken from {agent}, who is dead",
                job.title
            ));
        }
        match self.takeover_ms() {
            Some(ms) if ms <= TAKEOVER_MS_MAX => {}
            Some(ms) => missing.push(format!(
                "the takeover from {agent} took {ms} ms, not {TAKEOVER_MS_MAX}"
            )),
            None => missing.push(format!("nobody took over what {agent} had in hand")),
        }
        let late = What::Refused(agent.clone(), "stale_epoch".into());
        if job.when(|what| *what == late).is_none() {
            missing.push(format!("the late answer of {agent} was not refused as stale"));
        }
        missing
    }
}

fn what(event: &Event) -> What {
    let data = &event.data;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("?").to_owned();
    let agent = |name: String| name.parse().unwrap_or_else(|_| event.actor.clone());
    let holder = || agent(text(data.get("assigned_to")));
    if let Some(error) = data.get("error") {
        return What::Refused(event.actor.clone(), text(error.get("code")));
    }
    let moved = event.from.as_deref() != Some(&event.to);
    match event.event.as_str() {
        "submit" if event.from.is_none() => What::Submitted,
        "ready" => What::Ready,
        "assign" => What::Assigned(holder(), data.get("epoch").and_then(Value::as_u64).unwrap_or(0)),
        "accept" if moved => What::Accepted(event.actor.clone()),
        "complete" if moved => {
            let result = data.get("result").map(ToString::to_string).unwrap_or_default();
            What::Completed(event.actor.clone(), result)
        }
        "release" => {
            let released = data.get("released");
            let part = |n: usize| text(released.and_then(|released| released.get(n)));
            What::Released(agent(part(0)), part(1))
        }
        other => What::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests;
