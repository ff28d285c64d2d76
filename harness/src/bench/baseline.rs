//! The baseline: async-nats used directly, with an agent's own rights, on the same server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, Context};
use futures::StreamExt as _;
use wagglebus_nats::keys::UserKey;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::{Subject, agent_api_prefix};
use wagglebus_schemas::{AgentId, Draft, Hive, Id, Priority, Timestamp, headers};

use super::pair::Latencies;
use crate::fleet::Fleet;

/// Content of every message that is measured: 256 bytes as JSON, or about.
const CONTENT_BYTES: usize = 64;

/// A connection of an agent without a sidecar.
pub(super) struct Direct {
    agent: AgentId,
    hive: Hive,
    context: Context,
}

impl Direct {
    /// Connects as an enrolled agent.
    pub(super) async fn open(fleet: &Fleet, agent: &str) -> Result<Self> {
        let (agent, places): (AgentId, _) = (agent.parse()?, fleet.bus().places());
        let key = UserKey::load(&places.agent_seed_file(&agent))?;
        let client = async_nats::ConnectOptions::with_nkey(key.seed()?)
            .custom_inbox_prefix(inbox_prefix(&agent))
            .connect(fleet.bus().url())
            .await?;
        let hive = places.hive().clone();
        let context = jetstream::with_prefix(client, &agent_api_prefix(&hive));
        Ok(Self { agent, hive, context })
    }

    /// Publishes `messages` to `to`, at most `window` without an ack, and waits for all acks.
    pub(super) async fn publish(
        &self,
        to: &AgentId,
        priority: Priority,
        messages: usize,
        window: usize,
    ) -> Result<()> {
        let mut acks = std::collections::VecDeque::new();
        for _ in 0..messages {
            if acks.len() >= window {
                ack(acks.pop_front()).await?;
            }
            acks.push_back(self.send(to, priority).await?);
        }
        while !acks.is_empty() {
            ack(acks.pop_front()).await?;
        }
        Ok(())
    }

    /// Publishes for `round`, one message at a time, and measures each until its ack.
    pub(super) async fn one_at_a_time(&self, to: &AgentId, round: Duration) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        let end = Instant::now() + round;
        while Instant::now() < end {
            let begun = Instant::now();
            ack(Some(self.send(to, Priority::Normal).await?)).await?;
            latencies.add(begun.elapsed());
        }
        Ok(latencies)
    }

    /// Sends one message with what every message carries.
    pub(super) async fn send(
        &self,
        to: &AgentId,
        priority: Priority,
    ) -> Result<jetstream::context::PublishAckFuture> {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let subject = Subject::Message {
            to: to.clone(),
            priority,
            from: self.agent.clone(),
        };
        let mut draft = Draft::text(to.clone().into(), content());
        draft.priority = priority;
        let message = draft.into_message(id, self.agent.clone(), Timestamp::EPOCH);
        let mut fields = HeaderMap::new();
        fields.insert(headers::MSG_ID, id.to_string());
        let payload = serde_json::to_vec(&message)?.into();
        Ok(self
            .context
            .publish_with_headers(subject.build(&self.hive), fields, payload)
            .await?)
    }

    /// This connection's own lane, to be pulled from.
    pub(super) async fn lane(&self, priority: Priority) -> Result<PullConsumer> {
        let stream = Stream::Messages.name(&self.hive);
        let lane = lane_consumer(&self.agent, priority);
        self.context
            .get_consumer_from_stream(lane, stream)
            .await
            .context("the lane of the baseline")
    }

    /// The agent that it speaks as.
    pub(super) const fn agent(&self) -> &AgentId {
        &self.agent
    }
}

/// The content of every message that is measured.
pub(super) fn content() -> String {
    "x".repeat(CONTENT_BYTES)
}

/// Takes one message of a lane, if one comes in time.
pub(super) async fn fetch(lane: &PullConsumer, expires: Duration) -> Result<Option<jetstream::Message>> {
    let mut batch = lane.batch().max_messages(1).expires(expires).messages().await?;
    batch
        .next()
        .await
        .transpose()
        .map_err(|e| anyhow::anyhow!("fetch: {e}"))
}

/// Takes and acks `messages` of a lane, one after another.
pub(super) async fn drain(lane: &PullConsumer, messages: usize) -> Result<()> {
    for _ in 0..messages {
        let message = fetch(lane, Duration::from_secs(5))
            .await?
            .context("the lane ended early")?;
        message
            .double_ack()
            .await
            .map_err(|e| anyhow::anyhow!("ack: {e}"))?;
    }
    Ok(())
}

async fn ack(ack: Option<jetstream::context::PublishAckFuture>) -> Result<()> {
    let stored = ack.context("an ack to wait for")?.await?;
    ensure!(!stored.duplicate, "a fresh id was taken for a duplicate");
    Ok(())
}
