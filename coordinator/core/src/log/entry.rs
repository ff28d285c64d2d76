//! One task as the log tells of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::number::Fraction;
use wagglebus_schemas::task::{Task, TaskState};
use wagglebus_schemas::{AgentId, Id, Timestamp, decode};

use super::data::TaskData;
use super::packed::Packed;

/// A task with what only the leader needs to know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEntry {
    /// The record.
    pub task: Task,
    /// Number of its latest event.
    pub seq: u64,
    /// Since when it is in its state.
    pub since: Timestamp,
    /// Sequence in the log of the latest event that changed it.
    pub event_seq: u64,
    /// Who refused it: never chosen for it again.
    pub refused_by: BTreeSet<AgentId>,
    /// Who failed it, lost it or did not accept it in time: somebody else is tried first.
    pub failed_on: BTreeSet<AgentId>,
    /// Why the latest agent was chosen.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decode::present"
    )]
    pub explanation: Option<Packed>,
    /// What shows that it is done.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "decode::present"
    )]
    pub evidence: Option<Packed>,
    /// When it became ready for the first time.
    pub ready_at: Timestamp,
    /// When its latest assignment was decided.
    pub held_since: Timestamp,
    /// Id of the notice of the latest assignment: a reply to it completes the task.
    pub notice: Option<Id>,
}

impl TaskEntry {
    /// A task that was just submitted, in the state that its event says.
    ///
    /// Its event has a number of its own and a sequence in the log.
    pub(super) fn new(task: Task, (seq, event_seq): (u64, u64)) -> Self {
        Self {
            ready_at: task.created_at,
            since: task.created_at,
            held_since: task.created_at,
            task,
            seq,
            event_seq,
            refused_by: BTreeSet::new(),
            failed_on: BTreeSet::new(),
            explanation: None,
            evidence: None,
            notice: None,
        }
    }

    /// Lets an event of this task happen, whose sequence in the log is `event_seq`.
    pub(super) fn apply(&mut self, event_seq: u64, event: &Event, to: TaskState, data: &TaskData) {
        self.seq = event.seq;
        if data.error.is_some() {
            return;
        }
        let task = &mut self.task;
        let was = std::mem::replace(&mut task.state, to);
        if was == to && data.is_without_change() {
            return;
        }
        task.updated_at = event.at;
        if was != to {
            self.since = event.at;
        }
        self.event_seq = event_seq;
        if was == TaskState::WaitingDependency {
            self.ready_at = event.at;
        }
        if let Some(epoch) = data.epoch {
            task.epoch = epoch;
            self.held_since = event.at;
            self.notice = None;
            self.explanation = data.explanation.as_ref().map(Packed::from);
        }
        if let Some(attempt) = data.attempt {
            task.attempt = attempt;
        }
        match (to, &data.assigned_to) {
            (TaskState::Pending, _) => {
                task.assigned_to = None;
                task.progress = Fraction::default();
            }
            (_, Some(agent)) => {
                task.assigned_to = Some(agent.clone());
                task.progress = Fraction::default();
            }
            (_, None) => {}
        }
        if let Some(progress) = data.progress {
            task.progress = progress;
        }
        if to == TaskState::Completed {
            task.progress = Fraction::ONE;
            task.error = None;
        }
        if let Some(result) = &data.result {
            task.result = result.clone();
        }
        if let Some(failure) = &data.failure {
            task.error = Some(failure.clone());
        }
        if let Some(evidence) = &data.evidence {
            self.evidence = Some(Packed::from(evidence));
        }
        self.refused_by.extend(data.refused_by.clone());
        self.failed_on.extend(data.failed_on.clone());
        for follow in &data.follows {
            if follow.kind == super::data::FollowKind::Assigned {
                self.notice = Some(follow.id);
            }
        }
    }
}

impl TaskData {
    /// Whether nothing of the task changes beside its state.
    fn is_without_change(&self) -> bool {
        let Self {
            draft: None,
            epoch: None,
            assigned_to: None,
            attempt: None,
            progress: None,
            result: None,
            evidence: None,
            failure: None,
            refused_by: None,
            failed_on: None,
            ..
        } = self
        else {
            return false;
        };
        true
    }
}
