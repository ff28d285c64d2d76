//! The worlds again, for who writes the log: agents may not, so it is the coordinator who connects.

use wagglebus_harness::bus::TestBus;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::connect::{Credentials, Settings};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::jetstream::append::{AppendError, Line, append};
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::memory::{self, Memory};
use wagglebus_schemas::headers::MSG_ID;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::{AgentId, Id};

use super::world::{Real, Setup, build, topology};

const STREAM: &str = "WB_EVENTS";

/// A log that can be appended to.
pub(super) trait Log {
    async fn append(&self, after: u64, lines: &[Line]) -> Result<u64, AppendError>;
    /// Place and id of each line.
    async fn lines(&self) -> Vec<(u64, Option<Id>)>;
}

/// A world with a log.
pub(super) trait Keeper: Sized {
    type Log: Log;
    async fn open(setup: Setup) -> Self;
    fn log(&self) -> &Self::Log;
}

impl Log for Memory {
    async fn append(&self, after: u64, lines: &[Line]) -> Result<u64, AppendError> {
        Self::append(self, STREAM, after, lines)
    }

    async fn lines(&self) -> Vec<(u64, Option<Id>)> {
        Self::lines(self, STREAM).unwrap()
    }
}

impl Log for JetStream {
    async fn append(&self, after: u64, lines: &[Line]) -> Result<u64, AppendError> {
        append(self, STREAM, after, lines).await
    }

    async fn lines(&self) -> Vec<(u64, Option<Id>)> {
        let session = self.connection().session().unwrap();
        let stream = session.jetstream().get_stream(STREAM).await.unwrap();
        let mut found = Vec::new();
        for seq in 1..=stream.cached_info().state.last_sequence {
            let line = stream.get_raw_message(seq).await.unwrap();
            let id = line.headers.get(MSG_ID).and_then(|id| id.as_str().parse().ok());
            found.push((seq, id));
        }
        found
    }
}

pub(super) struct InMemory(Memory);

impl Keeper for InMemory {
    type Log = Memory;

    async fn open(setup: Setup) -> Self {
        let (streams, consumers) = topology(setup, 512 << 20);
        Self(Memory::new(memory::Model::new(streams, consumers)).0)
    }

    fn log(&self) -> &Memory {
        &self.0
    }
}

/// A server without accounts.
pub(super) struct Unguarded {
    real: Real,
    _server: TestServer,
}

impl Keeper for Unguarded {
    type Log = JetStream;

    async fn open(setup: Setup) -> Self {
        let server = TestServer::open().await.unwrap();
        let real = Real::connect(Settings::new(server.url(), "conformance")).await;
        let session = real.bus.connection().session().unwrap();
        build(session.jetstream(), setup, 512 << 20).await;
        Self {
            real,
            _server: server,
        }
    }

    fn log(&self) -> &JetStream {
        &self.real.bus
    }
}

/// A server on which the coordinator has its own user in the bus's account.
pub(super) struct Accounts {
    real: Real,
    _hive: TestBus,
}

impl Keeper for Accounts {
    type Log = JetStream;

    async fn open(setup: Setup) -> Self {
        let hive = TestBus::open().await.unwrap();
        build(hive.admin(), setup, 1 << 30).await;
        let settings = Settings {
            credentials: Credentials::NkeyFile(BusUser::Coordinator.seed_file(hive.places())),
            inbox_prefix: inbox_prefix(&AgentId::coordinator()),
            ..Settings::new(hive.url(), "coordinator")
        };
        let real = Real::connect(settings).await;
        Self { real, _hive: hive }
    }

    fn log(&self) -> &JetStream {
        &self.real.bus
    }
}
