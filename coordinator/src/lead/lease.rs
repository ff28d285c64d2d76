//! Keeps the leader's lease, as the election says.

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::News;
use wagglebus_coordinator_core::lead::election::{Errand, Written};
use wagglebus_nats::bus::Bus;
use wagglebus_nats::error::LeaseError;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::lease::LeaseRef;
use wagglebus_schemas::Hive;

use super::news;

/// The key, and what we write there.
pub(super) struct Lease {
    bus: JetStream,
    key: LeaseRef,
    value: Bytes,
    instance: String,
}

/// What stands there, as far as it matters.
#[derive(serde::Deserialize)]
struct Holder {
    instance: String,
}

impl Lease {
    pub(super) fn new(bus: JetStream, hive: &Hive, instance: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let value = serde_json::json!({ "instance": instance, "host": host, "pid": std::process::id() });
        Self {
            bus,
            key: LeaseRef::leader(hive),
            value: Bytes::from(value.to_string()),
            instance: instance.to_owned(),
        }
    }

    /// Works until nobody sends or listens.
    pub(super) async fn work(self, mut errands: UnboundedReceiver<Errand>, out: Sender<Event>) {
        while let Some(errand) = errands.recv().await {
            let told = match errand {
                Errand::Look => {
                    let read = self.bus.lease_read(&self.key).await;
                    let read = read.inspect_err(|error| tracing::debug!(%error, "the lease was not read"));
                    News::LeaseSeen(read.ok().map(|record| record.map(|record| record.seq)))
                }
                Errand::Write(revision) => News::LeaseWrote(self.write(revision.unwrap_or(0)).await),
            };
            if out.send(news(told)).await.is_err() {
                return;
            }
        }
    }

    async fn write(&self, expected: u64) -> Written {
        match self.try_to_write(expected).await {
            // The answer to our last renewal may have been lost: nobody else wrote then.
            Err(LeaseError::Conflict { .. }) => match self.own_revision().await {
                Some(revision) => written(self.try_to_write(revision).await),
                None => Written::Conflict,
            },
            other => written(other),
        }
    }

    async fn try_to_write(&self, expected: u64) -> Result<u64, LeaseError> {
        self.bus
            .lease_write(&self.key, self.value.clone(), expected)
            .await
    }

    /// The revision of the key, if its last write was ours.
    async fn own_revision(&self) -> Option<u64> {
        let record = self.bus.lease_read(&self.key).await.ok()??;
        let holder: Holder = serde_json::from_slice(&record.value).ok()?;
        (holder.instance == self.instance).then_some(record.seq)
    }
}

fn written(outcome: Result<u64, LeaseError>) -> Written {
    match outcome {
        Ok(revision) => Written::Stored(revision),
        Err(LeaseError::Conflict { .. }) => Written::Conflict,
        Err(error) => {
            tracing::debug!(%error, "the lease was not written");
            Written::Unanswered
        }
    }
}
