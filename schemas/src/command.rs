//! Commands about tasks: what agents and operators ask of the coordinator, kept in a stream until it is decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AgentId, Id};
use crate::number::Fraction;
use crate::task::Strategy;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a command asks, the `<verb>` of `<hive>.task.<verb>.<priority>.<from>`.
    TaskVerb, "task verb" {
        /// A new task; the body is a task draft.
        Submit = "submit",
        /// Its holder takes it on; or, without an epoch, anybody capable claims it.
        Accept = "accept",
        /// Its holder does not want it.
        Refuse = "refuse",
        /// How far it is.
        Progress = "progress",
        /// Its holder waits for something.
        Block = "block",
        /// Its holder goes on.
        Resume = "resume",
        /// It is done.
        Complete = "complete",
        /// It did not work.
        Fail = "fail",
        /// It is not wanted any more.
        Cancel = "cancel",
        /// It goes to this agent; by the operator.
        Assign = "assign",
        /// Pause, resume or halt; by the operator.
        Control = "control",
    }
}

vocabulary! {
    /// What a control command does.
    ControlAction, "control action" {
        /// The agent gets nothing any more.
        Pause = "pause",
        /// It goes on.
        Resume = "resume",
        /// Nothing is assigned or handed over in the whole hive.
        Halt = "halt",
    }
}

/// A command about a task that exists (TASKS 1); its verb is in its subject, and says which fields it needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Command")]
pub struct Command {
    /// The command's own id, also its `Nats-Msg-Id`; absent only where a sidecar is to make one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The task; needed by all but `control`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<Id>,
    /// The assignment that the holder speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Why (refuse, block, cancel).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How far it is, from 0 to 1 (progress).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Fraction>,
    /// What there is to say about it (progress).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What came of it (complete); null is a result.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::decode::present"
    )]
    pub result: Option<Value>,
    /// What shows that it is done (complete).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Value>,
    /// What went wrong (fail).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether another attempt may work (fail). Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// Who gets it (assign), or who is meant (control; null: the hive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Also away from its holder (assign). Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// What is to be done (control).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ControlAction>,
    /// How agents are chosen for tasks that name no strategy (control, instead of an action).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
}

/// What a command about a task asks, with everything that its verb needs.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskAction {
    /// The holder takes it on; without an epoch anybody capable claims it.
    Accept,
    /// The holder gives it back.
    Refuse {
        /// Why.
        reason: String,
    },
    /// How far it is.
    Progress {
        /// The part that is done.
        progress: Fraction,
        /// What there is to say.
        note: Option<String>,
    },
    /// The holder waits.
    Block {
        /// For what.
        reason: String,
    },
    /// The holder goes on.
    Resume,
    /// It is done.
    Complete {
        /// What came of it.
        result: Value,
        /// What shows it.
        evidence: Option<Value>,
    },
    /// It did not work.
    Fail {
        /// What went wrong.
        error: String,
        /// Whether another attempt may work.
        retryable: bool,
    },
    /// It is not wanted any more.
    Cancel {
        /// Why.
        reason: String,
    },
    /// It goes to this agent.
    Assign {
        /// Which.
        agent: AgentId,
        /// Also away from its holder.
        force: bool,
    },
}

/// What a command needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A field that the verb needs is absent.
    #[error("{verb} needs {field}")]
    Missing {
        /// The verb.
        verb: TaskVerb,
        /// The field.
        field: &'static str,
    },
    /// The verb is not about a task that exists.
    #[error("{verb} is not about a task that exists")]
    NoTask {
        /// The verb.
        verb: TaskVerb,
    },
}

/// What a control needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It does not say what is to be done.
    #[error("control needs action")]
    NoAction,
    /// Its action is not one of whom it is asked.
    #[error("{action} is asked of {of}")]
    NotOf {
        /// The action.
        action: ControlAction,
        /// Of whom.
        of: &'static str,
    },
}

impl Command {
    /// What a control asks, and of which agent; `None`: of the hive.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn control(&self) -> Result<(ControlAction, Option<&AgentId>), ControlError> {
        let action = self.action.ok_or(ControlError::NoAction)?;
        let not_of = |of| Err(ControlError::NotOf { action, of });
        match (action, &self.agent) {
            (ControlAction::Pause, None) => not_of("an agent: agent says which"),
            (ControlAction::Halt, Some(_)) => not_of("the whole hive: leave agent out"),
            (_, agent) => Ok((action, agent.as_ref())),
        }
    }

    /// What it asks of its task.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn action(&self, verb: TaskVerb) -> Result<TaskAction, CommandError> {
        let missing = |field| CommandError::Missing { verb, field };
        let reason = || self.reason.clone().ok_or_else(|| missing("reason"));
        Ok(match verb {
            TaskVerb::Accept => TaskAction::Accept,
            TaskVerb::Refuse => TaskAction::Refuse { reason: reason()? },
            TaskVerb::Progress => TaskAction::Progress {
                progress: self.progress.ok_or_else(|| missing("progress"))?,
                note: self.note.clone(),
            },
            TaskVerb::Block => TaskAction::Block { reason: reason()? },
            TaskVerb::Resume => TaskAction::Resume,
            TaskVerb::Complete => TaskAction::Complete {
                result: self.result.clone().ok_or_else(|| missing("result"))?,
                evidence: self.evidence.clone(),
            },
            TaskVerb::Fail => TaskAction::Fail {
                error: self.error.clone().ok_or_else(|| missing("error"))?,
                retryable: self.retryable.unwrap_or(false),
            },
            TaskVerb::Cancel => TaskAction::Cancel { reason: reason()? },
            TaskVerb::Assign => TaskAction::Assign {
                agent: self.agent.clone().ok_or_else(|| missing("agent"))?,
                force: self.force.unwrap_or(false),
            },
            TaskVerb::Submit | TaskVerb::Control => return Err(CommandError::NoTask { verb }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_paused_and_a_hive_halted() {
        let bob: AgentId = "bob".parse().unwrap();
        let control = |action, agent: Option<&AgentId>| {
            let command = Command {
                action,
                agent: agent.cloned(),
                ..Command::default()
            };
            command.control().map(|(action, agent)| (action, agent.cloned()))
        };
        for (action, agent) in [
            (ControlAction::Pause, Some(&bob)),
            (ControlAction::Resume, Some(&bob)),
            (ControlAction::Resume, None),
            (ControlAction::Halt, None),
        ] {
            assert_eq!(control(Some(action), agent), Ok((action, agent.cloned())));
        }
        assert_eq!(control(None, Some(&bob)), Err(ControlError::NoAction));
        assert!(control(Some(ControlAction::Pause), None).is_err());
        assert!(control(Some(ControlAction::Halt), Some(&bob)).is_err());
    }
}
