//! The worlds in which the suite runs.

use std::time::Duration;

use async_nats::jetstream::Context;
use wagglebus_harness::bus::TestBus;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::bus::{Bus, LateAnswers};
use wagglebus_nats::connect::{Credentials, Event, Events, Settings, connect};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::memory::{self, Fault, Memory};
use wagglebus_nats::plan::Wanted;
use wagglebus_nats::provision::provision;
use wagglebus_nats::topology::{ConsumerSpec, Nanos, Sizing, StreamSpec, agent_consumers, streams};
use wagglebus_schemas::enrolment::RoomMembership;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::subject::agent_api_prefix;
use wagglebus_schemas::{AgentId, Hive, RoomName};

/// Longest wait for something that must happen.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// How a world differs from the shipped topology.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) ack_wait_ms: u64,
    /// Most messages in the messages' stream; -1 for any number.
    pub(super) messages_max: i64,
    /// Most lines in the log; -1 for any number.
    pub(super) events_max: i64,
    pub(super) lease_ms: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            ack_wait_ms: 30_000,
            messages_max: -1,
            events_max: -1,
            lease_ms: 15_000,
        }
    }
}

/// A bus with alice on it, and what can happen to it.
pub(super) trait World: Sized {
    type Bus: Bus;
    async fn open(setup: Setup) -> Self;
    fn bus(&self) -> &Self::Bus;
    fn late(&mut self) -> &mut LateAnswers;
    /// From now on the server executes, but answers too late.
    fn stall(&mut self);
    fn go_on(&mut self);
    /// Ends the session.
    async fn cut(&mut self);
    /// Begins another one.
    async fn mend(&mut self);
}

pub(super) fn alice() -> AgentId {
    "alice".parse().unwrap()
}

/// Everything that alice needs, as data.
pub(super) fn topology(setup: Setup, storage_bytes: u64) -> (Vec<StreamSpec>, Vec<ConsumerSpec>) {
    let hive = Hive::default();
    let mut streams = streams(&hive, Sizing::new(storage_bytes, 1).unwrap());
    for stream in &mut streams {
        match stream.name.as_str() {
            "WB_MESSAGES" => stream.max_msgs = setup.messages_max,
            "WB_EVENTS" => stream.max_msgs = setup.events_max,
            "KV_WB_leases" => {
                stream.max_age = Nanos(Duration::from_millis(setup.lease_ms));
                stream.duplicate_window = stream.max_age;
            }
            _ => {}
        }
    }
    let all = RoomMembership {
        name: RoomName::all(),
        joined_seq: 0,
    };
    let mut consumers = agent_consumers(&hive, &alice(), &[all]);
    for consumer in &mut consumers {
        consumer.ack_wait = Nanos(Duration::from_millis(setup.ack_wait_ms));
    }
    (streams, consumers)
}

pub(super) async fn build(js: &Context, setup: Setup, storage_bytes: u64) {
    let (streams, consumers) = topology(setup, storage_bytes);
    let streams: Vec<_> = streams.iter().map(Wanted::from).collect();
    let consumers: Vec<_> = consumers.iter().map(Wanted::from).collect();
    for wanted in [streams, consumers] {
        provision(js, &wanted).await.unwrap();
    }
    // Provisioning never lowers a limit of a stream that exists.
    for (name, max) in [
        ("WB_MESSAGES", setup.messages_max),
        ("WB_EVENTS", setup.events_max),
    ] {
        let mut stream = js.get_stream(name).await.unwrap();
        let mut config = stream.info().await.unwrap().config.clone();
        config.max_messages = max;
        js.update_stream(config).await.unwrap();
    }
}

pub(super) struct Model {
    bus: Memory,
    late: LateAnswers,
}

impl World for Model {
    type Bus = Memory;

    async fn open(setup: Setup) -> Self {
        let (streams, consumers) = topology(setup, 512 << 20);
        let (bus, late) = Memory::new(memory::Model::new(streams, consumers));
        Self { bus, late }
    }

    fn bus(&self) -> &Memory {
        &self.bus
    }

    fn late(&mut self) -> &mut LateAnswers {
        &mut self.late
    }

    fn stall(&mut self) {
        self.bus.inject(Fault::LateHandOver);
    }

    fn go_on(&mut self) {}

    async fn cut(&mut self) {
        self.bus.set_connected(false);
    }

    async fn mend(&mut self) {
        self.bus.set_connected(true);
    }
}

/// A connection to a real server, and its server.
pub(super) struct Real {
    pub(super) bus: JetStream,
    pub(super) late: LateAnswers,
    pub(super) events: Events,
}

impl Real {
    pub(super) async fn connect(settings: Settings) -> Self {
        let (connection, mut events) = connect(settings).await.unwrap();
        connected(&mut events).await;
        let (bus, late) = JetStream::new(connection);
        Self { bus, late, events }
    }
}

/// Waits for the beginning of a session.
pub(super) async fn connected(events: &mut Events) -> u64 {
    wait_for(events, |event| {
        let Event::Connected { session, .. } = event else {
            return None;
        };
        Some(*session)
    })
    .await
}

pub(super) async fn disconnected(events: &mut Events) {
    wait_for(events, |event| {
        matches!(event, Event::Disconnected { .. }).then_some(())
    })
    .await;
}

pub(super) async fn wait_for<T>(events: &mut Events, pick: impl Fn(&Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = events.next().await.expect("the connection is open");
            if let Some(found) = pick(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the event in time")
}

/// A server without accounts.
pub(super) struct Open {
    pub(super) server: TestServer,
    pub(super) real: Real,
}

impl World for Open {
    type Bus = JetStream;

    async fn open(setup: Setup) -> Self {
        let server = TestServer::open().await.unwrap();
        let real = Real::connect(Settings::new(server.url(), "conformance")).await;
        let session = real.bus.connection().session().unwrap();
        build(session.jetstream(), setup, 512 << 20).await;
        Self { server, real }
    }

    fn bus(&self) -> &JetStream {
        &self.real.bus
    }

    fn late(&mut self) -> &mut LateAnswers {
        &mut self.real.late
    }

    fn stall(&mut self) {
        self.server.pause().unwrap();
    }

    fn go_on(&mut self) {
        self.server.resume().unwrap();
    }

    async fn cut(&mut self) {
        // In good order: a killed server may have forgotten the last hand-overs.
        self.server.stop().await.unwrap();
        disconnected(&mut self.real.events).await;
    }

    async fn mend(&mut self) {
        self.server.start().await.unwrap();
        connected(&mut self.real.events).await;
    }
}

/// A server on which alice has an account of her own.
pub(super) struct Isolated {
    pub(super) hive: TestBus,
    /// How alice connects.
    pub(super) settings: Settings,
    real: Real,
}

impl World for Isolated {
    type Bus = JetStream;

    async fn open(setup: Setup) -> Self {
        let hive = TestBus::open().await.unwrap();
        let enrolled = hive.enrol("alice").await.unwrap();
        build(hive.admin(), setup, 1 << 30).await;
        let settings = Settings {
            credentials: Credentials::NkeyFile(enrolled.seed_file),
            api_prefix: agent_api_prefix(&Hive::default()),
            inbox_prefix: inbox_prefix(&alice()),
            ..Settings::new(hive.url(), "alice")
        };
        let real = Real::connect(settings.clone()).await;
        Self { hive, settings, real }
    }

    fn bus(&self) -> &JetStream {
        &self.real.bus
    }

    fn late(&mut self) -> &mut LateAnswers {
        &mut self.real.late
    }

    fn stall(&mut self) {
        self.hive.server().pause().unwrap();
    }

    fn go_on(&mut self) {
        self.hive.server().resume().unwrap();
    }

    async fn cut(&mut self) {
        self.hive.server_mut().stop().await.unwrap();
        disconnected(&mut self.real.events).await;
    }

    async fn mend(&mut self) {
        self.hive.server_mut().start().await.unwrap();
        connected(&mut self.real.events).await;
    }
}
