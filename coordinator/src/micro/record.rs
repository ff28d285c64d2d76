//! The records of NATS ADR-32: what a service answers on `$SRV`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use wagglebus_schemas::Timestamp;

/// What is asked on `$SRV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    pub(super) fn parse(token: &str) -> Option<Self> {
        match token {
            "PING" => Some(Self::Ping),
            "INFO" => Some(Self::Info),
            "STATS" => Some(Self::Stats),
            _ => None,
        }
    }
}

/// What is counted of an endpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    requests: u64,
    errors: u64,
    last_error: String,
    busy: Duration,
}

impl Counts {
    pub(super) fn add(&mut self, error: Option<String>, busy: Duration) {
        self.requests += 1;
        self.busy += busy;
        if let Some(error) = error {
            self.errors += 1;
            self.last_error = error;
        }
    }
}

/// An endpoint of a running service.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) subject: String,
    pub(super) queue_group: &'static str,
    pub(super) counts: Counts,
}

/// A running service.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: &'static str,
    pub(super) id: String,
    pub(super) version: String,
    pub(super) metadata: BTreeMap<&'static str, String>,
    pub(super) description: &'static str,
    pub(super) started: Timestamp,
    pub(super) endpoints: Vec<Endpoint>,
}

/// An answer on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    id: String,
    version: String,
    metadata: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    more: More,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum More {
    Ping {},
    Info {
        description: &'static str,
        endpoints: Vec<EndpointInfo>,
    },
    Stats {
        started: Timestamp,
        endpoints: Vec<EndpointStats>,
    },
}

#[derive(Debug, Serialize)]
struct EndpointInfo {
    name: &'static str,
    subject: String,
    queue_group: &'static str,
    metadata: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct EndpointStats {
    name: &'static str,
    subject: String,
    queue_group: &'static str,
    num_requests: u64,
    num_errors: u64,
    last_error: String,
    /// Nanoseconds.
    processing_time: u64,
    /// Nanoseconds.
    average_processing_time: u64,
}

impl Instance {
    /// Its answer to a question.
    pub(super) fn answer(self, verb: Verb) -> Answer {
        let (kind, more) = match verb {
            Verb::Ping => ("io.nats.micro.v1.ping_response", More::Ping {}),
            Verb::Info => (
                "io.nats.micro.v1.info_response",
                More::Info {
                    description: self.description,
                    endpoints: self.endpoints.into_iter().map(Endpoint::info).collect(),
                },
            ),
            Verb::Stats => (
                "io.nats.micro.v1.stats_response",
                More::Stats {
                    started: self.started,
                    endpoints: self.endpoints.into_iter().map(Endpoint::stats).collect(),
                },
            ),
        };
        Answer {
            kind,
            name: self.name,
            id: self.id,
            version: self.version,
            metadata: self.metadata,
            more,
        }
    }
}

impl Endpoint {
    fn info(self) -> EndpointInfo {
        EndpointInfo {
            name: self.name,
            subject: self.subject,
            queue_group: self.queue_group,
            metadata: BTreeMap::new(),
        }
    }

    fn stats(self) -> EndpointStats {
        let busy = u64::try_from(self.counts.busy.as_nanos()).unwrap_or(u64::MAX);
        EndpointStats {
            name: self.name,
            subject: self.subject,
            queue_group: self.queue_group,
            num_requests: self.counts.requests,
            num_errors: self.counts.errors,
            last_error: self.counts.last_error,
            processing_time: busy,
            average_processing_time: busy.checked_div(self.counts.requests).unwrap_or_default(),
        }
    }
}
