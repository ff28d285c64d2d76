//! `/v1/tasks`: commands about tasks, stored in the caller's name and answered by what the log says of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;
use wagglebus_coordinator_core::Machine;
use wagglebus_http::{
    Answered, IdempotencyKey, JsonBody, MaybeJsonBody, NoParams, Params, PathId, Refusal, json,
};
use wagglebus_schemas::command::{TaskAction, TaskVerb};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task_api::CommandAnswer;
use wagglebus_schemas::{AgentId, Command, Id, Level, Priority, Task, TaskDraft, Timestamp, TooLong, decode};

use super::auth::Caller;
use super::state::{Api, Shared};
use super::store::{Record, conflict, encode, identify, store, stored_before};
use crate::clock;
use crate::verdicts::{self, Verdict};

/// How long a command waits for its verdict before it is answered without one (TASKS 1).
const VERDICT_WITHIN: Duration = Duration::from_secs(2);

/// A command on its way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) from: AgentId,
    pub(super) id: Id,
    pub(super) verb: TaskVerb,
    pub(super) priority: Priority,
    pub(super) body: Bytes,
}

/// A new task.
pub(super) async fn submit(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    Params(NoParams {}): Params<NoParams>,
    key: IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Answered {
    submitted(&api, &caller, key, &body).await
}

/// Submits the draft in a body.
pub(super) async fn submitted(api: &Api, caller: &Caller, key: IdempotencyKey, body: &[u8]) -> Answered {
    let from = caller.actor()?;
    let mut draft: TaskDraft =
        decode::record("task draft", body, LINE_BYTES_MAX).map_err(|e| Refusal::of_decoding(&e))?;
    draft.check_bounds().map_err(too_long)?;
    let id = identify(api, &from, draft.id, key)?;
    draft.id = Some(id);
    let asked = Asked {
        from,
        id,
        verb: TaskVerb::Submit,
        priority: draft.priority,
        body: encode(&draft)?,
    };
    command(api, asked).await
}

/// The path of a verb. Where the verb needs nothing, neither is a body needed.
pub(super) fn verb(verb: TaskVerb) -> MethodRouter<Arc<Api>> {
    let handle = async move |State(api): Shared,
                             Extension(caller): Extension<Caller>,
                             PathId(task): PathId,
                             Params(NoParams {}): Params<NoParams>,
                             key: IdempotencyKey,
                             MaybeJsonBody(body): MaybeJsonBody| {
        changed(&api, &caller, (verb, task), key, &body).await
    };
    post(handle)
}

/// Asks about a task what its verb and the fields in a body say.
pub(super) async fn changed(
    api: &Api,
    caller: &Caller,
    (verb, task): (TaskVerb, Id),
    key: IdempotencyKey,
    body: &[u8],
) -> Answered {
    let from = caller.actor()?;
    let mut asked = about(verb, task, body)?;
    let id = identify(api, &from, asked.id, key)?;
    asked.id = Some(id);
    let known = api.gate.look(move |machine| known(machine, &task)).await?;
    fill_in_epoch(verb, &from, known.as_ref(), &mut asked)?;
    let asked = Asked {
        priority: known.map(|task| task.priority).unwrap_or_default(),
        body: encode(&asked)?,
        from,
        id,
        verb,
    };
    command(api, asked).await
}

/// A command about the task of the path.
fn about(verb: TaskVerb, task: Id, body: &[u8]) -> Result<Command, Refusal> {
    let mut command: Command =
        decode::record("command", body, LINE_BYTES_MAX).map_err(|e| Refusal::of_decoding(&e))?;
    if let Some(other) = command.task_id.replace(task).filter(|other| *other != task) {
        let message = format!("the path names task {task}, the body task {other}");
        return Err(Refusal::new(ErrorCode::InvalidMessage, message).hint("leave task_id out"));
    }
    command.action(verb).map_err(|error| {
        Refusal::new(ErrorCode::InvalidMessage, error.to_string())
            .hint("the fields of each verb are in GET /openapi.json")
    })?;
    command.check_bounds().map_err(too_long)?;
    Ok(command)
}

fn too_long(error: TooLong) -> Refusal {
    Refusal::new(ErrorCode::TooLarge, error.to_string())
        .hint("keep the data elsewhere and send a reference to it; nothing was stored")
}

fn known(machine: &Machine, task: &Id) -> Option<Task> {
    machine.lead().world().task(task).map(|entry| entry.task.clone())
}

/// Says of which assignment its holder speaks, where it does not say so itself. To accept a task without holding it is to
/// claim it.
fn fill_in_epoch(
    verb: TaskVerb,
    from: &AgentId,
    task: Option<&Task>,
    command: &mut Command,
) -> Result<(), ErrorDetail> {
    let free = matches!(verb, TaskVerb::Cancel | TaskVerb::Assign);
    if command.epoch.is_some() || free {
        return Ok(());
    }
    let held = task.filter(|task| task.assigned_to.as_ref() == Some(from));
    command.epoch = held.map(|task| task.epoch);
    let claims = matches!(command.action(verb), Ok(TaskAction::Accept));
    if command.epoch.is_some() || claims || task.is_none() {
        // Of a task that nobody knows the coordinator says so, once there is a number to speak of.
        command.epoch = command.epoch.or((!claims).then_some(0));
        return Ok(());
    }
    let message = format!("{verb} needs epoch: {from} does not hold this task");
    Err(ErrorDetail::new(ErrorCode::InvalidMessage, message)
        .hint("take the epoch from GET /v1/tasks/{id}, or claim the task with accept"))
}

/// Stores a command, and answers with what becomes of it.
pub(super) async fn command(api: &Api, asked: Asked) -> Answered {
    let Asked {
        from,
        id,
        verb,
        priority,
        body,
    } = asked;
    let record = Record {
        stream: Stream::Tasks,
        subject: Subject::Task {
            verb,
            priority,
            from: from.clone(),
        },
        id,
        from: from.clone(),
        at: clock::wall().unwrap_or(Timestamp::EPOCH),
        event_type: format!("io.wagglebus.task.v1.{verb}"),
        to: None,
        body,
    };
    let mut awaited = api.gate.verdicts().begin(from.clone(), id);
    let stored = store(api, &record).await?;
    if stored.duplicate
        && let Some(answer) = before(api, &record, stored.seq, verb).await?
    {
        return Ok(answer);
    }
    match timeout(VERDICT_WITHIN, awaited.verdict()).await {
        Ok(Some(verdict)) => answer(verb, stored.duplicate, verdict),
        Ok(None) | Err(_) => {
            let level = Level::Stored;
            Ok(json(StatusCode::ACCEPTED, &CommandAnswer { id, level }))
        }
    }
}

/// The answer to a command that was stored before, as far as one is known.
async fn before(api: &Api, record: &Record, seq: u64, verb: TaskVerb) -> Result<Option<Response>, Refusal> {
    let (subject, body) = stored_before(api, record.stream, seq).await?;
    if subject.as_ref() != Some(&record.subject) || body != record.body {
        return Err(conflict(record.id).into());
    }
    let (from, id) = (record.from.clone(), record.id);
    let look = move |machine: &Machine| {
        (
            verdicts::of(machine.lead().world(), &from, id),
            known(machine, &id),
        )
    };
    let (verdict, task) = api.gate.look(look).await?;
    match (verdict, task) {
        (Some(verdict), _) => answer(verb, true, verdict).map(Some),
        (None, Some(task)) if verb == TaskVerb::Submit => Ok(Some(json(StatusCode::OK, &task))),
        (None, _) => Ok(None),
    }
}

fn answer(verb: TaskVerb, repeat: bool, Verdict { at, outcome }: Verdict) -> Answered {
    let result = outcome?;
    // A task that is older than the verdict was submitted before.
    let made = result.get("created_at").and_then(Value::as_str) == Some(at.as_str());
    let created = verb == TaskVerb::Submit && !repeat && made;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(status, &result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    fn task() -> Task {
        let draft: TaskDraft = serde_json::from_value(value!({ "title": "x" })).unwrap();
        let mut task = draft.into_task(Id::from_bytes([1; 16]), AgentId::operator(), Timestamp::EPOCH);
        task.assigned_to = Some("bob".parse().unwrap());
        task.epoch = 3;
        task
    }

    #[test]
    fn the_path_says_which_task_and_the_verb_what_is_needed() {
        let (id, other) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        let command = about(TaskVerb::Accept, id, b"{}").unwrap();
        assert_eq!(command.task_id, Some(id));
        let body = format!("{{\"task_id\":\"{other}\"}}");
        let refusal = about(TaskVerb::Accept, id, body.as_bytes()).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidMessage);
        let refusal = about(TaskVerb::Block, id, b"{}").unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidMessage);
    }

    #[test]
    fn a_holder_speaks_of_its_own_assignment() {
        let (bob, carol): (AgentId, AgentId) = ("bob".parse().unwrap(), "carol".parse().unwrap());
        let filled = |verb, from: &AgentId, task: Option<&Task>| {
            let mut command = Command::default();
            fill_in_epoch(verb, from, task, &mut command).map(|()| command.epoch)
        };
        let task = task();
        assert_eq!(filled(TaskVerb::Resume, &bob, Some(&task)), Ok(Some(3)));
        assert_eq!(filled(TaskVerb::Accept, &bob, Some(&task)), Ok(Some(3)));
        assert_eq!(filled(TaskVerb::Accept, &carol, Some(&task)), Ok(None), "a claim");
        assert_eq!(filled(TaskVerb::Cancel, &carol, Some(&task)), Ok(None));
        assert_eq!(
            filled(TaskVerb::Resume, &carol, None),
            Ok(Some(0)),
            "nobody knows it"
        );
        let error = filled(TaskVerb::Resume, &carol, Some(&task)).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidMessage);
    }

    #[test]
    fn a_new_task_is_created_and_an_old_one_is_shown() {
        let at = Timestamp::EPOCH;
        let status = |verb, repeat, outcome| answer(verb, repeat, Verdict { at, outcome }).unwrap().status();
        let new = value!({ "created_at": at });
        assert_eq!(status(TaskVerb::Submit, false, Ok(new.clone())), 201);
        assert_eq!(status(TaskVerb::Submit, true, Ok(new.clone())), 200);
        assert_eq!(status(TaskVerb::Accept, false, Ok(new)), 200);
        let old = value!({ "created_at": "1969-12-31T00:00:00.000Z" });
        assert_eq!(status(TaskVerb::Submit, false, Ok(old)), 200);
        let refused = Err(ErrorDetail::new(ErrorCode::StaleEpoch, "old"));
        let refusal = answer(TaskVerb::Accept, false, Verdict { at, outcome: refused }).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::StaleEpoch);
    }
}
