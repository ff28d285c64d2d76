//! What a fetch brings: one message, in its order, or nothing.

use wagglebus_nats::bus::{Bus, FetchShape, LaneRef};
use wagglebus_nats::delivery::Settle;
use wagglebus_nats::error::{InfoError, NoAnswer};
use wagglebus_schemas::Priority;

use super::super::world::World;
use super::{lane, ms, note, publish, take, take_low, text};

pub(in super::super) async fn an_empty_lane_says_so<W: World>(world: W) {
    let shapes = [FetchShape::NoWait, FetchShape::OneShot { expires: ms(100) }];
    for shape in shapes {
        let fetched = world.bus().fetch(&lane(Priority::Urgent), shape).await;
        assert_eq!(fetched, Ok(None), "{shape:?}");
    }
}

pub(in super::super) async fn each_lane_has_its_own_messages_as_published<W: World>(world: W) {
    let mut record = note(Priority::Urgent, "now");
    record.headers = vec![("ce-type", "io.wagglebus.message.v1.task".to_owned())];
    let id = record.id.to_string();
    publish(world.bus(), note(Priority::Low, "some time"))
        .await
        .unwrap();
    publish(world.bus(), record).await.unwrap();
    publish(world.bus(), note(Priority::Low, "some day"))
        .await
        .unwrap();
    let delivery = take(world.bus(), &lane(Priority::Urgent)).await;
    assert_eq!(
        (text(&delivery), delivery.subject.as_str()),
        ("now", "wb.msg.alice.urgent.alice")
    );
    assert_eq!(delivery.msg_id(), Some(id.as_str()));
    assert_eq!(delivery.header("ce-type"), Some("io.wagglebus.message.v1.task"));
    let meta = delivery.ack.meta();
    assert_eq!(meta.lane, lane(Priority::Urgent));
    assert_eq!(
        (
            meta.num_delivered,
            meta.stream_seq,
            meta.consumer_seq,
            meta.num_pending
        ),
        (1, 2, 1, 0)
    );
    delivery.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    assert_eq!(
        world
            .bus()
            .fetch(&lane(Priority::Urgent), FetchShape::NoWait)
            .await,
        Ok(None)
    );
    let low = take_low(world.bus()).await;
    assert_eq!((text(&low), low.ack.meta().num_pending), ("some time", 1));
}

pub(in super::super) async fn messages_come_in_the_order_of_the_calls<W: World>(world: W) {
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let mut acks = Vec::new();
    for text in &texts {
        acks.push(world.bus().send(note(Priority::Low, text)).await.unwrap());
    }
    for (ack, seq) in acks.into_iter().zip(1..) {
        assert_eq!(ack.await.unwrap().seq, seq);
    }
    for expected in &texts {
        let delivery = take_low(world.bus()).await;
        assert_eq!(text(&delivery), expected);
        delivery.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    }
}

pub(in super::super) async fn a_missing_lane_is_not_an_empty_one<W: World>(world: W) {
    let missing = LaneRef {
        stream: "WB_MESSAGES".to_owned(),
        consumer: "nobody_low".to_owned(),
    };
    let error = world.bus().fetch(&missing, FetchShape::NoWait).await.unwrap_err();
    assert_eq!(error.fault, NoAnswer::NoResponders.into());
    // An open server answers "not found", an account without the import has nobody who would.
    let error = world.bus().consumer_info(&missing).await.unwrap_err();
    let told = match error {
        InfoError::Refused { code, .. } => code == 10014,
        InfoError::NoAnswer { fault, .. } => fault == NoAnswer::NoResponders,
        InfoError::Malformed { .. } => false,
    };
    assert!(told);
}
