//! Takes the message at the head of a lane out of it: first its dead letter is stored, and what its sender hears.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use wagglebus_coordinator_core::expiry::{self, Filing, Unread};
use wagglebus_nats::api_tokens::digest;
use wagglebus_nats::bus::{Bus, FetchShape, LaneRef, Outgoing};
use wagglebus_nats::delivery::{Delivery, Settle};
use wagglebus_schemas::headers::CloudEvent;
use wagglebus_schemas::{AgentId, Hive, Id, Priority, Timestamp};

use super::LookError;

/// How long a fetch waits: of a lane whose agent has all that it may have at one time nothing comes, not even a word.
const FETCH: FetchShape = FetchShape::OneShot {
    expires: Duration::from_secs(2),
};
/// How often it is tried to say that a message has ended.
const SETTLE_TRIES: u32 = 3;

/// One lane of an agent.
pub(super) struct Lane<'a, B> {
    pub(super) bus: &'a B,
    pub(super) hive: &'a Hive,
    pub(super) agent: &'a AgentId,
    pub(super) priority: Priority,
    /// What the ids of records are made with.
    pub(super) secret: &'a Uuid,
}

impl<B: Bus> Lane<'_, B> {
    /// Fetches the head and files it. False when there was nothing to file.
    ///
    /// # Errors
    /// When it is not filed; then it is in its lane again, for its agent.
    pub(super) async fn file(&self, cutoff_ms: i64, at: Timestamp) -> Result<bool, LookError> {
        let lane = LaneRef::inbox(self.hive, self.agent, self.priority);
        let Some(delivery) = self.bus.fetch(&lane, FETCH).await? else {
            return Ok(false);
        };
        let meta = delivery.ack.meta();
        let (seq, stored_ms) = (meta.stream_seq, i64::try_from(meta.stored_ns / 1_000_000)?);
        let filed = if stored_ms < cutoff_ms {
            self.store(&delivery, at).await.map(|()| true)
        } else {
            Ok(false)
        };
        let ack = delivery.ack.subject();
        if !matches!(filed, Ok(true)) {
            // Its agent gets it at once, not only when the server takes it for lost.
            let back = self.bus.settle(ack, Settle::Nak { delay: None }).await;
            if let Err(error) = back {
                tracing::debug!(%error, seq, "a message is not given back and comes again by itself");
            }
            return filed;
        }
        self.end(ack).await?;
        tracing::info!(agent = %self.agent, seq, "unread mail became a dead letter");
        Ok(true)
    }

    async fn store(&self, delivery: &Delivery, at: Timestamp) -> Result<(), LookError> {
        let unread = Unread {
            agent: self.agent,
            stream_seq: delivery.ack.meta().stream_seq,
            subject: &delivery.subject,
            msg_id: delivery.msg_id(),
            payload: &delivery.payload,
        };
        let ids = ["letter", "receipt", "notice"].map(|what| self.id(unread.stream_seq, what));
        for filing in expiry::expire(self.hive, &unread, ids, at) {
            self.bus.send(self.outgoing(filing, at)).await?.await?;
        }
        Ok(())
    }

    /// Says that the message has ended. To say it again is harmless, and unsaid it would be filed again.
    async fn end(&self, ack: &str) -> Result<(), LookError> {
        let mut tries = 1;
        while let Err(error) = self.bus.settle(ack, Settle::Ack).await {
            if tries >= SETTLE_TRIES {
                return Err(error.into());
            }
            tries += 1;
        }
        Ok(())
    }

    /// The same for each attempt at the same message, so that a repeat is stored once.
    fn id(&self, seq: u64, what: &str) -> Id {
        let (secret, hive, agent) = (self.secret, self.hive, self.agent);
        let mut bytes = [0_u8; 16];
        let digest = digest(&format!("{secret} {hive} {seq} {agent} {what}"));
        for (to, of) in bytes.iter_mut().zip(digest) {
            *to = of;
        }
        Id::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    fn outgoing(&self, filing: Filing, at: Timestamp) -> Outgoing {
        let said = CloudEvent {
            id: filing.id,
            event_type: &filing.event_type,
            hive: self.hive,
            from: &AgentId::coordinator(),
            at,
        };
        Outgoing {
            headers: said.fields(filing.addressee.map(|to| to.to_string())),
            subject: filing.subject,
            id: filing.id,
            expected_stream: Some(filing.stream.name(self.hive)),
            payload: Bytes::from(filing.payload),
            expected_last_subject_seq: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use wagglebus_nats::memory::{Fault, Memory, Model};
    use wagglebus_nats::topology::{Sizing, agent_consumers, streams};
    use wagglebus_schemas::Draft;
    use wagglebus_schemas::stream::Stream;

    use super::*;

    const CUTOFF: i64 = i64::MAX;

    /// A bus with one message for bob.
    async fn bus() -> Memory {
        let hive = Hive::default();
        let bob: AgentId = "bob".parse().unwrap();
        let streams = streams(&hive, Sizing::new(1 << 30, 1).unwrap());
        let bus = Memory::new(Model::new(streams, agent_consumers(&hive, &bob, &[]))).0;
        let id = Id::from_bytes([9; 16]);
        let alice: AgentId = "alice".parse().unwrap();
        let draft = Draft::text(bob.into(), "hello".to_owned());
        let message = draft.into_message(id, alice, Timestamp::EPOCH);
        let record = Outgoing {
            subject: "wb.msg.bob.normal.alice".to_owned(),
            id,
            expected_stream: None,
            headers: Vec::new(),
            payload: serde_json::to_vec(&message).unwrap().into(),
            expected_last_subject_seq: None,
        };
        bus.send(record).await.unwrap().await.unwrap();
        bus
    }

    async fn file(bus: &Memory, cutoff_ms: i64) -> Result<bool, LookError> {
        let lane = Lane {
            bus,
            hive: &Hive::default(),
            agent: &"bob".parse().unwrap(),
            priority: Priority::Normal,
            secret: &Uuid::nil(),
        };
        lane.file(cutoff_ms, Timestamp::EPOCH).await
    }

    /// How many letters, receipts and notices are stored: what is published next tells its place.
    async fn stored(bus: &Memory) -> [u64; 3] {
        let mut counts = [0; 3];
        let probes = [
            (Stream::Dlq, "wb.dlq.expired.coordinator"),
            (Stream::Receipts, "wb.receipt.alice.dead.coordinator"),
            (Stream::Messages, "wb.msg.alice.normal.coordinator"),
        ];
        for (count, (stream, subject)) in counts.iter_mut().zip(probes) {
            let record = Outgoing {
                subject: subject.to_owned(),
                id: Id::from_uuid(Uuid::new_v4()),
                expected_stream: Some(stream.name(&Hive::default())),
                headers: Vec::new(),
                payload: Bytes::new(),
                expected_last_subject_seq: None,
            };
            *count = bus.send(record).await.unwrap().await.unwrap().seq - 1;
        }
        counts
    }

    async fn lane(bus: &Memory) -> (u64, u64) {
        let lane = LaneRef::inbox(&Hive::default(), &"bob".parse().unwrap(), Priority::Normal);
        let state = bus.consumer_info(&lane).await.unwrap();
        (state.num_pending, state.num_ack_pending)
    }

    #[tokio::test(start_paused = true)]
    async fn old_mail_is_filed_and_leaves_its_lane() {
        let bus = bus().await;
        assert!(!file(&bus, 0).await.unwrap(), "it is not old");
        assert!(file(&bus, CUTOFF).await.unwrap());
        assert_eq!(lane(&bus).await, (0, 0));
        assert!(!file(&bus, CUTOFF).await.unwrap());
        // The message itself stands before its notice.
        assert_eq!(stored(&bus).await, [1, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_filed_again_is_stored_once() {
        let bus = bus().await;
        for _ in 0..SETTLE_TRIES {
            bus.inject(Fault::Settle);
        }
        assert!(file(&bus, CUTOFF).await.is_err());
        // What was not ended comes again when the server takes it for lost.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(file(&bus, CUTOFF).await.unwrap());
        assert_eq!((stored(&bus).await, lane(&bus).await), ([1, 1, 2], (0, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unconfirmed_end_is_said_again() {
        let bus = bus().await;
        bus.inject(Fault::Settle);
        assert!(file(&bus, CUTOFF).await.unwrap());
        assert_eq!(lane(&bus).await, (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_filed_is_given_back_at_once() {
        let bus = bus().await;
        bus.inject(Fault::Publish);
        assert!(file(&bus, CUTOFF).await.is_err());
        let lane = LaneRef::inbox(&Hive::default(), &"bob".parse().unwrap(), Priority::Normal);
        let again = bus.fetch(&lane, FetchShape::NoWait).await.unwrap();
        assert_eq!(again.unwrap().ack.meta().num_delivered, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_answers_nothing_does_not_stop_the_look() {
        let bus = bus().await;
        bus.inject(Fault::HandOver);
        assert!(file(&bus, CUTOFF).await.is_err());
    }
}
