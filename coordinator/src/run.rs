//! The only event loop: what comes in becomes events, what the machine answers is carried out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wagglebus_coordinator_core::alert::AlertOrder;
use wagglebus_coordinator_core::effect::Ignored;
use wagglebus_coordinator_core::lead::Order;
use wagglebus_coordinator_core::resolve::Myself;
use wagglebus_coordinator_core::{Effect, Event, Machine, Reply, inbound};
use wagglebus_nats::connect::{self, Connection};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::subject::Subject;

use crate::alert::{self, Sinks};
use crate::arrival::{Arrival, Arrivals};
use crate::clock::{self, Clock};
use crate::config::{Alerts, Config};
use crate::enrolments::Change;
use crate::failure::Failure;
use crate::feed::Hub;
use crate::gate::{Gate, GateEnd, Wish};
use crate::health::Health;
use crate::http::{self, Api, Auth, Listening, Past, Place};
use crate::ids::Uuids;
use crate::lead::Signs;
use crate::mail::Job;
use crate::metrics::Metrics;
use crate::micro::Service;
use crate::outbound;
use crate::ready::Ready;
use crate::shutdown::{Shutdown, Stop};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs until asked to stop.
pub(crate) async fn run(config: Config) -> Result<(), Failure> {
    let mut shutdown = Shutdown::new()?;
    let Listening {
        listener,
        address,
        leader_port,
    } = http::listen(config.listen).await?;
    let ready = Ready::new(config.ready_file, address)?;
    let (connection, mut events) = connect::connect(config.bus).await?;
    // Nothing is fetched here, so nothing comes late.
    let (bus, _) = JetStream::new(connection.clone());
    let (gate, end) = Gate::new();
    let mut coordinator = Coordinator::new(config.hive.clone(), bus.clone(), ready, end, config.alerts)?;
    let place = Place {
        address,
        leader_port,
        announce: config.bus_file.zip(
            config
                .tokens
                .as_ref()
                .map(|tokens| tokens.operator_file().to_owned()),
        ),
    };
    let feed = Hub::new(
        config.hive.clone(),
        connection.clone(),
        coordinator.metrics.clone(),
    );
    let router = http::router(Arc::new(Api {
        hive: config.hive,
        gate,
        bus,
        auth: Auth::new(config.tokens, config.rate),
        past: Past::default(),
        feed: feed.clone(),
        health: coordinator.health.subscribe(),
        metrics: coordinator.metrics.clone(),
    }));
    let mut serving = JoinSet::new();
    serving.spawn(feed.run());
    serving.spawn(http::serve(listener, router.clone()));
    let leading = tokio::spawn(http::follow(coordinator.leads.subscribe(), place, router));
    let stop = loop {
        tokio::select! {
            stop = shutdown.asked() => break stop,
            event = events.next() => match event {
                Some(event) => coordinator.bus(&connection, event).await,
                None => break Stop::Terminate,
            },
            arrival = next(&mut coordinator.arrivals) => coordinator.arrived(arrival).await?,
            wish = coordinator.gate.next() => coordinator.wished(wish).await,
            seq = coordinator.sinks.settled() => coordinator.step(alert::delivered(seq)).await,
            () = clock::reach(coordinator.machine.next_wake_ms()) => coordinator.step(Event::Wake).await,
        }
    };
    tracing::info!(?stop, "stopping");
    // Endpoints first, so that nobody asks somebody who leaves; answers are already queued.
    drop(coordinator);
    connection.close().await;
    // Nobody shall look for a leader that has ended.
    leading.await.ok();
    match stop {
        Stop::Terminate => Ok(()),
        Stop::Interrupt => Err(Failure::Interrupted),
    }
}

/// The next arrival, never when there is no session.
async fn next(arrivals: &mut Option<Arrivals>) -> Option<Arrival> {
    match arrivals {
        Some(arrivals) => arrivals.next().await,
        None => std::future::pending().await,
    }
}

struct Coordinator {
    hive: Hive,
    instance: String,
    clock: Clock,
    machine: Machine,
    service: Service,
    arrivals: Option<Arrivals>,
    bus: JetStream,
    metrics: Arc<Metrics>,
    sinks: Sinks,
    health: watch::Sender<Health>,
    leads: watch::Sender<bool>,
    gate: GateEnd,
    ready: Ready,
}

impl Coordinator {
    fn new(hive: Hive, bus: JetStream, ready: Ready, gate: GateEnd, alerts: Alerts) -> Result<Self, Failure> {
        let mut clock = Clock::new().map_err(Failure::Clock)?;
        let since = clock.now().wall;
        let instance = uuid::Uuid::new_v4().simple().to_string();
        let mut machine = Machine::new(Myself {
            version: VERSION.to_owned(),
            since,
            hive: hive.clone(),
            instance: instance.clone(),
        });
        machine.set_alerts(alerts.settings);
        let metrics = Arc::new(Metrics::new());
        Ok(Self {
            clock,
            machine,
            sinks: Sinks::start(hive.clone(), alerts.ways, &metrics),
            service: Service::new(hive.clone(), instance.clone(), VERSION, since),
            instance,
            arrivals: None,
            bus,
            metrics,
            health: watch::Sender::new(Health::starting()),
            leads: watch::Sender::new(false),
            gate,
            ready,
            hive,
        })
    }

    /// Something happened to the connection.
    async fn bus(&mut self, connection: &Connection, event: connect::Event) {
        match event {
            connect::Event::Connected { session, server } => {
                tracing::info!(session, address = server.address, "connected");
                if server.is_old() {
                    tracing::warn!(version = %server.version, "{}", connect::OLD_SERVER);
                }
                self.attach(connection).await;
            }
            connect::Event::Disconnected { session } => {
                tracing::warn!(session, "disconnected");
                self.detach().await;
            }
            connect::Event::Retrying { error } => tracing::debug!(%error, "not connected yet"),
            connect::Event::PermissionDenied { subject } => {
                tracing::error!(subject, "refused: use the coordinator's credentials");
            }
            connect::Event::SlowConsumer => tracing::warn!("messages were lost: too many at once"),
            connect::Event::LameDuck => tracing::info!("the server is about to stop"),
            connect::Event::Closed => tracing::debug!("closed"),
            connect::Event::Other(said) => tracing::warn!(said, "the server complains"),
        }
    }

    async fn attach(&mut self, connection: &Connection) {
        let Some(session) = connection.session() else {
            return; // It ended already; its end is told next.
        };
        let lead = self.machine.lead();
        let known = (self.instance.as_str(), lead.world().last(), lead.reading());
        let signs = Signs::new(&self.metrics, &self.health);
        match Arrivals::open(&session, &self.bus, &self.hive, known, signs).await {
            Ok(arrivals) => {
                self.arrivals = Some(arrivals);
                self.metrics.connected(true);
                self.health.send_modify(Health::connected);
                self.step(Event::BusUp).await;
            }
            Err(error) => tracing::warn!(%error, "this session ended while it began"),
        }
    }

    async fn detach(&mut self) {
        self.arrivals = None;
        self.metrics.connected(false);
        self.health.send_modify(Health::disconnected);
        self.step(Event::BusDown).await;
    }

    async fn arrived(&mut self, arrival: Option<Arrival>) -> Result<(), Failure> {
        let event = match arrival {
            Some(Arrival::Heartbeat(message)) => {
                self.metrics.heartbeat();
                inbound::heartbeat(&self.hive, &message.subject, &message.payload).map(Some)
            }
            Some(Arrival::Notice(message)) => inbound::notice(&self.hive, &message.subject, &message.payload),
            Some(Arrival::Request(message)) => {
                let reply = message.reply.as_deref();
                inbound::request(&self.hive, &message.subject, reply, &message.payload).map(Some)
            }
            Some(Arrival::Discovery(message)) => {
                self.discovered(&message.subject, message.reply.as_deref()).await;
                return Ok(());
            }
            Some(Arrival::Enrolment(Change::Event(event))) => {
                let listed = matches!(event, Event::Listed(_));
                self.step(event).await;
                if listed {
                    tracing::info!(agents = self.machine.roster().members().count(), "listed");
                    self.health.send_modify(Health::serving);
                    self.ready.say()?;
                }
                return Ok(());
            }
            Some(Arrival::Enrolment(Change::Ignored(ignored))) => Err(ignored),
            Some(Arrival::Enrolment(Change::Failed(reason))) => {
                tracing::warn!(reason, "the enrolments are not followed");
                self.health.send_modify(|health| health.unlisted(&reason));
                return Ok(());
            }
            Some(Arrival::Post(message)) => inbound::post(&self.hive, &message.subject).map(Some),
            Some(Arrival::Event(event)) => Ok(Some(event)),
            // The session is over; the connection tells it, too.
            None => {
                self.arrivals = None;
                return Ok(());
            }
        };
        match event {
            Ok(Some(event)) => self.step(event).await,
            Ok(None) => {}
            Err(ignored) => self.ignored(&ignored),
        }
        Ok(())
    }

    /// A request of the HTTP API needs us.
    async fn wished(&mut self, wish: Wish) {
        match wish {
            Wish::Ask(request) => self.step(Event::Request(request)).await,
            Wish::Look(look) => look(&self.machine),
        }
    }

    async fn discovered(&mut self, subject: &str, reply: Option<&str>) {
        // Standbys know the same agents, and each instance is to be found once.
        let leads = self.machine.lead().leads();
        let (Some(arrivals), Some(reply)) = (self.arrivals.as_ref().filter(|_| leads), reply) else {
            return;
        };
        for answer in self.service.discover(subject, self.machine.roster()) {
            if !outbound::record(arrivals.client(), reply.to_owned(), None, &answer).await {
                self.metrics.unsent();
            }
        }
    }

    async fn step(&mut self, event: Event) {
        let began = Instant::now();
        let mut effects: VecDeque<Effect> = self.machine.step(self.clock.now(), &mut Uuids, event).into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::ChangeRoom(change) => {
                    let refused = self
                        .arrivals
                        .as_ref()
                        .and_then(|arrivals| arrivals.rooms().ask(change));
                    effects.extend(self.again(refused));
                }
                Effect::LookAtHead(look) => effects.extend(self.about_mail(Job::Look(look))),
                Effect::TellHeld(mail) => {
                    let job = Job::Tell(mail, self.clock.now().wall);
                    effects.extend(self.about_mail(job));
                }
                Effect::Watch { agent } => {
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.mail().watch(agent).await;
                    }
                }
                Effect::Unwatch { agent } => {
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.mail().unwatch(&agent);
                    }
                }
                Effect::WakeLane { agent, priority } => {
                    let subject = Subject::WakeMessage { to: agent, priority };
                    if let Some(arrivals) = &self.arrivals
                        && !outbound::hint(arrivals.client(), subject.build(&self.hive)).await
                    {
                        self.metrics.unsent();
                    }
                }
                Effect::Reply(reply) => self.reply(reply, began).await,
                Effect::Presence { agent, from, to } => {
                    self.metrics.presence_changed(from, to);
                    let word = |presence: Option<Presence>| presence.map_or("not enrolled", Presence::as_str);
                    tracing::info!(%agent, from = word(from), to = word(to), "presence");
                }
                Effect::Read(reading) => {
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.leading().read_past(reading);
                    }
                }
                Effect::Tasks(Order::Alerts(AlertOrder::Deliver(told))) => self.sinks.tell(*told),
                Effect::Tasks(order) => {
                    if let Order::Publish(letter) | Order::Heard(letter) = &order {
                        self.gate.verdicts().heard(letter);
                    }
                    self.metrics.ordered(&order, self.machine.lead().behind());
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.leading().carry_out(order);
                    }
                }
                Effect::Lease(errand) => {
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.leading().run(errand);
                    }
                }
                Effect::Leads(leads) => {
                    tracing::info!(
                        leads,
                        tasks = self.machine.lead().world().tasks().count(),
                        "leading"
                    );
                    self.metrics.leads(leads);
                    self.leads.send_replace(leads);
                    if let Some(arrivals) = &mut self.arrivals {
                        arrivals.leading().leads(leads);
                    }
                }
                Effect::Ignored(ignored) => self.ignored(&ignored),
            }
        }
    }

    fn about_mail(&mut self, job: Job) -> Vec<Effect> {
        let refused = self
            .arrivals
            .as_mut()
            .and_then(|arrivals| arrivals.mail().ask(job));
        self.again(refused)
    }

    /// What follows from something that could not even be begun.
    fn again(&mut self, event: Option<Event>) -> Vec<Effect> {
        event.map_or_else(Vec::new, |event| {
            self.machine.step(self.clock.now(), &mut Uuids, event)
        })
    }

    async fn reply(&mut self, reply: Reply, began: Instant) {
        let error = reply.outcome.as_ref().err();
        self.metrics
            .answered(reply.method, error.map_or("ok", |error| error.code.as_str()));
        let Some(Reply { to, method, outcome }) = self.gate.answer(reply) else {
            return;
        };
        let error = outcome.as_ref().err();
        self.service.answered(method, error, began.elapsed());
        let sent = match &self.arrivals {
            Some(arrivals) => outbound::answer(arrivals.client(), to.0, outcome).await,
            None => false,
        };
        if !sent {
            self.metrics.unsent();
        }
    }

    /// Logs the first, the second, the fourth, the eighth … of a kind: whoever floods us does not flood the log.
    fn ignored(&self, ignored: &Ignored) {
        let count = self.metrics.ignored(ignored);
        if count.is_power_of_two() {
            tracing::warn!(count, kind = ignored.kind(), %ignored, "ignored");
        }
    }
}
