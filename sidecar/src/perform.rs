//! Carries effects out on the bus, and brings their results back as events.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use wagglebus_nats::bus::{Bus, FetchShape, LaneRef, Outgoing};
use wagglebus_nats::delivery::{Delivery, Settle};
use wagglebus_nats::error::{InfoError, LeaseError, PublishError, Retry};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::lease::LeaseRef;
use wagglebus_nats::lost::{Known, lost_hand_overs};
use wagglebus_schemas::control::AgentControl;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::limits::LINE_BYTES_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{ApiMethod, Subject};
use wagglebus_schemas::{AgentId, Hive, Id, Priority, RoomName, decode, headers};
use wagglebus_sidecar_core::effect::{Settlement, Shape};
use wagglebus_sidecar_core::event::{
    ControlAnswer, Event, FetchOutcome, Fetched, LaneState, LeaseOutcome, PublishOutcome,
};
use wagglebus_sidecar_core::record::{Out, OutKind};

/// Beginning of the consumer metadata that says since when a room counts.
const JOINED: &str = "wagglebus.joined.";
/// How long the coordinator may take to say how this agent stands.
const CONTROL_WITHIN: Duration = Duration::from_secs(2);

type Pending = Pin<Box<dyn Future<Output = Event> + Send>>;

/// What is under way on the bus.
pub(crate) struct Performer {
    bus: JetStream,
    hive: Hive,
    me: AgentId,
    /// Publishes, whose answers are void once the connection is gone.
    publishes: FuturesUnordered<Pending>,
    others: FuturesUnordered<Pending>,
}

impl Performer {
    pub(crate) fn new(bus: JetStream, hive: Hive, me: AgentId) -> Self {
        Self {
            bus,
            hive,
            me,
            publishes: FuturesUnordered::new(),
            others: FuturesUnordered::new(),
        }
    }

    /// The next result. Pends for ever while nothing is under way. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        tokio::select! {
            Some(event) = self.publishes.next() => event,
            Some(event) = self.others.next() => event,
            else => std::future::pending().await,
        }
    }

    /// Forgets the publishes of a connection that is gone: the machine has put them back already.
    pub(crate) fn disconnected(&mut self) {
        self.publishes.clear();
    }

    /// Publishes a record. Waits only for room in the connection's queue.
    pub(crate) async fn publish(&mut self, out: &Out, body: Bytes) {
        let id = out.id;
        match self.bus.send(self.outgoing(out, body)).await {
            Ok(ack) => self.publishes.push(Box::pin(async move {
                let outcome = match ack.await {
                    Ok(stored) => PublishOutcome::Stored {
                        seq: stored.seq,
                        duplicate: stored.duplicate,
                    },
                    Err(error) => failed_publish(&error),
                };
                Event::Published { id, outcome }
            })),
            Err(error) => self.give_up(id, failed_publish(&error)),
        }
    }

    /// A publish that ended before it began.
    pub(crate) fn give_up(&mut self, id: Id, outcome: PublishOutcome) {
        self.publishes
            .push(Box::pin(std::future::ready(Event::Published { id, outcome })));
    }

    fn outgoing(&self, out: &Out, payload: Bytes) -> Outgoing {
        let (stream, to) = match out.kind {
            OutKind::Message | OutKind::Room => (Stream::Messages, self.addressee(out)),
            OutKind::Receipt => (Stream::Receipts, None),
            OutKind::DeadLetter => (Stream::Dlq, None),
            OutKind::Report | OutKind::Command => (Stream::Tasks, None),
        };
        let mut fields = vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, out.id.to_string()),
            (headers::CE_TYPE, out.event_type.clone()),
            (headers::CE_SOURCE, format!("/{}/{}", self.hive, self.me)),
            (headers::CE_TIME, out.at.to_string()),
        ];
        fields.extend(to.map(|to| (headers::CE_SUBJECT, to)));
        Outgoing {
            subject: out.subject.clone(),
            id: out.id,
            expected_stream: Some(stream.name(&self.hive)),
            headers: fields,
            payload,
            expected_last_subject_seq: None,
        }
    }

    fn addressee(&self, out: &Out) -> Option<String> {
        let subject = Subject::parse(&self.hive, &out.subject).ok()?;
        if let Subject::Room { room, .. } = &subject {
            return Some(format!("room:{room}"));
        }
        if let Subject::Message { to, .. } = &subject {
            Some(to.to_string())
        } else {
            None
        }
    }

    /// Fetches one message of a lane, or one receipt.
    pub(crate) fn fetch(&self, lane: Option<Priority>, shape: Shape) {
        let (bus, from) = (self.bus.clone(), self.lane_ref(lane));
        let shape = match shape {
            Shape::OneShot => FetchShape::AFTER_WAKE,
            Shape::NoWait => FetchShape::NoWait,
        };
        self.others.push(Box::pin(async move {
            let outcome = match bus.fetch(&from, shape).await {
                Ok(Some(delivery)) => FetchOutcome::Got(Box::new(fetched(delivery))),
                Ok(None) => FetchOutcome::Empty,
                Err(error) => {
                    tracing::debug!(%error, "fetch failed");
                    FetchOutcome::Failed
                }
            };
            match lane {
                Some(lane) => Event::LaneFetched { lane, outcome },
                None => Event::ReceiptFetched { outcome },
            }
        }));
    }

    /// Asks a lane's consumer, or that of the receipts, for its state and for lost hand-overs.
    pub(crate) fn check(&self, lane: Option<Priority>, held: Vec<u64>) {
        let (bus, from) = (self.bus.clone(), self.lane_ref(lane));
        self.others.push(Box::pin(async move {
            let state = match bus.consumer_info(&from).await {
                Ok(info) => {
                    let known = Known {
                        kept: BTreeSet::from_iter(held),
                        fetch_open: false,
                    };
                    let lost = lost_hand_overs(&from, &info, &known);
                    Some(LaneState {
                        pending: info.num_pending,
                        lost,
                        joined: joined(&info.metadata),
                        server_time: info.server_time,
                    })
                }
                Err(error @ InfoError::Refused { .. }) => {
                    let why = error.to_string();
                    return Event::ConsumerRefused { lane, why };
                }
                Err(error @ (InfoError::NoAnswer { .. } | InfoError::Malformed { .. })) => {
                    tracing::debug!(%error, "asking a consumer failed");
                    None
                }
            };
            match lane {
                Some(lane) => Event::LaneChecked { lane, state },
                None => Event::ReceiptsChecked { state },
            }
        }));
    }

    /// Asks the coordinator how this agent stands.
    pub(crate) fn ask_control(&self) {
        let (bus, from) = (self.bus.clone(), self.me.clone());
        let method = ApiMethod::Agent;
        let subject = Subject::Api { method, from }.build(&self.hive);
        self.others.push(Box::pin(async move {
            // Without a name it is about who asks.
            let body = Bytes::from_static(b"{}");
            let answer = match bus.request(&subject, body, CONTROL_WITHIN).await {
                Ok(reply) => stands(&reply),
                Err(error) => {
                    tracing::debug!(%error, "nobody says how this agent stands");
                    ControlAnswer::Silent
                }
            };
            Event::ControlAsked { answer }
        }));
    }

    fn lane_ref(&self, lane: Option<Priority>) -> LaneRef {
        match lane {
            Some(lane) => LaneRef::inbox(&self.hive, &self.me, lane),
            None => LaneRef::receipts(&self.hive, &self.me),
        }
    }

    /// Settles a delivery, confirmed by the server.
    pub(crate) fn settle(&self, ack: String, settlement: Settlement) {
        let bus = self.bus.clone();
        let settle = match settlement {
            Settlement::Ack => Settle::Ack,
            Settlement::Nak { delay_ms: 0 } => Settle::Nak { delay: None },
            Settlement::Nak { delay_ms } => Settle::Nak {
                delay: Some(Duration::from_millis(delay_ms)),
            },
            Settlement::Progress => Settle::Progress,
        };
        self.others.push(Box::pin(async move {
            let confirmed = bus
                .settle(&ack, settle)
                .await
                .inspect_err(|error| tracing::debug!(%error, "not settled"));
            Event::Settled {
                ack,
                settlement,
                confirmed: confirmed.is_ok(),
            }
        }));
    }

    /// Reads the agent's lease.
    pub(crate) fn read_lease(&self) {
        let (bus, key) = (self.bus.clone(), LeaseRef::new(&self.hive, &self.me));
        self.others.push(Box::pin(async move {
            let outcome = match bus.lease_read(&key).await {
                Ok(None) => LeaseOutcome::Read(None),
                Ok(Some(record)) => match decode::record::<Lease>("lease", &record.value, LINE_BYTES_MAX) {
                    Ok(lease) => LeaseOutcome::Read(Some((lease, record.seq))),
                    Err(error) => {
                        tracing::warn!(%error, "the lease cannot be read");
                        LeaseOutcome::Failed
                    }
                },
                Err(error) => lease_failed(&error),
            };
            Event::Lease(outcome)
        }));
    }

    /// Writes the agent's lease.
    pub(crate) fn write_lease(&self, lease: &Lease, expected: u64) {
        let (bus, key) = (self.bus.clone(), LeaseRef::new(&self.hive, &self.me));
        let value = Bytes::from(serde_json::to_vec(lease).unwrap_or_default());
        self.others.push(Box::pin(async move {
            Event::Lease(match bus.lease_write(&key, value, expected).await {
                Ok(seq) => LeaseOutcome::Written(seq),
                Err(error) => lease_failed(&error),
            })
        }));
    }

    /// Publishes without an answer. What cannot be sent now is not sent.
    pub(crate) async fn publish_core(&mut self, subject: &Subject, payload: Bytes) {
        if let Err(error) = self.bus.publish_core(&subject.build(&self.hive), payload).await {
            tracing::debug!(%error, "not published");
        }
    }
}

/// How the agent stands, as its record says. What cannot be read is no answer.
fn stands(reply: &[u8]) -> ControlAnswer {
    #[derive(serde::Deserialize)]
    struct Shown {
        #[serde(default)]
        control: Option<AgentControl>,
    }
    match decode::record::<Shown>("agent", reply, LINE_BYTES_MAX) {
        Ok(shown) => shown.control.map_or(ControlAnswer::Unsaid, ControlAnswer::Stands),
        Err(_) => ControlAnswer::Silent,
    }
}

fn failed_publish(error: &PublishError) -> PublishOutcome {
    match error.retry() {
        Retry::SameId => {
            tracing::debug!(%error, "publish failed; it is tried again under the same id");
            PublishOutcome::Retry
        }
        Retry::Never => PublishOutcome::Refused {
            why: error.to_string(),
        },
    }
}

fn lease_failed(error: &LeaseError) -> LeaseOutcome {
    match error {
        LeaseError::Conflict { .. } => LeaseOutcome::Conflict,
        LeaseError::Write(_) | LeaseError::Read { .. } | LeaseError::Malformed { .. } => {
            tracing::debug!(%error, "lease");
            LeaseOutcome::Failed
        }
    }
}

/// A delivery as the machine knows it.
pub(crate) fn fetched(delivery: Delivery) -> Fetched {
    let meta = delivery.ack.meta();
    Fetched {
        msg_id: delivery.msg_id().map(str::to_owned),
        num_delivered: meta.num_delivered,
        stream_seq: meta.stream_seq,
        pending: meta.num_pending,
        ack: delivery.ack.subject().to_owned(),
        subject: delivery.subject,
        payload: delivery.payload,
    }
}

fn joined(metadata: &BTreeMap<String, String>) -> BTreeMap<RoomName, u64> {
    let rooms = metadata.iter().filter_map(|(key, value)| {
        let room = key.strip_prefix(JOINED)?.parse().ok()?;
        Some((room, value.parse().ok()?))
    });
    rooms.collect()
}
