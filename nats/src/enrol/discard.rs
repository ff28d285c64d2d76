//! Mail that nobody will read: each message becomes a dead letter, its sender is told, and it leaves its lane.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{Context, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp, headers};

use super::record;

/// Messages fetched at one time.
const BATCH: usize = 64;
/// How long a fetch waits for what an agent had in its hands.
const FETCH_WITHIN: Duration = Duration::from_secs(2);
/// What an agent had in its hands comes back within the lanes' ack wait; this is that and a margin.
const WITHIN: Duration = Duration::from_secs(45);

const WHY: &str = "the agent was removed";

/// Why mail cannot be put away.
pub(crate) type DiscardError = Box<dyn std::error::Error + Send + Sync>;

/// Empties the lanes of an agent. Returns how many messages became dead letters.
pub(super) async fn all(js: &Context, hive: &Hive, agent: &AgentId) -> Result<u64, DiscardError> {
    let deadline = Instant::now() + WITHIN;
    let mut letters = 0;
    for &priority in Priority::ALL {
        let stream = Stream::Messages.name(hive);
        let lane = lane_consumer(agent, priority);
        let mut consumer: PullConsumer = js.get_consumer_from_stream(lane, stream).await?;
        loop {
            letters += batch(js, hive, agent, &consumer).await?;
            let info = consumer.info().await?;
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                break;
            }
            if Instant::now() >= deadline {
                return Err("mail is still in its hands; run this again in a minute".into());
            }
        }
    }
    Ok(letters)
}

async fn batch(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
    consumer: &PullConsumer,
) -> Result<u64, DiscardError> {
    let fetch: pull::FetchBuilder<'_> = consumer.fetch().max_messages(BATCH).expires(FETCH_WITHIN);
    let mut messages = fetch.messages().await?;
    let mut letters = 0;
    while let Some(message) = messages.next().await {
        let message = message?;
        // Published first, acked then: a crash in between makes a second letter, which readers drop.
        if bury(js, hive, agent, &message).await? {
            letters += 1;
        }
        message.double_ack().await?;
    }
    Ok(letters)
}

/// False for a post: the other members of the room read it.
async fn bury(js: &Context, hive: &Hive, agent: &AgentId, message: &Message) -> Result<bool, DiscardError> {
    let sender = match Subject::parse(hive, &message.subject) {
        Ok(Subject::Room { .. }) => return Ok(false),
        Ok(Subject::Message { from, .. }) => Some(from),
        Ok(_) | Err(_) => None,
    };
    let seq = message.info()?.stream_sequence;
    let id = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(headers::MSG_ID));
    let message_id: Option<Id> = id.and_then(|id| id.as_str().parse().ok());
    let (reason, at) = (DeadReason::Operator, record::now()?);
    let letter = DeadLetter {
        id: Id::from_uuid(Uuid::now_v7()),
        message_id,
        stream: Stream::Messages.name(hive),
        stream_seq: seq,
        subject: message.subject.to_string(),
        agent: agent.clone(),
        reason,
        delivery: 0,
        detail: WHY.to_owned(),
        body_base64: (message.payload.len() <= MESSAGE_BYTES_MAX).then(|| STANDARD.encode(&message.payload)),
        at,
    };
    let subject = Subject::Dlq {
        reason,
        from: agent.clone(),
    };
    publish(js, hive, &subject, letter.id, "dead_letter", &letter).await?;
    if let (Some(sender), Some(message_id)) = (sender, message_id) {
        tell(js, hive, agent, sender, message_id, at).await?;
    }
    Ok(true)
}

/// The receipt of the coordinator, for the agent can say nothing any more.
async fn tell(
    js: &Context,
    hive: &Hive,
    agent: &AgentId,
    sender: AgentId,
    message_id: Id,
    at: Timestamp,
) -> Result<(), DiscardError> {
    let id = Id::from_uuid(Uuid::now_v7());
    let reason = ReceiptReason::Dead(DeadReason::Operator);
    let receipt = Receipt::by_coordinator(id, (sender.clone(), message_id), agent.clone(), reason, at);
    let from = AgentId::coordinator();
    let subject = Subject::Receipt {
        to: sender,
        level: receipt.level,
        from,
    };
    publish(js, hive, &subject, receipt.id, "receipt", &receipt).await
}

async fn publish(
    js: &Context,
    hive: &Hive,
    subject: &Subject,
    id: Id,
    category: &str,
    record: &impl Serialize,
) -> Result<(), DiscardError> {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        (headers::MSG_ID, id.to_string()),
        (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
        (headers::CE_ID, id.to_string()),
        (headers::CE_TYPE, format!("io.wagglebus.{category}.v1.{category}")),
        (headers::CE_SOURCE, format!("/{hive}/{}", AgentId::coordinator())),
    ] {
        fields.insert(name, value.as_str());
    }
    let body = serde_json::to_vec(record)?.into();
    js.publish_with_headers(subject.build(hive), fields, body)
        .await?
        .await?;
    Ok(())
}
