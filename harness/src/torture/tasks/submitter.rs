//! Submits tasks through a sidecar, no more at once than the hive should have open, and takes the news of their ends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use wagglebus_client::{Client, ClientError, Take};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::task::{TaskDraft, Title};
use wagglebus_schemas::task_api::TaskAnswer;

use super::agent::settle;
use super::cast::Planned;
use super::facts::{Book, Submitted, now_ms};
use super::follower::Progress;

const POLL: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
/// News that are taken at once.
const TAKEN_MAX: u32 = 32;

/// Submits all of them, in order. `open_max` bounds the tasks of the whole hive that have not ended.
pub(super) async fn submit(
    client: Client,
    planned: Vec<Planned>,
    book: Arc<Book>,
    mut progress: watch::Receiver<Progress>,
    open_max: u64,
) {
    for (n, task) in planned.into_iter().enumerate() {
        if progress
            .wait_for(|progress| progress.open() < open_max)
            .await
            .is_err()
        {
            return;
        }
        let id = task.id;
        let Some(draft) = draft(n, &task) else {
            return book.odd(format!("task {id} cannot be written"));
        };
        book.submits(Submitted {
            id,
            capabilities: task.capabilities,
            depends_on: task.depends_on,
        });
        if let Err(why) = submit_one(&client, &draft).await {
            book.odd(format!("task {id} was not submitted: {why}"));
        }
    }
}

fn draft(n: usize, task: &Planned) -> Option<TaskDraft> {
    let title: Title = format!("task {n} of submitter {}", task.by).parse().ok()?;
    let deadline = task.deadline_ms.and_then(|ms| {
        let at = i64::try_from(now_ms().saturating_add(ms)).ok()?;
        Timestamp::from_unix_ms(at).ok()
    });
    Some(TaskDraft {
        id: Some(task.id),
        capabilities: task.capabilities.clone(),
        input: json!({ "number": n, "text": "x".repeat(n % 200) }),
        priority: task.priority,
        deadline,
        depends_on: task.depends_on.clone(),
        max_attempts: super::MAX_ATTEMPTS,
        accept_timeout_ms: std::num::NonZeroU64::new(super::ACCEPT_TIMEOUT_MS),
        park: true,
        ..TaskDraft::titled(title)
    })
}

/// Until the sidecar has it: from then on it is kept, whatever happens.
async fn submit_one(client: &Client, draft: &TaskDraft) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let why = match client.submit_task(draft).await {
            Ok(answer) => {
                return match answer.value {
                    TaskAnswer::Decided(task) if task.is_of(draft, &task.submitted_by) => Ok(()),
                    TaskAnswer::Decided(task) => Err(format!("another task came of it: {task:?}")),
                    TaskAnswer::Undecided(_) => Ok(()),
                };
            }
            Err(ClientError::Refused { status, detail }) if status < 500 && status != 429 => {
                return Err(detail.to_string());
            }
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(why);
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Takes the news of a submitter until `closing` is true.
pub(super) async fn listen(client: Client, book: Arc<Book>, closing: watch::Receiver<bool>) {
    while !*closing.borrow() {
        let take = Take {
            max: TAKEN_MAX,
            timeout: POLL,
            lease: LEASE,
        };
        let Ok(answer) = client.inbox(take).await else {
            sleep(AGAIN_AFTER).await;
            continue;
        };
        for item in answer.value.messages {
            match Notice::of(&item.message) {
                Some(notice) if !matches!(notice.kind, NoticeKind::Assigned | NoticeKind::Released) => {
                    book.told(notice.task_id, item.message.id);
                }
                Some(_) | None => book.odd(format!("a submitter got {:?}", item.message)),
            }
            settle(&client, &item).await;
        }
    }
}
