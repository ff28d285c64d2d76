//! Commands about tasks, as an agent gives them to its sidecar.

use wagglebus_schemas::command::{ControlError, TaskVerb};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{Command, Id, TaskDraft};

use crate::caller::Token;

/// A command as the agent gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskCommand {
    /// A new task.
    Submit(Box<TaskDraft>),
    /// About a task that exists.
    Verb {
        /// What it asks.
        verb: TaskVerb,
        /// Its fields.
        command: Box<Command>,
    },
}

/// A request to send a command, and to wait for its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRequest {
    /// Who waits for the answer.
    pub token: Token,
    /// What to send.
    pub command: TaskCommand,
    /// A name under which a repeat is the same command.
    pub idempotency_key: Option<String>,
    /// How long to wait for the verdict, in milliseconds.
    pub timeout_ms: u64,
}

impl TaskCommand {
    /// What it asks.
    pub const fn verb(&self) -> TaskVerb {
        match self {
            Self::Submit(_) => TaskVerb::Submit,
            Self::Verb { verb, .. } => *verb,
        }
    }

    /// The task, where the command says which.
    pub fn task_id(&self) -> Option<Id> {
        match self {
            Self::Submit(draft) => draft.id,
            Self::Verb { command, .. } => command.task_id,
        }
    }

    /// Takes its id out: who says nothing else says the same.
    pub(crate) fn take_id(&mut self) -> Option<Id> {
        match self {
            Self::Submit(draft) => draft.id.take(),
            Self::Verb { command, .. } => command.id.take(),
        }
    }

    /// Refuses what can never be decided, before anything is stored: a verb without what it needs, or a part over its
    /// bound.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) fn check(&self) -> Result<(), ErrorDetail> {
        let bounds = match self {
            Self::Submit(draft) => draft.check_bounds(),
            Self::Verb {
                verb: TaskVerb::Control,
                command,
            } => {
                let invalid =
                    |error: ControlError| ErrorDetail::new(ErrorCode::InvalidMessage, error.to_string());
                command.control().map_err(invalid)?;
                command.check_bounds()
            }
            Self::Verb { verb, command } => {
                let invalid = |message: String| ErrorDetail::new(ErrorCode::InvalidMessage, message);
                command.action(*verb).map_err(|error| {
                    invalid(error.to_string()).hint("the fields of each verb are in GET /openapi.json")
                })?;
                if command.task_id.is_none() {
                    return Err(invalid(format!("{verb} needs task_id")));
                }
                command.check_bounds()
            }
        };
        bounds.map_err(|error| {
            ErrorDetail::new(ErrorCode::TooLarge, error.to_string())
                .hint("keep the data elsewhere and send a reference to it; nothing was accepted")
        })
    }
}
