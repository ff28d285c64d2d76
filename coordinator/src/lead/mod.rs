//! What leading needs of one session: the log and the commands are read, lines are appended, records published, the lease
//! kept. Each is a worker of its own; what they tell goes to the event loop.

mod again;
mod alerts;
mod append;
mod care;
mod kept;
mod lease;
mod lines;
mod publish;
mod read;
pub(crate) mod shelf;
pub(crate) mod signs;
pub(crate) mod story;
pub(crate) mod views;

use std::sync::Arc;

use async_nats::jetstream::Context;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Sender, UnboundedSender};
use tokio::task::{AbortHandle, JoinSet};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::alert::AlertOrder;
use wagglebus_coordinator_core::effect::Reading;
use wagglebus_coordinator_core::lead::election::Errand;
use wagglebus_coordinator_core::lead::{News, Order};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_nats::connect::Session;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Stream;

use self::append::Append;
use self::read::Ear;
pub(crate) use self::signs::Signs;
use self::views::{Job, Views};
use crate::expiry;

/// The workers of one session. Dropped, they end.
pub(crate) struct Leading {
    js: Context,
    hive: Hive,
    out: Sender<Event>,
    appends: UnboundedSender<Append>,
    /// Receipts, messages, dead letters.
    letters: [UnboundedSender<Letter>; 3],
    errands: UnboundedSender<Errand>,
    views: UnboundedSender<(u64, Job)>,
    signs: Signs,
    /// Whose turn it is to read a snapshot for an answer.
    shelf_turn: Arc<Semaphore>,
    /// Who looks after the log, while we lead.
    care: Option<AbortHandle>,
    /// Who looks for mail that nobody reads, while we lead.
    expiry: Option<AbortHandle>,
    session: Session,
    bus: JetStream,
    log: AbortHandle,
    /// Which reading of the log this is.
    reading: u64,
    ears: Vec<AbortHandle>,
    alert_ears: Vec<AbortHandle>,
    work: JoinSet<()>,
}

impl Leading {
    /// Starts to read the log after `last`, and to do what is ordered. `instance` is what the lease says of us.
    pub(crate) fn start(
        session: &Session,
        bus: &JetStream,
        hive: &Hive,
        (instance, last, reading): (&str, u64, u64),
        (out, signs): (Sender<Event>, Signs),
    ) -> Self {
        // The machine orders one append and one errand at a time, and letters only for stored lines.
        let (appends, ordered) = mpsc::unbounded_channel();
        let (receipts, posted_receipts) = mpsc::unbounded_channel();
        let (messages, posted_messages) = mpsc::unbounded_channel();
        let (dead, posted_dead) = mpsc::unbounded_channel();
        let (errands, sent) = mpsc::unbounded_channel();
        let js = session.jetstream().clone();
        let mut work = JoinSet::new();
        let told = (out.clone(), signs.clone());
        work.spawn(append::work(bus.clone(), hive.clone(), ordered, told));
        let (views, jobs) = mpsc::unbounded_channel();
        let shown = Views::new(js.clone(), bus.clone(), hive.clone());
        work.spawn(views::work(shown, jobs, out.clone()));
        for posted in [posted_receipts, posted_messages, posted_dead] {
            work.spawn(publish::work(bus.clone(), hive.clone(), posted, out.clone()));
        }
        let lease = lease::Lease::new(bus.clone(), hive, instance);
        work.spawn(lease.work(sent, out.clone()));
        let log = work.spawn(read::log(
            js.clone(),
            hive.clone(),
            (reading, last),
            (out.clone(), signs.clone()),
        ));
        Self {
            js,
            hive: hive.clone(),
            out,
            appends,
            letters: [receipts, messages, dead],
            errands,
            views,
            signs,
            shelf_turn: Arc::new(Semaphore::new(1)),
            care: None,
            expiry: None,
            session: session.clone(),
            bus: bus.clone(),
            log,
            reading,
            ears: Vec::new(),
            alert_ears: Vec::new(),
            work,
        }
    }

    /// Does something about the lease, and tells what came of it.
    pub(crate) fn run(&self, errand: Errand) {
        // A worker that has ended tells it by the end of the session.
        self.errands.send(errand).ok();
    }

    /// Looks after the log while we lead.
    pub(crate) fn leads(&mut self, leads: bool) {
        if let Some(care) = self.care.take() {
            care.abort();
        }
        if let Some(expiry) = self.expiry.take() {
            expiry.abort();
        }
        self.signs.log_full(false);
        if leads {
            let (session, bus, hive) = (self.session.clone(), self.bus.clone(), self.hive.clone());
            self.expiry = Some(self.work.spawn(expiry::work(session, bus, hive)));
            let (js, hive, signs) = (self.js.clone(), self.hive.clone(), self.signs.clone());
            self.care = Some(self.work.spawn(care::work(js, hive, signs)));
        }
    }

    /// Carries out an order.
    pub(crate) fn carry_out(&mut self, order: Order) {
        match order {
            Order::Append { after, events } => {
                self.appends.send(Append { after, events }).ok();
            }
            Order::Publish(letter) => {
                let [receipts, messages, dead] = &self.letters;
                let way = match publish::stream(&letter) {
                    Stream::Receipts => receipts,
                    Stream::Dlq => dead,
                    Stream::Messages | Stream::Tasks | Stream::Events => messages,
                };
                way.send(letter).ok();
            }
            Order::ReadAgain(origin) => {
                let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
                self.work.spawn(again::read(js, hive, origin, out));
                // Those that have ended.
                while self.work.try_join_next().is_some() {}
            }
            Order::Listen {
                commands,
                messages,
                receipts,
            } => {
                self.stop_listening();
                let ears = [
                    (Ear::Commands, commands),
                    (Ear::Messages, messages),
                    (Ear::Receipts, receipts),
                ];
                for (ear, after) in ears {
                    let heard = self.listen(ear, after);
                    self.ears.push(heard);
                }
            }
            Order::Alerts(AlertOrder::Listen {
                dead_letters,
                reports,
            }) => {
                for ear in self.alert_ears.drain(..) {
                    ear.abort();
                }
                let heard = [
                    self.listen(Ear::DeadLetters, dead_letters),
                    self.listen(Ear::Reports, reports),
                ];
                self.alert_ears.extend(heard);
            }
            Order::Alerts(AlertOrder::LookAtUrgent(agent)) => {
                let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
                self.work.spawn(alerts::look(js, hive, agent, out));
                // Those that have ended.
                while self.work.try_join_next().is_some() {}
            }
            // The sinks outlive sessions: whoever owns them has taken it.
            Order::Alerts(AlertOrder::Deliver(_)) => {}
            Order::StopListening => {
                self.stop_listening();
                for ear in self.alert_ears.drain(..) {
                    ear.abort();
                }
            }
            Order::Reread => {
                self.log.abort();
                self.reading += 1;
                let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
                let told = (out, self.signs.clone());
                self.log = self.work.spawn(read::log(js, hive, (self.reading, 0), told));
            }
            Order::Survey => {
                self.views.send((self.reading, Job::Survey)).ok();
            }
            Order::Project(rows) => {
                self.views.send((self.reading, Job::Project(rows))).ok();
            }
            // Who waits for it has it by now.
            Order::Heard(_) => {}
            // It is counted before it comes here.
            Order::Moved(_) => {}
            // It is given up before it comes here, and runs out.
            Order::Resign => tracing::error!("the log does not take what we write: we lead no more"),
            Order::Warn(what) => tracing::warn!("{what}"),
        }
    }

    /// Reads something of the log for an answer about the past.
    pub(crate) fn read_past(&mut self, reading: Reading) {
        let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
        let (signs, turn) = (self.signs.clone(), self.shelf_turn.clone());
        self.work.spawn(async move {
            let read = match reading {
                Reading::Lines { number, seqs } => lines::read(js, hive, number, seqs).await,
                Reading::Kept { number, at } => {
                    // A snapshot may be long: one in memory at a time.
                    let _turn = turn.acquire_owned().await;
                    kept::read(js, hive, (number, at), &signs).await
                }
            };
            out.send(read).await.ok();
        });
        // Those that have ended.
        while self.work.try_join_next().is_some() {}
    }

    fn listen(&mut self, ear: Ear, after: u64) -> AbortHandle {
        let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
        self.work.spawn(read::listen(js, hive, (ear, after), out))
    }

    fn stop_listening(&mut self) {
        for ear in self.ears.drain(..) {
            ear.abort();
        }
    }
}

/// What a worker tells.
fn news(news: News) -> Event {
    Event::Lead(news)
}
