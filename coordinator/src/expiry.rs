//! Looks for mail that nobody read and that the stream is about to drop, and files it as dead letters.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::Stream as JetStreamStream;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use wagglebus_coordinator_core::expiry::{self, Filing, Unread};
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_nats::connect::Session;
use wagglebus_nats::head::{Head, lane_head};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::provision;
use wagglebus_schemas::stream::{Bucket, Stream, lane_consumer};
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp, headers};

/// The first look comes some time after the start, when everybody who lives has read what it wants to read.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(10);
/// When it is tried again after the bus did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(60);

type LookError = Box<dyn std::error::Error + Send + Sync>;

/// Looks again and again, until aborted.
pub(crate) async fn work(session: Session, bus: JetStream, hive: Hive) {
    let mut wait = FIRST_LOOK_AFTER;
    loop {
        tokio::time::sleep(wait).await;
        wait = match look(&session, &bus, &hive).await {
            Ok(period) => period,
            Err(error) => {
                tracing::warn!(error, "unread mail cannot be looked for");
                RETRY_AFTER
            }
        };
    }
}

/// One look at everybody's lanes. Returns when to look again. Errors are texts: they are only told.
async fn look(session: &Session, bus: &JetStream, hive: &Hive) -> Result<Duration, String> {
    let text = |error: LookError| error.to_string();
    let js = session.jetstream();
    let name = Stream::Messages.name(hive);
    let mut stream = js.get_stream(&name).await.map_err(|error| text(error.into()))?;
    let info = stream.info().await.map_err(|error| text(error.into()))?.clone();
    let max_age_ms = u64::try_from(info.config.max_age.as_millis()).unwrap_or(u64::MAX);
    let wait = Duration::from_millis(expiry::period_ms(max_age_ms));
    if max_age_ms == 0 {
        return Ok(RETRY_AFTER);
    }
    let old_ms = max_age_ms.saturating_sub(expiry::margin_ms(max_age_ms));
    let server = provision::server_time(js, &name)
        .await
        .map_err(|error| text(error.into()))?;
    let now = server.map_or_else(now_ms, Timestamp::unix_ms);
    let cutoff_ms = now.saturating_sub(i64::try_from(old_ms).unwrap_or(i64::MAX));
    let first_ms = i64::try_from(info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000);
    if info.state.messages == 0 || first_ms.is_ok_and(|first| first >= cutoff_ms) {
        return Ok(wait);
    }
    for agent in agents(session, hive).await.map_err(text)? {
        for priority in Priority::ALL {
            let lane = Lane {
                session,
                bus,
                hive,
                stream: &stream,
                agent: &agent,
                priority: *priority,
            };
            lane.clear(cutoff_ms).await.map_err(text)?;
        }
    }
    Ok(wait)
}

async fn agents(session: &Session, hive: &Hive) -> Result<Vec<AgentId>, LookError> {
    let store = session
        .jetstream()
        .get_key_value(Bucket::Enrolments.name(hive))
        .await?;
    let keys: Vec<String> = store.keys().await?.try_collect().await?;
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

/// One lane of an agent.
struct Lane<'a> {
    session: &'a Session,
    bus: &'a JetStream,
    hive: &'a Hive,
    stream: &'a JetStreamStream,
    agent: &'a AgentId,
    priority: Priority,
}

impl Lane<'_> {
    /// Files every message at the head of the lane that is older than the cutoff.
    async fn clear(&self, cutoff_ms: i64) -> Result<(), LookError> {
        while let Some(head) = self.head().await?
            && head.at.unix_ms() < cutoff_ms
        {
            // Only who fetches it may end it; if its agent was faster, it has been read.
            if !self.file(cutoff_ms).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn head(&self) -> Result<Option<Head>, LookError> {
        let js = self.session.jetstream();
        Ok(lane_head(js, self.hive, self.agent, self.priority).await?)
    }

    /// Fetches the head and files it. False when there was nothing to file.
    async fn file(&self, cutoff_ms: i64) -> Result<bool, LookError> {
        let name = lane_consumer(self.agent, self.priority);
        let consumer: PullConsumer = self.stream.get_consumer(&name).await?;
        let mut fetched = consumer.fetch().max_messages(1).messages().await?;
        let Some(message) = fetched.next().await else {
            return Ok(false);
        };
        let message = message?;
        let info = message.info()?;
        let at_ms = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000)?;
        if at_ms >= cutoff_ms {
            message
                .ack_with(async_nats::jetstream::AckKind::Nak(None))
                .await?;
            return Ok(false);
        }
        let msg_id = message.headers.as_ref().and_then(|all| all.get(headers::MSG_ID));
        let unread = Unread {
            agent: self.agent,
            stream_seq: info.stream_sequence,
            subject: &message.subject,
            msg_id: msg_id.map(|id| id.as_str()),
            payload: &message.payload,
        };
        let ids = std::array::from_fn(|_| Id::from_uuid(uuid::Uuid::now_v7()));
        let at = Timestamp::from_unix_ms(now_ms())?;
        for filing in expiry::expire(self.hive, &unread, ids, at) {
            self.bus.send(self.outgoing(filing, at)).await?.await?;
        }
        message.double_ack().await?;
        tracing::info!(agent = %self.agent, seq = info.stream_sequence, "unread mail became a dead letter");
        Ok(true)
    }

    fn outgoing(&self, filing: Filing, at: Timestamp) -> Outgoing {
        let mut fields = vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, filing.id.to_string()),
            (headers::CE_TYPE, filing.event_type),
            (
                headers::CE_SOURCE,
                format!("/{}/{}", self.hive, AgentId::coordinator()),
            ),
            (headers::CE_TIME, at.to_string()),
        ];
        fields.extend(filing.addressee.map(|to| (headers::CE_SUBJECT, to.to_string())));
        Outgoing {
            subject: filing.subject,
            id: filing.id,
            expected_stream: Some(filing.stream.name(self.hive)),
            headers: fields,
            payload: Bytes::from(filing.payload),
            expected_last_subject_seq: None,
        }
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
