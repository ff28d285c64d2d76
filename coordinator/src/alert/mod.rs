//! Who hears of alerts beside the log: a webhook, a command. Each has a queue of its own and hears each change at least
//! once, in order; what cannot be told after some attempts is given up, and said so in our own log.

mod command;
mod notice;
mod tls;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::alert::{AlertNews, Told};
use wagglebus_coordinator_core::lead::News;
use wagglebus_schemas::Hive;

pub(crate) use command::Command;
pub(crate) use webhook::{BadWebhook, Webhook};

use notice::Notice;

use crate::metrics::Metrics;

/// Changes that may wait for one sink; more are given up.
const WAITING_MAX: usize = 256;
/// How often one change is tried.
const ATTEMPTS_MAX: u32 = 7;
/// Pause before the second attempt. It doubles up to the last: about a minute in all.
const RETRY_AFTER: Duration = Duration::from_millis(500);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
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
        }
    }

    async fn tell(&self, notice: &Notice) -> Result<(), Untold> {
        match self {
            Self::Webhook(webhook) => webhook.tell(notice).await,
            Self::Command(command) => command.tell(notice).await,
        }
    }
}

/// The sinks of one process. They outlive sessions: what the log says is told without the bus.
#[derive(Debug)]
pub(crate) struct Sinks {
    hive: Hive,
    ways: Vec<Sender<(u64, Arc<Notice>)>>,
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
        let (tell_done, done) = mpsc::unbounded_channel();
        let mut work = JoinSet::new();
        let webhook = ways.webhook.map(Way::Webhook);
        let ways = webhook.into_iter().chain(ways.command.map(Way::Command));
        let ways = ways.map(|way| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            work.spawn(serve(way, receiver, tell_done.clone(), metrics.clone()));
            sender
        });
        Self {
            hive,
            ways: ways.collect(),
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
            for way in &self.ways {
                match way.try_send((seq, notice.clone())) {
                    Ok(()) => open += 1,
                    Err(_) => tracing::warn!(event = %notice.id, "a sink is behind: a change is not told"),
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

/// Tells one way everything, in order.
async fn serve(
    way: Way,
    mut waiting: Receiver<(u64, Arc<Notice>)>,
    done: UnboundedSender<u64>,
    metrics: Arc<Metrics>,
) {
    while let Some((seq, notice)) = waiting.recv().await {
        let told = tell(&way, &notice).await;
        metrics.alert_told(way.name(), told);
        if done.send(seq).is_err() {
            return;
        }
    }
}

/// Tries until it is told, or given up.
async fn tell(way: &Way, notice: &Notice) -> bool {
    let (sink, event) = (way.name(), notice.id);
    let mut pause = RETRY_AFTER;
    for attempt in 1..=ATTEMPTS_MAX {
        match way.tell(notice).await {
            Ok(()) => {
                tracing::info!(sink, %event, rule = notice.alert.rule, transition = %notice.transition, "told");
                return true;
            }
            Err(Untold::Again(why)) if attempt < ATTEMPTS_MAX => {
                tracing::info!(sink, %event, attempt, why, "not told; trying again");
                tokio::time::sleep(pause).await;
                pause = RETRY_AFTER_MAX.min(pause * 2);
            }
            Err(error) => {
                tracing::warn!(sink, %event, attempt, why = %error, "given up: a change of an alert is not told");
                return false;
            }
        }
    }
    false
}
