//! What the bus itself says after a run: what is left in the lanes, and what lies among the dead letters.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::consumer::PullConsumer;
use tokio::time::{interval, timeout};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::stream::{Stream, lane_consumer, receipts_consumer};

use super::Fleet;
use crate::ledger::{Ledger, Op};

/// Time between two questions about what is left.
const ASK_EVERY: Duration = Duration::from_millis(100);

impl Fleet {
    /// How many messages of an agent's lanes the server has not handed over, or not got acked.
    ///
    /// # Errors
    /// When the server does not tell.
    pub async fn unsettled(&self, name: &str) -> Result<u64> {
        let agent: AgentId = name.parse()?;
        let hive = self.bus.places().hive();
        let stream = self.bus.admin().get_stream(Stream::Messages.name(hive)).await?;
        let mut left = 0;
        for lane in wagglebus_schemas::Priority::ALL {
            let mut consumer: PullConsumer = stream
                .get_consumer(&lane_consumer(&agent, *lane))
                .await
                .map_err(|error| anyhow::anyhow!("{agent}, {lane}: {error}"))?;
            left += unfinished(&mut consumer).await?;
        }
        Ok(left)
    }

    /// Waits until nothing of an agent's lanes is left.
    ///
    /// # Errors
    /// When something is left after `within`.
    pub async fn until_settled(&self, name: &str, within: Duration) -> Result<()> {
        let settled = async {
            let mut tick = interval(ASK_EVERY);
            // A server that just began again may not answer yet.
            while !matches!(self.unsettled(name).await, Ok(0)) {
                tick.tick().await;
            }
        };
        timeout(within, settled)
            .await
            .with_context(|| format!("messages of {name} were left unsettled for {within:?}"))
    }

    /// How many receipts of an agent the server has not handed over, or not got acked.
    ///
    /// # Errors
    /// When the server does not tell.
    pub async fn unread_receipts(&self, name: &str) -> Result<u64> {
        let agent: AgentId = name.parse()?;
        let hive = self.bus.places().hive();
        let stream = self.bus.admin().get_stream(Stream::Receipts.name(hive)).await?;
        let mut consumer: PullConsumer = stream
            .get_consumer(&receipts_consumer(&agent))
            .await
            .map_err(|error| anyhow::anyhow!("{agent}, receipts: {error}"))?;
        unfinished(&mut consumer).await
    }

    /// Every dead letter. Each is also written into the ledger, if there is one.
    ///
    /// # Errors
    /// When the server does not tell, or a letter cannot be read.
    pub async fn dead_letters(&self, ledger: Option<&Ledger>) -> Result<Vec<DeadLetter>> {
        let name = Stream::Dlq.name(self.bus.places().hive());
        let stream = self.bus.admin().get_stream(name).await?;
        let state = stream.get_info().await?.state;
        let mut letters = Vec::new();
        for seq in state.first_sequence.max(1)..=state.last_sequence {
            let raw = stream.get_raw_message(seq).await.context("a dead letter")?;
            let letter: DeadLetter = serde_json::from_slice(&raw.payload)?;
            if let (Some(ledger), Some(id)) = (ledger, letter.message_id) {
                ledger.record(Op::Dead {
                    id,
                    agent: letter.agent.clone(),
                    reason: letter.reason,
                });
            }
            letters.push(letter);
        }
        Ok(letters)
    }
}

async fn unfinished(consumer: &mut PullConsumer) -> Result<u64> {
    let info = consumer.info().await?;
    Ok(info.num_pending + u64::try_from(info.num_ack_pending)?)
}
