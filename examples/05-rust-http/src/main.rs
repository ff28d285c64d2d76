//! An agent that works on tasks: takes each assignment over its sidecar's HTTP API and says what came of it.
//!
//! It goes on while its sidecar is away, and so may come too late: then its answer is refused.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::sleep;
use wagglebus_client::{Client, ClientError, Endpoint, Take};
use wagglebus_schemas::api::{AckRequest, InboxItem};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::task_api::TaskAnswer;
use wagglebus_schemas::{Command, Id, Task};

const AGAIN_AFTER: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_secs(20);
/// Most seconds that a task may ask for.
const SECONDS_MAX: f64 = 3_600.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let socket = std::env::var_os("WAGGLEBUS_SOCKET");
    let socket = socket.context("set WAGGLEBUS_SOCKET: `socket` in the sidecar's ready file names it")?;
    let sidecar = Client::new(Endpoint::Unix(PathBuf::from(socket)));
    say("ready");
    loop {
        let take = Take {
            max: 1,
            timeout: POLL,
            ..Take::default()
        };
        match sidecar.inbox(take).await {
            Ok(answer) => {
                for item in answer.value.messages {
                    handed(&sidecar, item).await;
                }
            }
            // The sidecar may be on its way back.
            Err(_) => sleep(AGAIN_AFTER).await,
        }
    }
}

/// The agent's own work: here adding numbers, after as many seconds as the task asks for.
async fn work(task: &Task) -> Value {
    let seconds = task.input.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
    sleep(Duration::from_secs_f64(seconds.clamp(0.0, SECONDS_MAX))).await;
    let numbers = task.input.get("numbers").and_then(Value::as_array);
    let sum: f64 = numbers.into_iter().flatten().filter_map(Value::as_f64).sum();
    json!({ "by": "wagglebus-example-worker", "sum": sum })
}

async fn handed(sidecar: &Client, item: InboxItem) {
    let message = &item.message;
    let request = AckRequest {
        lease: item.lease.clone(),
        done: true,
    };
    // Settled is accepted, also when the answer is lost: then it never comes again, and the task is ours.
    while let Err(error) = sidecar.ack(message.id, &request).await {
        if is_decided(&error) {
            return say(&format!("lost     {}: {error}; it comes again", message.id));
        }
        sleep(AGAIN_AFTER).await;
    }
    let assigned = Notice::of(message).is_some_and(|notice| notice.kind == NoticeKind::Assigned);
    let task = message.metadata.get("task").filter(|_| assigned);
    let Some(task) = task.and_then(|task| serde_json::from_value::<Task>(task.clone()).ok()) else {
        return say(&format!("received {} from {}", message.id, message.from_agent));
    };
    // The settled assignment counts as accepted.
    say(&format!(
        "begun    {} {}, attempt {}",
        task.id,
        task.title.as_str(),
        task.attempt
    ));
    let result = work(&task).await;
    finish(sidecar, &task, result).await;
}

/// The id is ours: however often it is sent, it is one command. The epoch says which assignment is meant.
async fn finish(sidecar: &Client, task: &Task, result: Value) {
    let command = Command {
        id: Some(Id::from_uuid(uuid::Uuid::now_v7())),
        epoch: Some(task.epoch),
        result: Some(result),
        ..Command::default()
    };
    let (id, title) = (task.id, task.title.as_str());
    loop {
        match sidecar.command_task(id, TaskVerb::Complete, &command).await {
            Ok(answer) => {
                let became = match answer.value {
                    TaskAnswer::Decided(task) => task.state.to_string(),
                    TaskAnswer::Undecided(answer) => answer.level.to_string(),
                };
                return say(&format!("done     {id} {title}: {became}"));
            }
            // `stale_epoch`: meanwhile the task was given to somebody else.
            Err(error) if is_decided(&error) => {
                return say(&format!("refused  {id} {title}: {error}"));
            }
            Err(_) => sleep(AGAIN_AFTER).await,
        }
    }
}

/// Whether a repeat would be refused again. Too many requests at once, or nobody behind the sidecar at the moment, is no
/// decision.
fn is_decided(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { status, .. } if *status != 429 && *status < 500)
}

fn say(text: &str) {
    use std::io::Write as _;
    // Nobody may be listening any more.
    writeln!(std::io::stdout(), "{text}").ok();
}

#[cfg(test)]
mod tests;
