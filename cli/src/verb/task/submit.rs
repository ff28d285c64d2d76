//! `task submit`: a new task, and waiting for what becomes of it.

use std::time::{Duration, Instant};

use wagglebus_client::{Answered, Client};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::{Strategy, TaskState, Title};
use wagglebus_schemas::task_api::TaskAnswer;
use wagglebus_schemas::{CapabilityName, Id, Priority, Resources, Task, TaskDraft};

use super::given::{deadline, json};
use super::{line, tell};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;

/// Time between two looks at a task that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Submit a task; prints its id and state
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus task submit 'review the patch' --capability review -p high
  git diff | wagglebus task submit 'review this' --capability review --input - --wait completed --timeout 1h")]
pub(crate) struct Args {
    /// What is to be done, in a line
    title: String,
    /// What an agent must be able to do; may be given again
    #[arg(long, value_name = "NAME")]
    capability: Vec<String>,
    /// What it works on, as JSON or text; - from standard input
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// How important it is
    #[arg(short, long, default_value_t, value_parser = value::words::<Priority>(Priority::ALL.iter().map(|p| p.as_str())))]
    priority: Priority,
    /// By when it should be done: a time, or a while from now
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// A task that must be completed first; may be given again
    #[arg(long, value_name = "ID")]
    depends_on: Vec<String>,
    /// What it takes of its agent while it is worked on, such as memory_mb=2048; may be given again
    #[arg(long = "resource", value_name = "NAME=AMOUNT")]
    resources: Vec<String>,
    /// How its agent is chosen; else as the hive does
    #[arg(long, value_parser = value::words::<Strategy>(Strategy::ALL.iter().map(|s| s.as_str())))]
    strategy: Option<Strategy>,
    /// How often it is tried; else 3 times
    #[arg(long, value_name = "N")]
    max_attempts: Option<std::num::NonZeroU32>,
    /// Submit under this id: a repeat with the same id and task is the same task
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Accept a capability that nobody has yet
    #[arg(long)]
    park: bool,
    /// Wait until it has come to this state
    #[arg(long, value_name = "STATE", value_parser = value::words::<TaskState>(TaskState::ALL.iter().map(|s| s.as_str())))]
    wait: Option<TaskState>,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = value::duration, requires = "wait")]
    timeout: Duration,
}

impl Args {
    fn draft(&self) -> Result<TaskDraft, Failure> {
        let title: Title = self
            .title
            .parse()
            .map_err(|error: wagglebus_schemas::task::TitleError| Failure::invalid(error.to_string()))?;
        let mut draft = TaskDraft::titled(title);
        let capabilities: Result<Vec<CapabilityName>, _> =
            self.capability.iter().map(|name| name.parse()).collect();
        draft.capabilities = capabilities.map_err(|error| Failure::invalid(error.to_string()))?;
        if let Some(input) = &self.input {
            draft.input = json(input, "input")?;
        }
        draft.priority = self.priority;
        draft.deadline = self.deadline.as_deref().map(deadline).transpose()?;
        let depends_on: Result<_, Failure> = self.depends_on.iter().map(|id| value::id(id)).collect();
        draft.depends_on = depends_on?;
        draft.resources = Resources::of_texts(self.resources.iter().map(String::as_str))
            .map_err(|error| Failure::invalid(error.to_string()))?;
        (draft.strategy, draft.max_attempts, draft.park) = (self.strategy, self.max_attempts, self.park);
        Ok(draft)
    }
}

pub(super) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let mut draft = args.draft()?;
    // Always one of ours, so that a broken connection can be repeated without ever doubling it.
    let id = match &args.id {
        Some(id) => value::id(id)?,
        None => Id::from_uuid(uuid::Uuid::now_v7()),
    };
    draft.id = Some(id);
    let client = session.client()?;
    let answer = client.submit_task(&draft).await?;
    let Some(wanted) = args.wait else {
        return tell(&answer, id, session, output);
    };
    let task = match answer.value {
        TaskAnswer::Decided(task) if is_over(&task, wanted) => Answered {
            value: *task,
            body: answer.body,
        },
        TaskAnswer::Decided(_) | TaskAnswer::Undecided(_) => {
            follow(&client, id, wanted, args.timeout, &session.wagglebus()?).await?
        }
    };
    if output.json() {
        output.body(&task.body)?;
    } else {
        output.line(line(&task.value))?;
    }
    if has_come_to(task.value.state, wanted) {
        return Ok(());
    }
    let what = format!("task {id} is {} and will never be {wanted}", task.value.state);
    Err(Failure::contract(ErrorCode::LevelNotReached, what)
        .why(task.value.error.unwrap_or_default())
        .fix(format!("see who had it, and why: wagglebus task explain {id}")))
}

/// Looks at the task until waiting for it is over.
async fn follow(
    client: &Client,
    id: Id,
    wanted: TaskState,
    within: Duration,
    wagglebus: &str,
) -> Result<Answered<Task>, Failure> {
    let begun = Instant::now();
    let mut state = None;
    let mut silent = None;
    loop {
        match client.task(id).await {
            Ok(task) if is_over(&task.value, wanted) => return Ok(task),
            Ok(task) => (state, silent) = (Some(task.value.state), None),
            // Not decided yet, or nobody is there to say so: it is kept meanwhile.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {}
            Err(error) if error.is_passing() => silent = Some(error),
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= within {
            let state = state.map_or("not decided", TaskState::as_str);
            let what = format!("task {id} is {state}, and was not {wanted} in time");
            let silent = silent.map_or_else(String::new, |error| format!("; {error}"));
            return Err(Failure::contract(ErrorCode::LevelNotReached, what)
                .why(format!("it was submitted: do not submit it again{silent}"))
                .fix(format!("see where it is: {wagglebus} task show {id}")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether nothing is left to wait for.
fn is_over(task: &Task, wanted: TaskState) -> bool {
    task.state.is_terminal() || has_come_to(task.state, wanted)
}

/// Whether a task in `state` has been where it was wanted, as far as that can be told: an end is that very one.
fn has_come_to(state: TaskState, wanted: TaskState) -> bool {
    let way = |state: TaskState| match state {
        TaskState::WaitingDependency => 0,
        TaskState::Pending => 1,
        TaskState::Assigned => 2,
        TaskState::InProgress => 3,
        TaskState::Blocked => 4,
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled => 5,
    };
    state == wanted
        || (!wanted.is_terminal() && wanted != TaskState::Blocked && state == TaskState::Completed)
        || (!wanted.is_terminal() && !state.is_terminal() && way(state) > way(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_went_on_has_been_where_it_was_wanted() {
        use TaskState::{
            Assigned, Blocked, Cancelled, Completed, Failed, InProgress, Pending, WaitingDependency,
        };
        for (state, wanted) in [
            (Completed, Completed),
            (Completed, InProgress),
            (Blocked, Assigned),
            (InProgress, Pending),
            (Assigned, WaitingDependency),
            (Failed, Failed),
        ] {
            assert!(has_come_to(state, wanted), "{state} {wanted}");
        }
        for (state, wanted) in [
            (Failed, Completed),
            (Cancelled, InProgress),
            (Completed, Failed),
            (Completed, Blocked),
            (Pending, Assigned),
            (InProgress, Blocked),
        ] {
            assert!(!has_come_to(state, wanted), "{state} {wanted}");
        }
    }
}
