//! Commands about tasks: from a bridge to the event loop, and the coordinator's verdict back.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::task_api::CommandAnswer;
use wagglebus_schemas::{Id, Level, Task, TaskDraft, decode};
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
            None => match command {
                TaskCommand::Submit(draft) => ask(&gate, id, &draft).await,
                // The task does not tell whether this command changed it.
                TaskCommand::Verb { .. } => Ok(kept(id)),
            },
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

/// A submission that the stream knew before, and whose verdict is not here: the task says what came of it. Where there is
/// none it may be about to be made.
async fn ask(gate: &Gate, id: Id, draft: &TaskDraft) -> Result<TaskOutcome, ErrorDetail> {
    let task = match gate.roster().task(id).await {
        Ok(task) => task,
        Err(error)
            if matches!(
                error.code,
                ErrorCode::CoordinatorUnavailable | ErrorCode::NotFound
            ) =>
        {
            return Ok(kept(id));
        }
        Err(error) => return Err(error),
    };
    if !Task::deserialize(&task).is_ok_and(|task| task.is_of(draft, gate.roster().me())) {
        let message = format!("id {id} was used before for another task");
        return Err(ErrorDetail::new(ErrorCode::IdempotencyConflict, message)
            .hint("use a new id for a new task, or repeat the first one unchanged"));
    }
    Ok(TaskOutcome::Decided { task, created: false })
}

/// What is known of a command that lies in the stream.
const fn kept(id: Id) -> TaskOutcome {
    let level = Level::Stored;
    TaskOutcome::Undecided(CommandAnswer { id, level })
}
