//! Reads the log as it grows, and the commands in the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, Hive};

use super::facts::{CommandLine, Line};

/// What is kept of a line beside what is looked at would be most of the memory of a long run.
const NOT_KEPT: &str = "explanation";

/// How far the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Tasks that were submitted.
    pub(super) submitted: u64,
    /// Tasks that came to an end.
    pub(super) ended: u64,
    /// The last command that was decided.
    pub(super) decided: u64,
}

impl Progress {
    /// Tasks that have not come to an end.
    pub(super) const fn open(self) -> u64 {
        self.submitted.saturating_sub(self.ended)
    }
}

/// What was read.
#[derive(Debug, Default)]
struct Read {
    lines: Vec<Line>,
    /// Which agent works on which task, in the order in which they began.
    at_work: Vec<(String, AgentId)>,
}

/// Follows the log.
#[derive(Debug)]
pub(super) struct Follower {
    read: Arc<Mutex<Read>>,
    progress: watch::Receiver<Progress>,
    reading: JoinHandle<Result<()>>,
}

impl Follower {
    /// Begins with the first line.
    pub(super) async fn begin(js: &Context, hive: &Hive) -> Result<Self> {
        let mut messages = read(js, &Stream::Events.name(hive)).await?;
        let read: Arc<Mutex<Read>> = Arc::default();
        let (tell, progress) = watch::channel(Progress::default());
        let kept = Arc::clone(&read);
        let reading = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let message = message?;
                let info = message.info().map_err(|error| anyhow::anyhow!("{error}"))?;
                let mut event: Event =
                    serde_json::from_slice(&message.payload).context("a line that is no event")?;
                event.data.remove(NOT_KEPT);
                let stored_ms = info.published.unix_timestamp_nanos() / 1_000_000;
                tell.send_modify(|progress| count(progress, &event));
                let line = Line {
                    seq: info.stream_sequence,
                    stored_ms: u64::try_from(stored_ms)?,
                    event,
                };
                kept.lock().unwrap_or_else(PoisonError::into_inner).add(line);
            }
            Ok(())
        });
        Ok(Self {
            read,
            progress,
            reading,
        })
    }

    /// How far it is, now and later.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until so many tasks have ended; false once nothing at all was written for so long.
    pub(super) async fn ended(&self, count: u64, silence: Duration) -> bool {
        self.until(silence, |progress| progress.ended >= count).await
    }

    /// Waits until this command was decided; false once nothing at all was written for so long.
    pub(super) async fn decided(&self, seq: u64, silence: Duration) -> bool {
        self.until(silence, |progress| progress.decided >= seq).await
    }

    async fn until(&self, silence: Duration, so_far: impl Fn(&Progress) -> bool) -> bool {
        let mut progress = self.progress();
        loop {
            if so_far(&progress.borrow_and_update()) {
                return true;
            }
            if !matches!(timeout(silence, progress.changed()).await, Ok(Ok(()))) {
                return false;
            }
        }
    }

    /// Who works on a task, the longest at work first.
    pub(super) fn at_work(&self) -> Vec<AgentId> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.at_work.iter().map(|(_, agent)| agent.clone()).collect()
    }

    /// All lines up to now.
    pub(super) fn finish(self) -> Vec<Line> {
        self.reading.abort();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut read.lines)
    }
}

impl Read {
    fn add(&mut self, line: Line) {
        let event = &line.event;
        if event.entity == EventKind::Task && event.from.as_deref() != Some(event.to.as_str()) {
            self.at_work.retain(|(task, _)| *task != event.entity_id);
            if event.to == TaskState::InProgress.as_str() {
                self.at_work.push((event.entity_id.clone(), event.actor.clone()));
            }
        }
        self.lines.push(line);
    }
}

fn count(progress: &mut Progress, event: &Event) {
    if event.cause.kind == CauseType::Command {
        progress.decided = progress.decided.max(event.cause.seq.unwrap_or(0));
    }
    if event.entity != EventKind::Task || event.from.as_deref() == Some(event.to.as_str()) {
        return;
    }
    let to: Option<TaskState> = event.to.parse().ok();
    progress.submitted += u64::from(event.from.is_none() && to.is_some() && event.event == "submit");
    progress.ended += u64::from(to.is_some_and(TaskState::is_terminal));
}

/// All commands that were stored so far.
pub(super) async fn commands(js: &Context, hive: &Hive) -> Result<Vec<CommandLine>> {
    let name = Stream::Tasks.name(hive);
    let last = js.get_stream(&name).await?.cached_info().state.last_sequence;
    let mut messages = read(js, &name).await?;
    let mut commands = Vec::new();
    let mut seq = 0;
    while seq < last {
        let message = messages.next().await.context("the commands ended early")??;
        seq = message
            .info()
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .stream_sequence;
        let Ok(Subject::Task { verb, from, .. }) = Subject::parse(hive, &message.subject) else {
            continue;
        };
        commands.push(CommandLine {
            seq,
            verb,
            from,
            body: serde_json::from_slice(&message.payload)?,
        });
    }
    Ok(commands)
}

async fn read(js: &Context, stream: &str) -> Result<pull::Ordered> {
    let config = pull::OrderedConfig {
        deliver_policy: DeliverPolicy::All,
        ..Default::default()
    };
    let consumer = js.get_stream(stream).await?.create_consumer(config).await?;
    Ok(consumer.messages().await?)
}
