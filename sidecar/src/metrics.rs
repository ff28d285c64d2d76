//! What `/metrics` tells, as OpenMetrics.
//!
//! Every name begins with `wagglebus_sidecar_` and carries the label `agent`.
//!
//! | name | type | labels | meaning |
//! |---|---|---|---|
//! | `bus_connected` | gauge | | 1 while connected to NATS |
//! | `lease_held` | gauge | | 1 while the agent's lease is held: without it nothing is handed over |
//! | `lease_epoch` | gauge | | epoch of the lease, 0 without one |
//! | `inbox_pending_messages` | gauge | `priority` | messages in the stream that wait for the agent |
//! | `inbox_oldest_seconds` | gauge | `priority` | age of the oldest message in the agent's hands |
//! | `inbox_in_hand_messages` | gauge | | messages in the agent's hands |
//! | `outbox_unstored_records` | gauge | | records that no stream has acknowledged |
//! | `outbox_unstored_bytes` | gauge | | their bytes; at 256 MiB or 100,000 records sends get 507 |
//! | `outbox_under_way_publishes` | gauge | | publishes without an answer |
//! | `inbox_under_way_settlements` | gauge | | acks and naks without a confirmation |
//! | `messages_accepted_total` | counter | | messages accepted to be sent, the sidecar's own notices included |
//! | `messages_handed_over_total` | counter | | messages that were handed to the agent, each time |
//! | `messages_returned_total` | counter | | messages that came back from the agent unfinished |
//! | `messages_finished_total` | counter | | messages that the agent finished, or got through a bridge that proves no more |
//! | `messages_dead_total` | counter | | messages that were filed as dead letters |
//! | `receipts_read_total` | counter | | receipts about the agent's own messages |
//! | `breaker_open` | gauge | `bridge` | 1 while a bridge leaves alone what keeps failing: tmux, or the agent's program |
//! | `spool_failed` | gauge | | 1 when the disk refused: nothing more is accepted |
//! | `http_connections` | gauge | | open connections of the local API |
//! | `http_requests_total` | counter | `route`, `status` | answered requests |
//! | `http_request_duration_seconds` | histogram | `route` | from the head of a request to that of its answer |

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use wagglebus_schemas::{AgentId, Priority};
use wagglebus_sidecar_core::machine::{Counts, View};

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    priority: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BridgeLabel {
    bridge: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

/// What the machine counts: name, help, and where it stands.
type CounterOf = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [CounterOf; 6] = [
    ("messages_accepted", "Messages accepted to be sent", |counts| {
        counts.accepted
    }),
    ("messages_handed_over", "Hand-overs to the agent", |counts| {
        counts.handed_over
    }),
    (
        "messages_returned",
        "Messages that came back unfinished",
        |counts| counts.returned,
    ),
    ("messages_finished", "Messages that were finished", |counts| {
        counts.finished
    }),
    (
        "messages_dead",
        "Messages that were filed as dead letters",
        |counts| counts.dead,
    ),
    ("receipts_read", "Receipts about the agent's messages", |counts| {
        counts.receipts
    }),
];

/// Seconds with decimals.
type SecondsGauge = Gauge<f64, AtomicU64>;

/// All metrics of the program.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    bus_connected: Gauge,
    lease_held: Gauge,
    lease_epoch: Gauge,
    pending: Family<LaneLabel, Gauge>,
    oldest: Family<LaneLabel, SecondsGauge>,
    in_hand: Gauge,
    unstored_records: Gauge,
    unstored_bytes: Gauge,
    publishes: Gauge,
    settlements: Gauge,
    counters: [Counter; COUNTERS.len()],
    breakers: Family<BridgeLabel, Gauge>,
    spool_failed: Gauge,
    connections: Gauge,
    requests: Family<AnswerLabels, Counter>,
    durations: Family<RouteLabel, Histogram>,
}

impl Metrics {
    pub(crate) fn new(agent: &AgentId) -> Self {
        let label = ("agent".into(), agent.to_string().into());
        let registry = Registry::with_prefix_and_labels("wagglebus_sidecar", std::iter::once(label));
        // 16 µs to 0.5 s in powers of two, then what a long poll waits.
        let buckets = || Histogram::new(exponential_buckets(16e-6, 2.0, 16).chain([1.0, 5.0, 20.0, 60.0]));
        let mut metrics = Self {
            registry,
            bus_connected: Gauge::default(),
            lease_held: Gauge::default(),
            lease_epoch: Gauge::default(),
            pending: Family::default(),
            oldest: Family::default(),
            in_hand: Gauge::default(),
            unstored_records: Gauge::default(),
            unstored_bytes: Gauge::default(),
            publishes: Gauge::default(),
            settlements: Gauge::default(),
            counters: Default::default(),
            breakers: Family::default(),
            spool_failed: Gauge::default(),
            connections: Gauge::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(buckets),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register(
            "bus_connected",
            "1 while connected to NATS",
            self.bus_connected.clone(),
        );
        to.register(
            "lease_held",
            "1 while the agent's lease is held",
            self.lease_held.clone(),
        );
        to.register(
            "lease_epoch",
            "Epoch of the lease, 0 without one",
            self.lease_epoch.clone(),
        );
        to.register(
            "inbox_pending_messages",
            "Messages that wait for the agent",
            self.pending.clone(),
        );
        let oldest = "Age of the oldest message in the agent's hands";
        to.register_with_unit("inbox_oldest", oldest, Unit::Seconds, self.oldest.clone());
        to.register(
            "inbox_in_hand_messages",
            "Messages in the agent's hands",
            self.in_hand.clone(),
        );
        let unstored = "Records that no stream has acknowledged";
        to.register("outbox_unstored_records", unstored, self.unstored_records.clone());
        let bytes = "Bytes that no stream has acknowledged";
        to.register_with_unit("outbox_unstored", bytes, Unit::Bytes, self.unstored_bytes.clone());
        to.register(
            "outbox_under_way_publishes",
            "Publishes without an answer",
            self.publishes.clone(),
        );
        let settlements = "Acks and naks without a confirmation";
        to.register(
            "inbox_under_way_settlements",
            settlements,
            self.settlements.clone(),
        );
        for ((name, help, _), counter) in COUNTERS.iter().zip(&self.counters) {
            to.register(*name, *help, counter.clone());
        }
        to.register(
            "breaker_open",
            "1 while a bridge leaves alone what keeps failing",
            self.breakers.clone(),
        );
        to.register(
            "spool_failed",
            "1 when the disk refused",
            self.spool_failed.clone(),
        );
        to.register(
            "http_connections",
            "Open connections of the local API",
            self.connections.clone(),
        );
        to.register(
            "http_requests",
            "Answered requests of the local API",
            self.requests.clone(),
        );
        let duration = "From the head of a request to that of its answer";
        to.register_with_unit(
            "http_request_duration",
            duration,
            Unit::Seconds,
            self.durations.clone(),
        );
    }

    /// The metrics of one route of the local API.
    pub(crate) fn route(&self, route: &'static str) -> RouteMetrics {
        RouteMetrics {
            route,
            requests: self.requests.clone(),
            duration: self.durations.get_or_create_owned(&RouteLabel { route }),
        }
    }

    /// Whether the breaker of a bridge is open: 0 until it is.
    pub(crate) fn breaker(&self, bridge: &'static str) -> Gauge {
        self.breakers.get_or_create_owned(&BridgeLabel { bridge })
    }

    /// Counts a connection of the local API until the answer is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// The OpenMetrics text, with what the machine tells of itself now.
    pub(crate) fn render(&self, view: &View) -> String {
        self.observe(view);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; whoever scrapes sees an empty page rather than half a one.
            Err(_) => String::new(),
        }
    }

    fn observe(&self, view: &View) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.bus_connected.set(view.bus_up.into());
        self.lease_held.set(view.lease_held.into());
        self.lease_epoch.set(number(view.epoch));
        for lane in Priority::ALL.iter().copied() {
            let label = LaneLabel {
                priority: lane.as_str(),
            };
            let depth = view.inbox.get(lane);
            self.pending.get_or_create(&label).set(number(depth.pending));
            let oldest = Duration::from_millis(depth.oldest_ms.unwrap_or(0));
            self.oldest.get_or_create(&label).set(oldest.as_secs_f64());
        }
        self.in_hand.set(count(view.in_flight.len()));
        self.unstored_records.set(count(view.unstored.0));
        self.unstored_bytes.set(number(view.unstored.1));
        self.publishes.set(count(view.under_way.0));
        self.settlements.set(count(view.under_way.1));
        for ((_, _, count), counter) in COUNTERS.iter().zip(&self.counters) {
            counter.inner().store(count(&view.counts), Ordering::Relaxed);
        }
        self.spool_failed.set(view.spool_failure.is_some().into());
    }
}

/// The metrics of one route.
#[derive(Debug, Clone)]
pub(crate) struct RouteMetrics {
    route: &'static str,
    requests: Family<AnswerLabels, Counter>,
    duration: Histogram,
}

impl RouteMetrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16, after: Duration) {
        self.requests
            .get_or_create(&AnswerLabels {
                route: self.route,
                status,
            })
            .inc();
        self.duration.observe(after.as_secs_f64());
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wagglebus_schemas::state::SessionState;

    /// Of a sidecar in which all is well.
    pub(crate) fn view() -> View {
        View {
            epoch: 7,
            lease_held: true,
            bus_up: true,
            consumer_failure: None,
            spool_failure: None,
            state: SessionState::Idle,
            nudged: None,
            hold: None,
            control: None,
            inbox: Default::default(),
            in_flight: Vec::new(),
            unstored: (3, 4_096),
            under_way: (2, 1),
            counts: Counts {
                accepted: 5,
                ..Counts::default()
            },
        }
    }

    #[test]
    fn every_documented_name_is_told_and_no_other() {
        let metrics = Metrics::new(&"bob".parse().unwrap());
        metrics
            .route("/v1/messages")
            .answered(201, Duration::from_micros(40));
        metrics.breaker("stdio").set(1);
        let open = metrics.connection();
        let text = metrics.render(&view());
        let documented: Vec<&str> = include_str!("metrics.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
            .collect();
        let told: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE wagglebus_sidecar_")?.split(' ').next())
            .collect();
        for name in &documented {
            assert!(
                told.contains(&name.trim_end_matches("_total")),
                "{name} is not told"
            );
        }
        assert_eq!(told.len(), documented.len(), "{told:?}");
        for line in [
            "wagglebus_sidecar_lease_epoch{agent=\"bob\"} 7",
            "wagglebus_sidecar_outbox_unstored_bytes{agent=\"bob\"} 4096",
            "wagglebus_sidecar_messages_accepted_total{agent=\"bob\"} 5",
            "wagglebus_sidecar_breaker_open{agent=\"bob\",bridge=\"stdio\"} 1",
            "wagglebus_sidecar_http_connections{agent=\"bob\"} 1",
            "wagglebus_sidecar_http_requests_total{agent=\"bob\",route=\"/v1/messages\",status=\"201\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        drop(open);
        assert!(
            metrics
                .render(&view())
                .contains("http_connections{agent=\"bob\"} 0")
        );
    }
}
