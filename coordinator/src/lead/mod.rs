//! What leading needs of one session: the log and the commands are read, lines are appended, records published, the lease
//! kept. Each is a worker of its own; what they tell goes to the event loop.

mod append;
mod lease;
mod publish;
mod read;

use async_nats::jetstream::Context;
use tokio::sync::mpsc::{self, Sender, UnboundedSender};
use tokio::task::{AbortHandle, JoinSet};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::election::Errand;
use wagglebus_coordinator_core::lead::{News, Order};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_nats::connect::Session;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;
use wagglebus_schemas::subject::Subject;

use self::append::Append;
use self::read::Ear;

/// The workers of one session. Dropped, they end.
pub(crate) struct Leading {
    js: Context,
    hive: Hive,
    out: Sender<Event>,
    appends: UnboundedSender<Append>,
    /// Receipts, and messages.
    letters: [UnboundedSender<Letter>; 2],
    errands: UnboundedSender<Errand>,
    log: AbortHandle,
    /// Which reading of the log this is.
    reading: u64,
    ears: Vec<AbortHandle>,
    work: JoinSet<()>,
}

impl Leading {
    /// Starts to read the log after `last`, and to do what is ordered. `instance` is what the lease says of us.
    pub(crate) fn start(
        session: &Session,
        bus: &JetStream,
        hive: &Hive,
        (instance, last, reading): (&str, u64, u64),
        out: Sender<Event>,
    ) -> Self {
        // The machine orders one append and one errand at a time, and letters only for stored lines.
        let (appends, ordered) = mpsc::unbounded_channel();
        let (receipts, posted_receipts) = mpsc::unbounded_channel();
        let (messages, posted_messages) = mpsc::unbounded_channel();
        let (errands, sent) = mpsc::unbounded_channel();
        let js = session.jetstream().clone();
        let mut work = JoinSet::new();
        work.spawn(append::work(bus.clone(), hive.clone(), ordered, out.clone()));
        for posted in [posted_receipts, posted_messages] {
            work.spawn(publish::work(bus.clone(), hive.clone(), posted));
        }
        let lease = lease::Lease::new(bus.clone(), hive, instance);
        work.spawn(lease.work(sent, out.clone()));
        let log = work.spawn(read::log(js.clone(), hive.clone(), (reading, last), out.clone()));
        Self {
            js,
            hive: hive.clone(),
            out,
            appends,
            letters: [receipts, messages],
            errands,
            log,
            reading,
            ears: Vec::new(),
            work,
        }
    }

    /// Does something about the lease, and tells what came of it.
    pub(crate) fn run(&self, errand: Errand) {
        // A worker that has ended tells it by the end of the session.
        self.errands.send(errand).ok();
    }

    /// Carries out an order.
    pub(crate) fn carry_out(&mut self, order: Order) {
        match order {
            Order::Append { after, events } => {
                self.appends.send(Append { after, events }).ok();
            }
            Order::Publish(letter) => {
                let [receipts, messages] = &self.letters;
                let is_receipt = matches!(letter.subject, Subject::Receipt { .. } | Subject::Control { .. });
                let way = if is_receipt { receipts } else { messages };
                way.send(letter).ok();
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
                    let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
                    self.ears
                        .push(self.work.spawn(read::listen(js, hive, (ear, after), out)));
                }
            }
            Order::StopListening => self.stop_listening(),
            Order::Reread => {
                self.log.abort();
                self.reading += 1;
                let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
                self.log = self.work.spawn(read::log(js, hive, (self.reading, 0), out));
            }
            // Who waits for it has it by now.
            Order::Heard(_) => {}
            // It is counted before it comes here.
            Order::Moved(_) => {}
            Order::Warn(what) => tracing::warn!("{what}"),
        }
    }

    /// Reads lines of the log, and tells them as the answer to question `number`.
    pub(crate) fn read_lines(&mut self, number: u64, seqs: Vec<u64>) {
        let (js, hive, out) = (self.js.clone(), self.hive.clone(), self.out.clone());
        self.work.spawn(async move {
            out.send(crate::lines::read(js, hive, number, seqs).await)
                .await
                .ok();
        });
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
