//! One scripted agent on its sidecar's HTTP API: takes assignments, works, answers; or what its temper makes of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use wagglebus_client::{Client, ClientError, SendOptions, Take};
use wagglebus_schemas::api::{AckRequest, InboxItem};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::number::Fraction;
use wagglebus_schemas::task_api::TaskAnswer;
use wagglebus_schemas::{AgentId, Command, Draft, Id, Level, Task};

use super::cast::{Player, Temper};
use super::facts::{Answer, Book, Deed};
use crate::rng::Rng;

/// Longest long poll.
const POLL: Duration = Duration::from_secs(2);
/// Longer than any fault.
const LEASE: Duration = Duration::from_secs(120);
/// Distance of two attempts at the same thing.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long something is said again before the agent gives up on an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a sluggard keeps still: longer than an assignment may wait to be accepted.
const STILL: Duration = Duration::from_millis(super::ACCEPT_TIMEOUT_MS + 2_000);

/// Of 100 assignments, what each temper makes of them.
const LIES: u64 = 20;
const KEEPS_STILL: u64 = 8;
const REFUSES: u64 = 20;
const FAILS: u64 = 20;
/// Of 100 failures of the clumsy, for good.
const FAILS_FOR_GOOD: u64 = 5;
/// Of 100 tasks of everybody: answered by a reply, told of on the way, taking long.
const REPLIES: u64 = 25;
const TELLS: u64 = 25;
const TAKES_LONG: u64 = 4;
/// How many times as long that is.
const LONG: u32 = 20;

/// An agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) player: Player,
    pub(super) client: Client,
    pub(super) book: Arc<Book>,
    pub(super) rng: Rng,
    /// Assignments that it has begun: a repeated hand-over is only settled.
    begun: BTreeSet<(Id, u64)>,
}

/// An assignment.
#[derive(Debug, Clone, Copy)]
struct Given {
    task: Id,
    epoch: u64,
    /// The message that said so.
    notice: Id,
}

impl Agent {
    pub(super) const fn new(player: Player, client: Client, book: Arc<Book>, rng: Rng) -> Self {
        Self {
            player,
            client,
            book,
            rng,
            begun: BTreeSet::new(),
        }
    }

    /// Works until `closing` is true.
    pub(super) async fn work(mut self, closing: watch::Receiver<bool>) {
        while !*closing.borrow() {
            let take = Take {
                max: 1,
                timeout: POLL,
                lease: LEASE,
            };
            let Ok(answer) = self.client.inbox(take).await else {
                sleep(AGAIN_AFTER).await;
                continue;
            };
            for item in answer.value.messages {
                self.handed(item).await;
            }
        }
    }

    async fn handed(&mut self, item: InboxItem) {
        let notice = Notice::of(&item.message).filter(|notice| notice.kind == NoticeKind::Assigned);
        let Some((notice, epoch)) = notice.and_then(|notice| Some((notice, notice.epoch?))) else {
            settle(&self.client, &item).await;
            return;
        };
        let given = Given {
            task: notice.task_id,
            epoch,
            notice: item.message.id,
        };
        if self.begun.contains(&(given.task, given.epoch)) {
            settle(&self.client, &item).await;
            return;
        }
        if self.player.temper == Temper::Sluggard && self.rng.percent(KEEPS_STILL) {
            // Unseen means not accepted: it is taken away, and the answer comes too late.
            sleep(STILL).await;
        }
        // Whoever could not settle it is handed it again.
        if settle(&self.client, &item).await {
            self.begun.insert((given.task, given.epoch));
            self.act(given).await;
        }
    }

    async fn act(&mut self, given: Given) {
        match self.player.temper {
            Temper::Liar if self.rng.percent(LIES) => self.lie(given).await,
            Temper::Picky if self.rng.percent(REFUSES) => {
                let no = Command {
                    reason: Some("not today".to_owned()),
                    ..Command::default()
                };
                self.say(given, TaskVerb::Refuse, no).await;
                return;
            }
            Temper::Clumsy if self.rng.percent(FAILS) => {
                let failure = Command {
                    error: Some("it fell down".to_owned()),
                    retryable: Some(!self.rng.percent(FAILS_FOR_GOOD)),
                    ..Command::default()
                };
                self.say(given, TaskVerb::Fail, failure).await;
                return;
            }
            Temper::Steady | Temper::Liar | Temper::Sluggard | Temper::Picky | Temper::Clumsy => {}
        }
        let (least, more) = self.player.work_ms;
        let long = if self.rng.percent(TAKES_LONG) { LONG } else { 1 };
        let work = Duration::from_millis(least + self.rng.below(more)) * long;
        if self.rng.percent(TELLS) {
            sleep(work / 2).await;
            self.tell(given).await;
        }
        sleep(work).await;
        let result = json!({ "by": self.player.agent, "epoch": given.epoch, "mark": self.rng.bits() >> 16 });
        if self.rng.percent(REPLIES) {
            self.reply(given, &result).await;
        } else {
            self.complete(given, result).await;
        }
        if self.player.temper == Temper::Liar && self.rng.percent(LIES) {
            // It changes its mind: what is done stays as it is.
            self.complete(given, json!({ "by": self.player.agent, "changed": true }))
                .await;
        }
    }

    /// Says how far it is, or that it waits for something.
    async fn tell(&mut self, given: Given) {
        if self.rng.percent(50) {
            let progress = Command {
                progress: Fraction::try_from(0.5).ok(),
                ..Command::default()
            };
            self.say(given, TaskVerb::Progress, progress).await;
        } else {
            let wait = Command {
                reason: Some("waits for the others".to_owned()),
                ..Command::default()
            };
            self.say(given, TaskVerb::Block, wait).await;
            self.say(given, TaskVerb::Resume, Command::default()).await;
        }
    }

    async fn complete(&mut self, given: Given, result: Value) -> Answer {
        let done = Command {
            result: Some(result),
            ..Command::default()
        };
        self.say(given, TaskVerb::Complete, done).await.0
    }

    /// Tries everything that must not work.
    async fn lie(&mut self, given: Given) {
        let lie = || json!("a lie");
        let next = Given {
            epoch: given.epoch + 1,
            ..given
        };
        self.complete(next, lie()).await;
        let chance = self.rng.bits();
        let Some(other) = self.book.some_task(chance).filter(|other| *other != given.task) else {
            return;
        };
        for epoch in [1, 2] {
            let others = Given {
                task: other,
                epoch,
                ..given
            };
            self.complete(others, lie()).await;
        }
        // Where it could do it and nobody has it, a claim is honest: then it does it.
        let (_, task) = self.claim(other).await;
        if let Some(task) = task.filter(|task| task.assigned_to.as_ref() == Some(&self.player.agent)) {
            let claimed = Given {
                task: task.id,
                epoch: task.epoch,
                ..given
            };
            let result = json!({ "by": self.player.agent, "epoch": task.epoch, "claimed": true });
            self.complete(claimed, result).await;
        }
    }

    async fn claim(&mut self, task: Id) -> (Answer, Option<Task>) {
        let deed = Deed {
            agent: self.player.agent.clone(),
            task,
            epoch: None,
            verb: Some(TaskVerb::Accept),
            result: Value::Null,
            answer: Answer::None,
        };
        self.command(deed, TaskVerb::Accept, Command::default()).await
    }

    async fn say(&mut self, given: Given, verb: TaskVerb, command: Command) -> (Answer, Option<Task>) {
        let deed = Deed {
            agent: self.player.agent.clone(),
            task: given.task,
            epoch: Some(given.epoch),
            verb: Some(verb),
            result: command.result.clone().unwrap_or_default(),
            answer: Answer::None,
        };
        let command = Command {
            epoch: Some(given.epoch),
            ..command
        };
        self.command(deed, verb, command).await
    }

    /// Says it until it is answered: under one id, so that it is said once.
    async fn command(&mut self, deed: Deed, verb: TaskVerb, command: Command) -> (Answer, Option<Task>) {
        let task = deed.task;
        let place = self.book.says(deed);
        let command = Command {
            id: Some(self.rng.id()),
            ..command
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.client.command_task(task, verb, &command).await {
                Ok(answer) => match answer.value {
                    TaskAnswer::Decided(task) => {
                        let answer = Answer::Done { state: task.state };
                        self.book.answered(place, answer);
                        return (answer, Some(*task));
                    }
                    TaskAnswer::Undecided(_) => {}
                },
                Err(ClientError::Refused { detail, .. }) if is_final(detail.code) => {
                    let answer = Answer::Refused(detail.code);
                    self.book.answered(place, answer);
                    return (answer, None);
                }
                Err(_) => {}
            }
            sleep(AGAIN_AFTER).await;
        }
        (Answer::None, None)
    }

    /// Replies to the assignment, which completes it.
    async fn reply(&mut self, given: Given, result: &Value) {
        let text = result.to_string();
        self.book.says(Deed {
            agent: self.player.agent.clone(),
            task: given.task,
            epoch: Some(given.epoch),
            verb: None,
            result: Value::from(text.clone()),
            answer: Answer::None,
        });
        let mut draft = Draft::text(AgentId::coordinator().into(), text);
        draft.id = Some(self.rng.id());
        let answered = json!(given.notice);
        draft.metadata.insert(metadata::IN_REPLY_TO.to_owned(), answered);
        let options = SendOptions {
            wait: Some(Level::Stored),
            timeout: Some(POLL),
            park: true,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.client.send(&draft, options).await {
                Ok(_) => return,
                Err(ClientError::Refused { detail, .. }) if detail.code == ErrorCode::LevelNotReached => {
                    return;
                }
                Err(_) => sleep(AGAIN_AFTER).await,
            }
        }
        let (agent, task) = (&self.player.agent, given.task);
        self.book
            .odd(format!("{agent} could not send its reply about task {task}"));
    }
}

/// Whether the same question would be answered the same again.
const fn is_final(code: ErrorCode) -> bool {
    code.status() < 500 && !matches!(code, ErrorCode::RateLimited)
}

/// Settles a message: it is seen and done. False when it was not this agent's any more, and comes again.
pub(super) async fn settle(client: &Client, item: &InboxItem) -> bool {
    let request = AckRequest {
        lease: item.lease.clone(),
        done: true,
    };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match client.ack(item.message.id, &request).await {
            Ok(_) => return true,
            Err(ClientError::Refused { detail, .. }) if is_final(detail.code) => return false,
            Err(_) => sleep(AGAIN_AFTER).await,
        }
    }
    false
}
