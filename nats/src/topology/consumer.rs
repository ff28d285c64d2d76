//! One durable pull consumer as the JetStream API writes it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::stream::Nanos;

/// What a consumer shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerSpec {
    /// The stream it reads; no part of the configuration on the wire.
    #[serde(skip)]
    pub stream: String,
    /// Its name, such as `alice_urgent`.
    pub durable_name: String,
    /// What it is for.
    pub description: String,
    /// What it delivers, sorted; no two overlap.
    pub filter_subjects: Vec<String>,
    /// Where it begins.
    pub deliver_policy: DeliverPolicy,
    /// What counts as delivered.
    pub ack_policy: AckPolicy,
    /// How fast it delivers.
    pub replay_policy: ReplayPolicy,
    /// After how long without an answer a message is delivered again. There is no `backoff`: it would replace this.
    pub ack_wait: Nanos,
    /// Deliveries of one message; a backstop only.
    pub max_deliver: i64,
    /// Messages that may be delivered and not answered.
    pub max_ack_pending: i64,
    /// Keys of ours; others' stay.
    pub metadata: BTreeMap<String, String>,
}

/// Where a consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliverPolicy {
    /// At the oldest message: mail that came before its reader is delivered too.
    All,
}

/// What counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AckPolicy {
    /// Each message needs its own ack.
    Explicit,
}

/// How fast a consumer delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayPolicy {
    /// At once.
    Instant,
}
