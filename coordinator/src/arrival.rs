//! What one session brings: all its subscriptions as one stream.

use async_nats::{Client, Message, SubscribeError};
use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wagglebus_coordinator_core::{Event, inbound};
use wagglebus_nats::connect::Session;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::subject::{ApiMethod, filter};

use crate::enrolments::{self, Change};
use crate::lead::{Leading, Signs};
use crate::mail::{self, Mail};
use crate::micro;
use crate::rooms::{self, Changes};

/// Enrolment changes that may wait to be read; then the watch waits.
const CHANGES_MAX: usize = 256;

/// Something that came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    Heartbeat(Message),
    Notice(Message),
    Request(Message),
    Discovery(Message),
    Enrolment(Change),
    Post(Message),
    Event(Event),
}

/// The subscriptions of one session. Dropped, they end.
pub(crate) struct Arrivals {
    merged: SelectAll<BoxStream<'static, Arrival>>,
    client: Client,
    rooms: Changes,
    mail: Mail,
    leading: Leading,
    _work: JoinSet<()>,
}

impl Arrivals {
    /// Subscribes to everything, and starts to follow the enrolments once the server knows the subscriptions, and the log
    /// from where it is known (`known`: which process we are, the last line that was read, and in which reading).
    ///
    /// # Errors
    /// When the session is over.
    pub(crate) async fn open(
        session: &Session,
        bus: &JetStream,
        hive: &Hive,
        known: (&str, u64, u64),
        signs: Signs,
    ) -> Result<Self, SubscribeError> {
        let client = session.client().clone();
        let mut merged = SelectAll::new();
        let heartbeats = client.subscribe(filter::heartbeats(hive)).await?;
        merged.push(heartbeats.map(Arrival::Heartbeat).boxed());
        let notices = client.subscribe(inbound::notice_filter(hive)).await?;
        merged.push(notices.map(Arrival::Notice).boxed());
        for method in ApiMethod::ALL {
            let subject = filter::api(hive, *method);
            let group = micro::QUEUE_GROUP.to_owned();
            let requests = client.queue_subscribe(subject, group).await?;
            merged.push(requests.map(Arrival::Request).boxed());
        }
        // One of several coordinators wakes the members.
        let group = micro::QUEUE_GROUP.to_owned();
        let posts = client.queue_subscribe(inbound::post_filter(hive), group).await?;
        merged.push(posts.map(Arrival::Post).boxed());
        for subject in micro::DISCOVERY {
            let discovery = client.subscribe(subject).await?;
            merged.push(discovery.map(Arrival::Discovery).boxed());
        }
        let mut work = JoinSet::new();
        let (out, changes) = mpsc::channel(CHANGES_MAX);
        let bucket = Bucket::Enrolments.name(hive);
        work.spawn(enrolments::follow(session.clone(), bucket, out));
        merged.push(received(changes).map(Arrival::Enrolment).boxed());
        let (rooms, asked) = Changes::channel();
        let (out, done) = mpsc::channel(CHANGES_MAX);
        work.spawn(rooms::work(session.clone(), hive.clone(), asked, out.clone()));
        let (mail, jobs) = Mail::channel(client.clone(), hive.clone(), out.clone());
        work.spawn(mail::work(session.clone(), bus.clone(), hive.clone(), jobs, out));
        let (out, told) = mpsc::channel(CHANGES_MAX);
        let leading = Leading::start(session, bus, hive, known, (out, signs));
        merged.push(received(told).map(Arrival::Event).boxed());
        merged.push(received(done).map(Arrival::Event).boxed());
        Ok(Self {
            merged,
            client,
            rooms,
            mail,
            leading,
            _work: work,
        })
    }

    /// Where changes of rooms are asked for.
    pub(crate) const fn rooms(&self) -> &Changes {
        &self.rooms
    }

    /// Where mail that does not move is dealt with.
    pub(crate) const fn mail(&mut self) -> &mut Mail {
        &mut self.mail
    }

    /// Where what leading asks for is done.
    pub(crate) const fn leading(&mut self) -> &mut Leading {
        &mut self.leading
    }

    /// The next arrival; `None` once the session is over. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.merged.next().await
    }

    /// Where answers are published.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }
}

fn received<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> BoxStream<'static, T> {
    stream::unfold(receiver, |mut receiver| async {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
    .boxed()
}
