//! Who hears of alerts beside the log: a webhook, a command. Each has a queue and a worker of its own and hears each
//! change at least once, in order; what cannot be told after some attempts, or finds no room, is given up, and said so
//! in our own log.

mod command;
mod notice;
mod tls;
mod webhook;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::alert::{AlertNews, Told};
use wagglebus_coordinator_core::lead::News;
use wagglebus_schemas::Hive;

pub(crate) use command::Command;
pub(crate) use webhook::Webhook;

use notice::Notice;
use worker::Worker;

use crate::metrics::Metrics;

/// Changes that may wait for one sink; more are given up.
const WAITING_MAX: usize = 256;
/// Settled changes that are remembered: a leader that reads its log anew has them told again.
const REMEMBERED_MAX: usize = 4_096;

/// Who wants to hear of alerts.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    pub(crate) webhook: Option<Webhook>,
    pub(crate) command: Option<Command>,
}

/// One way.
#[derive(Debug)]
enum Way {
    Webhook(Webhook),
    Command(Command),
    #[cfg(test)]
    Script(worker::tests::Script),
}

/// Why a change could not be told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    /// The next attempt may do.
    #[error("{0}")]
    Again(String),
    /// No attempt will.
    #[error("{0}")]
    Never(String),
}

impl Way {
    const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
            #[cfg(test)]
            Self::Script(_) => "script",
        }
    }

    async fn tell(&self, notice: &Notice) -> Result<(), Untold> {
        match self {
            Self::Webhook(webhook) => webhook.tell(notice).await,
            Self::Command(command) => command.tell(notice).await,
            #[cfg(test)]
            Self::Script(script) => script.tell(notice),
        }
    }
}

/// The way into the queue of one sink.
#[derive(Debug)]
struct Queue {
    sink: &'static str,
    sender: Sender<(u64, Arc<Notice>)>,
}

/// The sinks of one process. They outlive sessions: what the log says is told without the bus.
#[derive(Debug)]
pub(crate) struct Sinks {
    hive: Hive,
    queues: Vec<Queue>,
    metrics: Arc<Metrics>,
    /// How many have not settled a change yet.
    open: BTreeMap<u64, usize>,
    settled: BTreeSet<u64>,
    done: UnboundedReceiver<u64>,
    tell_done: UnboundedSender<u64>,
    _work: JoinSet<()>,
}

impl Sinks {
    /// Starts a worker for each way.
    pub(crate) fn start(hive: Hive, ways: Ways, metrics: &Arc<Metrics>) -> Self {
        let webhook = ways.webhook.map(Way::Webhook);
        let ways = webhook.into_iter().chain(ways.command.map(Way::Command));
        Self::with(hive, ways, metrics)
    }

    fn with(hive: Hive, ways: impl Iterator<Item = Way>, metrics: &Arc<Metrics>) -> Self {
        let (tell_done, done) = mpsc::unbounded_channel();
        let mut work = JoinSet::new();
        let queues = ways.map(|way| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            let sink = way.name();
            work.spawn(Worker::new(way, metrics.clone()).serve(receiver, tell_done.clone()));
            Queue { sink, sender }
        });
        Self {
            hive,
            queues: queues.collect(),
            metrics: metrics.clone(),
            open: BTreeMap::new(),
            settled: BTreeSet::new(),
            done,
            tell_done,
            _work: work,
        }
    }

    /// Tells everybody, in the background. What is under way or was told is not told again by this process.
    pub(crate) fn tell(&mut self, told: Told) {
        let seq = told.seq;
        if self.open.contains_key(&seq) {
            return;
        }
        let mut open = 0;
        if !self.settled.contains(&seq) {
            let notice = Arc::new(Notice::of(&self.hive, told.alert));
            for Queue { sink, sender } in &self.queues {
                if sender.try_send((seq, notice.clone())).is_ok() {
                    open += 1;
                } else {
                    self.metrics.alert_told(sink, false);
                    tracing::warn!(sink, event = %notice.id, "given up: the sink is too far behind");
                }
            }
        }
        if open == 0 {
            open = 1;
            // Its receiver is ours.
            self.tell_done.send(seq).ok();
        }
        self.open.insert(seq, open);
    }

    /// A change that everybody has heard of, or that was given up. Cancel-safe.
    pub(crate) async fn settled(&mut self) -> u64 {
        loop {
            let Some(seq) = self.done.recv().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let left = self.open.get_mut(&seq);
            let left = left.map_or(0, |left| {
                *left = left.saturating_sub(1);
                *left
            });
            if left == 0 {
                self.open.remove(&seq);
                self.settled.insert(seq);
                while self.settled.len() > REMEMBERED_MAX {
                    self.settled.pop_first();
                }
                return seq;
            }
        }
    }
}

/// What the machine is told of a change that is settled.
pub(crate) const fn delivered(seq: u64) -> Event {
    Event::Lead(News::Alerts(AlertNews::Delivered { seq }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_is_given_up_and_settled() {
        let metrics = Arc::new(Metrics::new());
        let hive: Hive = "wb".parse().unwrap();
        let dead = Way::Script(worker::tests::Script::failing(u32::MAX));
        let mut sinks = Sinks::with(hive, std::iter::once(dead), &metrics);
        let waiting = u64::try_from(WAITING_MAX).unwrap();
        // One is in the worker's hands.
        for seq in 0..waiting + 2 {
            sinks.tell(worker::tests::told(seq));
            if seq == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(sinks.settled().await, waiting + 1, "the last one, at once");
        let given_up = "alerts_told_total{sink=\"script\",outcome=\"given_up\"} 1";
        let text = metrics.render();
        assert!(text.contains(given_up), "{text}");
    }
}
