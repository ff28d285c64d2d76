//! What `/metrics` tells.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use serde_json::{Map, Value, json};
use wagglebus_coordinator_core::effect::Ignored;
use wagglebus_coordinator_core::lead::Order;
use wagglebus_schemas::event::EventKind;
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::subject::ApiMethod;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PresenceLabel {
    presence: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IgnoredLabel {
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransitionLabel {
    entity: &'static str,
    to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToldLabel {
    sink: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: &'static str,
}

/// All metrics of the program.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    agents: Family<PresenceLabel, Gauge>,
    heartbeats: Counter,
    ignored: Family<IgnoredLabel, Counter>,
    answers: Family<AnswerLabel, Counter>,
    unsent: Counter,
    alerts_told: Family<ToldLabel, Counter>,
    breakers: Family<SinkLabel, Gauge>,
    connected: Gauge,
    leads: Gauge,
    sessions: Counter,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram>,
    transitions: Family<TransitionLabel, Counter>,
    log_full: Gauge,
    log_bytes: Gauge,
    log_bytes_max: Gauge,
    snapshots: Gauge,
    snapshot_seq: Gauge,
    snapshots_refused: Counter,
    views_behind: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // 16 µs to 0.5 s in powers of two, then what waits for a verdict or reads a stream.
        let buckets = || Histogram::new(exponential_buckets(16e-6, 2.0, 16).chain([1.0, 2.0, 5.0, 60.0]));
        let mut metrics = Self {
            registry: Registry::with_prefix("wagglebus_coordinator"),
            agents: Family::default(),
            heartbeats: Counter::default(),
            ignored: Family::default(),
            answers: Family::default(),
            unsent: Counter::default(),
            alerts_told: Family::default(),
            breakers: Family::default(),
            connected: Gauge::default(),
            leads: Gauge::default(),
            sessions: Counter::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(buckets),
            transitions: Family::default(),
            log_full: Gauge::default(),
            log_bytes: Gauge::default(),
            log_bytes_max: Gauge::default(),
            snapshots: Gauge::default(),
            snapshot_seq: Gauge::default(),
            snapshots_refused: Counter::default(),
            views_behind: Gauge::default(),
        };
        for presence in Presence::ALL {
            // Zero is a value, too.
            metrics.presence(*presence).set(0);
        }
        let registry = &mut metrics.registry;
        registry.register("agents", "Enrolled agents by presence", metrics.agents.clone());
        registry.register("heartbeats", "Heartbeats received", metrics.heartbeats.clone());
        registry.register("ignored", "Inputs ignored, by reason", metrics.ignored.clone());
        registry.register("answers", "API requests answered", metrics.answers.clone());
        registry.register("unsent", "Answers that could not be sent", metrics.unsent.clone());
        registry.register(
            "alerts_told",
            "Changes of alerts that a sink was told or not, by sink",
            metrics.alerts_told.clone(),
        );
        registry.register(
            "breaker_open",
            "1 while a sink of alerts that keeps failing is left alone",
            metrics.breakers.clone(),
        );
        registry.register(
            "connected",
            "1 while connected to NATS",
            metrics.connected.clone(),
        );
        registry.register("leads", "1 while it writes the log", metrics.leads.clone());
        registry.register("sessions", "Connections to NATS so far", metrics.sessions.clone());
        registry.register(
            "http_requests",
            "Answered HTTP requests",
            metrics.requests.clone(),
        );
        let duration = "From the head of a request to that of its answer";
        registry.register_with_unit(
            "http_request_duration",
            duration,
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "transitions",
            "Changes of state that this process decided and stored, by machine and new state",
            metrics.transitions.clone(),
        );
        metrics.register_log();
        metrics
    }

    /// Something was ordered, and the views of the log are so many records behind.
    pub(crate) fn ordered(&self, order: &Order, behind: usize) {
        if let Order::Moved((kind, state)) = order {
            self.moved(*kind, state);
        }
        self.views_behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
    }

    /// Counts that a machine came into a state.
    fn moved(&self, kind: EventKind, to: &str) {
        // The log's own words; a leader's name is none.
        if matches!(kind, EventKind::Task | EventKind::Agent | EventKind::Swarm) {
            let (entity, to) = (kind.as_str(), to.to_owned());
            self.transitions
                .get_or_create(&TransitionLabel { entity, to })
                .inc();
        }
    }

    fn register_log(&mut self) {
        let gauges = [
            (
                "log_full",
                "1 while the log takes no lines: nothing is decided",
                &self.log_full,
            ),
            (
                "log_bytes",
                "Bytes of the log, as the leader sees it",
                &self.log_bytes,
            ),
            (
                "log_bytes_max",
                "Bytes that the log may have",
                &self.log_bytes_max,
            ),
            (
                "snapshots",
                "Snapshots of the log, as the leader sees them",
                &self.snapshots,
            ),
            (
                "snapshot_seq",
                "Last line of the log that a snapshot covers",
                &self.snapshot_seq,
            ),
            (
                "views_behind",
                "Records that the buckets are behind the log",
                &self.views_behind,
            ),
        ];
        for (name, help, gauge) in gauges {
            self.registry.register(name, help, gauge.clone());
        }
        self.registry.register(
            "snapshots_refused",
            "Snapshots of the log that could not be used",
            self.snapshots_refused.clone(),
        );
    }

    pub(crate) fn log_full(&self, full: bool) {
        self.log_full.set(i64::from(full));
    }

    pub(crate) fn log_size(&self, bytes: u64, max: Option<u64>) {
        self.log_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let max = max.map_or(0, |max| i64::try_from(max).unwrap_or(i64::MAX));
        self.log_bytes_max.set(max);
    }

    pub(crate) fn snapshots(&self, count: usize, newest: u64) {
        self.snapshots.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.snapshot_seq.set(i64::try_from(newest).unwrap_or(i64::MAX));
    }

    pub(crate) fn snapshot_refused(&self) {
        self.snapshots_refused.inc();
    }

    pub(crate) fn presence_changed(&self, from: Option<Presence>, to: Option<Presence>) {
        if let Some(from) = from {
            self.presence(from).dec();
        }
        if let Some(to) = to {
            self.presence(to).inc();
        }
    }

    pub(crate) fn heartbeat(&self) {
        self.heartbeats.inc();
    }

    /// The most telling ones, for readers of the feed.
    pub(crate) fn summary(&self) -> Value {
        let agents = Presence::ALL.iter().map(|presence| {
            let count = self.presence(*presence).get();
            (presence.as_str().to_owned(), Value::from(count))
        });
        json!({
            "agents": agents.collect::<Map<_, _>>(),
            "heartbeats": self.heartbeats.get(),
            "unsent": self.unsent.get(),
            "connected": self.connected.get() != 0,
            "sessions": self.sessions.get(),
            "leads": self.leads.get() != 0,
        })
    }

    /// Counts an ignored input and returns how many of its kind there were.
    pub(crate) fn ignored(&self, ignored: &Ignored) -> u64 {
        let label = IgnoredLabel { why: ignored.kind() };
        self.ignored.get_or_create(&label).inc() + 1
    }

    pub(crate) fn answered(&self, method: ApiMethod, code: &'static str) {
        let label = AnswerLabel {
            method: method.as_str(),
            code,
        };
        self.answers.get_or_create(&label).inc();
    }

    pub(crate) fn unsent(&self) {
        self.unsent.inc();
    }

    /// Counts a change of an alert that a sink was told, or that was given up.
    pub(crate) fn alert_told(&self, sink: &'static str, told: bool) {
        let outcome = if told { "told" } else { "given_up" };
        let label = ToldLabel { sink, outcome };
        self.alerts_told.get_or_create(&label).inc();
    }

    /// Whether a sink of alerts is left alone.
    pub(crate) fn breaker_open(&self, sink: &'static str, open: bool) {
        let label = SinkLabel { sink };
        self.breakers.get_or_create(&label).set(i64::from(open));
    }

    pub(crate) fn connected(&self, connected: bool) {
        self.connected.set(i64::from(connected));
        if connected {
            self.sessions.inc();
        }
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    /// The metrics of one route of the API.
    pub(crate) fn route(&self, route: &'static str) -> RouteMetrics {
        RouteMetrics {
            route,
            requests: self.requests.clone(),
            duration: self.durations.get_or_create_owned(&RouteLabel { route }),
        }
    }

    /// The OpenMetrics text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; whoever scrapes sees an empty page rather than half a one.
            Err(_) => String::new(),
        }
    }

    fn presence(&self, presence: Presence) -> Gauge {
        let label = PresenceLabel {
            presence: presence.as_str(),
        };
        self.agents.get_or_create_owned(&label)
    }
}

/// The metrics of one route.
#[derive(Debug, Clone)]
pub(crate) struct RouteMetrics {
    route: &'static str,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
}

impl RouteMetrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16, after: Duration) {
        let labels = RequestLabels {
            route: self.route,
            status,
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(after.as_secs_f64());
    }
}
