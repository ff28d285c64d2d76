//! Commands about tasks: from a bridge to the event loop, and the coordinator's verdict back.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::task_api::CommandAnswer;
use wagglebus_schemas::{Id, Level, Task, decode};
use wagglebus_sidecar_core::command::{CommandRequest, TaskCommand};
use wagglebus_sidecar_core::effect::{Answer, Commanded};
use wagglebus_sidecar_core::event::Event;

use super::{Asked, Gate, Inspection, unexpected};

/// How long a command waits for its verdict before it is answered without one (TASKS 1).
pub(crate) const VERDICT_WITHIN: Duration = Duration::from_secs(2);

/// What came of a command.
pub(crate) enum TaskOutcome {
    /// The coordinator did it: the task as it shows it, and whether this made it.
    Decided { task: Value, created: bool },
    /// It is kept until it is decided.
    Undecided(CommandAnswer),
}

/// A command that was handed over.
pub(crate) struct CommandSent {
    gate: Gate,
    asked: Asked,
    command: TaskCommand,
}

impl Gate {
    /// Hands a command over; commands that are handed over one after another are published in that order. It waits for
    /// its verdict for `timeout`.
    ///
    /// # Errors
    /// When the event loop has ended.
    pub(crate) async fn command(
        &self,
        command: TaskCommand,
        idempotency_key: Option<String>,
        timeout: Duration,
    ) -> Result<CommandSent, ErrorDetail> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let given = command.clone();
        let event = |token| {
            Event::Command(Box::new(CommandRequest {
                token,
                command: given,
                idempotency_key,
                timeout_ms,
            }))
        };
        Ok(CommandSent {
            asked: self.begin(event).await?,
            gate: self.clone(),
            command,
        })
    }
}

impl CommandSent {
    /// Waits for the verdict.
    ///
    /// # Errors
    /// The refusal, by the sidecar or by the coordinator.
    pub(crate) async fn verdict(self) -> Result<TaskOutcome, ErrorDetail> {
        let Self { gate, asked, command } = self;
        let Answer::Commanded(Commanded {
            id,
            repeat,
            undecided,
        }) = asked.answer().await?
        else {
            return Err(unexpected());
        };
        if let Some(level) = undecided {
            return Ok(TaskOutcome::Undecided(CommandAnswer { id, level }));
        }
        let look = move |inspection: &Inspection<'_>| {
            let at = inspection.sidecar.ledger().verdict(&id)?;
            inspection.storage.read(at).ok()
        };
        match gate.inspect(look).await? {
            Some(verdict) => Ok(TaskOutcome::Decided {
                task: read(&verdict)?,
                created: matches!(command, TaskCommand::Submit(_)) && !repeat,
            }),
            None => ask(&gate, id, &command).await,
        }
    }
}

/// The task in a verdict, or the refusal.
fn read(verdict: &Bytes) -> Result<Value, ErrorDetail> {
    let receipt = decode::record::<Receipt>("verdict", verdict, MESSAGE_BYTES_MAX);
    let (result, error) = receipt.map_or((None, None), |receipt| (receipt.result, receipt.error));
    result.ok_or_else(|| {
        error.unwrap_or_else(|| {
            ErrorDetail::new(
                ErrorCode::IllegalTransition,
                "the coordinator refused the command without a reason",
            )
        })
    })
}

/// A command that was decided, but whose verdict is not here: the task says what came of it.
async fn ask(gate: &Gate, id: Id, command: &TaskCommand) -> Result<TaskOutcome, ErrorDetail> {
    let task_id = command.task_id().unwrap_or(id);
    let task = match gate.roster().task(task_id).await {
        Ok(task) => task,
        Err(error) if error.code == ErrorCode::CoordinatorUnavailable => {
            let level = Level::Stored;
            return Ok(TaskOutcome::Undecided(CommandAnswer { id, level }));
        }
        Err(error) => return Err(unknown(error, command)),
    };
    if let TaskCommand::Submit(draft) = command {
        let same = Task::deserialize(&task).is_ok_and(|task| task.is_of(draft, gate.roster().me()));
        if !same {
            let message = format!("id {id} was used before for another task");
            return Err(ErrorDetail::new(ErrorCode::IdempotencyConflict, message)
                .hint("use a new id for a new task, or repeat the first one unchanged"));
        }
    }
    Ok(TaskOutcome::Decided { task, created: false })
}

/// A submission that the stream has and the coordinator does not know: that it does not exist would only puzzle.
fn unknown(error: ErrorDetail, command: &TaskCommand) -> ErrorDetail {
    if error.code != ErrorCode::NotFound || !matches!(command, TaskCommand::Submit(_)) {
        return error;
    }
    let message = "a task was submitted under this id before, and was refused or is not decided yet";
    ErrorDetail {
        message: message.to_owned(),
        ..error
    }
    .hint("look again in a moment; if it stays so, submit it under a new id")
}
