//! A command as it lies in the stream: who asks what, read from its bytes.

use wagglebus_schemas::command::{Command, CommandError, ControlAction, TaskAction, TaskVerb};
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{Cause, CauseType};
use wagglebus_schemas::limits::ACCOUNT_PAYLOAD_BYTES_MAX;
use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, Hive, Id, TaskDraft, TooLong};

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Who asks, as the subject and thereby the server says.
    pub from: AgentId,
    /// The command's id, where it has a readable one: without it nobody can be answered.
    pub id: Option<Id>,
    /// Its sequence in `WB_TASKS`.
    pub seq: u64,
    /// What is asked, or why that cannot be read.
    pub asked: Result<Asked, ErrorDetail>,
}

/// What a command asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// A new task.
    Submit(Box<TaskDraft>),
    /// Something about a task.
    About {
        /// Which.
        task: Id,
        /// The assignment that is spoken of.
        epoch: Option<u64>,
        /// What.
        action: TaskAction,
    },
    /// How agents are to be chosen for tasks that name no strategy.
    Strategy(Strategy),
    /// Something about an agent, or about the hive.
    Control {
        /// The agent; `None`: the hive.
        agent: Option<AgentId>,
        /// What.
        action: ControlAction,
    },
}

impl Ask {
    /// Reads a stored command. `msg_id` is its `Nats-Msg-Id`: the envelope beats the body.
    pub fn read(verb: TaskVerb, from: AgentId, seq: u64, msg_id: Option<&str>, body: &[u8]) -> Self {
        let id = msg_id.and_then(|id| id.parse().ok());
        Self {
            asked: asked(verb, id, body),
            from,
            id,
            seq,
        }
    }

    /// The cause of what is decided about it.
    pub fn cause(&self, hive: &Hive) -> Cause {
        Cause {
            kind: CauseType::Command,
            id: self.id,
            stream: Some(wagglebus_schemas::stream::Stream::Tasks.name(hive)),
            seq: Some(self.seq),
        }
    }
}

fn asked(verb: TaskVerb, id: Option<Id>, body: &[u8]) -> Result<Asked, ErrorDetail> {
    let id = id.ok_or_else(|| invalid("Nats-Msg-Id is no id"))?;
    if verb == TaskVerb::Submit {
        let draft: TaskDraft = record("task draft", body)?;
        agree(draft.id, id)?;
        draft.check_bounds().map_err(too_long)?;
        return Ok(Asked::Submit(Box::new(draft)));
    }
    let command: Command = record("command", body)?;
    agree(command.id, id)?;
    command.check_bounds().map_err(too_long)?;
    if verb == TaskVerb::Control {
        if let (None, Some(strategy)) = (command.action, command.strategy) {
            return Ok(Asked::Strategy(strategy));
        }
        let action = command
            .action
            .ok_or_else(|| invalid("control needs action").hint("pause, resume or halt; or strategy"))?;
        return Ok(Asked::Control {
            agent: command.agent,
            action,
        });
    }
    let action = command.action(verb).map_err(|error| match error {
        CommandError::Missing { .. } | CommandError::NoTask { .. } => invalid(error.to_string()),
    })?;
    let task = command
        .task_id
        .ok_or_else(|| invalid(format!("{verb} needs task_id")))?;
    if command.epoch.is_none() && is_about_an_assignment(&action) {
        let error = invalid(format!("{verb} needs epoch"));
        return Err(error.hint("it is in the notice of the assignment, and in the verdict of a claim"));
    }
    Ok(Asked::About {
        task,
        epoch: command.epoch,
        action,
    })
}

/// Without its number a late word about a former assignment would count for the present one.
const fn is_about_an_assignment(action: &TaskAction) -> bool {
    match action {
        TaskAction::Refuse { .. }
        | TaskAction::Progress { .. }
        | TaskAction::Block { .. }
        | TaskAction::Resume
        | TaskAction::Complete { .. }
        | TaskAction::Fail { .. } => true,
        TaskAction::Accept | TaskAction::Cancel { .. } | TaskAction::Assign { .. } => false,
    }
}

/// The sender's sidecar should have said so; whoever goes past it must not make the log longer than its lines may be.
fn too_long(error: TooLong) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::TooLarge, error.to_string())
        .hint("store what is large elsewhere, and refer to it")
}

fn record<T: serde::de::DeserializeOwned>(name: &'static str, body: &[u8]) -> Result<T, ErrorDetail> {
    decode::record(name, body, ACCOUNT_PAYLOAD_BYTES_MAX).map_err(|error| {
        let code = match &error {
            DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
            DecodeError::Json(_) => ErrorCode::InvalidJson,
            DecodeError::Record { .. } => ErrorCode::InvalidMessage,
        };
        ErrorDetail::new(code, error.to_string())
    })
}

fn agree(body: Option<Id>, envelope: Id) -> Result<(), ErrorDetail> {
    match body {
        Some(body) if body != envelope => Err(invalid(format!(
            "id is {body} in the body and {envelope} in the header"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn invalid(why: impl Into<String>) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidMessage, why)
}
