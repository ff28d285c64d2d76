//! What every bus must do.

pub(super) mod appends;
pub(super) mod lanes;
pub(super) mod leases;
pub(super) mod outages;
pub(super) mod publishing;
pub(super) mod records;
pub(super) mod settling;
pub(super) mod wakes;

use std::time::Duration;

use bytes::Bytes;
use wagglebus_nats::bus::{Bus, FetchShape, LaneRef, Outgoing, Stored};
use wagglebus_nats::delivery::Delivery;
use wagglebus_nats::error::PublishError;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Id, Priority};

use super::world::alice;

/// Waits as long as the bus allows.
pub(super) const PATIENT: FetchShape = FetchShape::OneShot {
    expires: FetchShape::EXPIRES_MAX,
};

pub(super) fn lane(priority: Priority) -> LaneRef {
    LaneRef::inbox(&Hive::default(), &alice(), priority)
}

pub(super) fn new_id() -> Id {
    Id::from_uuid(uuid::Uuid::now_v7())
}

/// A note of alice to herself: the one thing that she may write and read in every world.
pub(super) fn note(priority: Priority, text: &str) -> Outgoing {
    let subject = Subject::Message {
        to: alice(),
        priority,
        from: alice(),
    };
    Outgoing {
        subject: subject.build(&Hive::default()),
        id: new_id(),
        expected_stream: Some("WB_MESSAGES".to_owned()),
        headers: Vec::new(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        expected_last_subject_seq: None,
    }
}

pub(super) async fn publish(bus: &impl Bus, record: Outgoing) -> Result<Stored, PublishError> {
    bus.send(record).await?.await
}

/// Publishes low notes, awaiting each.
pub(super) async fn publish_low(bus: &impl Bus, texts: &[&str]) {
    for text in texts {
        publish(bus, note(Priority::Low, text)).await.unwrap();
    }
}

/// The next message of alice's low lane, which must come.
pub(super) async fn take_low(bus: &impl Bus) -> Delivery {
    take(bus, &lane(Priority::Low)).await
}

pub(super) async fn take(bus: &impl Bus, lane: &LaneRef) -> Delivery {
    bus.fetch(lane, PATIENT)
        .await
        .unwrap()
        .expect("a message in time")
}

pub(super) fn text(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.payload).unwrap()
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
