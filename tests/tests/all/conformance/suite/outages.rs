//! Servers that answer too late or not at all.

use bytes::Bytes;
use wagglebus_nats::bus::{Bus, FetchShape, Notes};
use wagglebus_nats::delivery::Settle;
use wagglebus_nats::error::NoAnswer;
use wagglebus_nats::lease::LeaseRef;
use wagglebus_schemas::subject::filter;
use wagglebus_schemas::{Hive, Priority};

use super::super::world::{SOON, World, alice};
use super::{lane, note, publish, publish_low, take_low, text};

pub(in super::super) async fn a_late_message_reaches_us_all_the_same<W: World>(mut world: W) {
    publish_low(world.bus(), &["1", "2"]).await;
    world.stall();
    // Not a plain look: right after the publish that may still find nothing.
    let error = world
        .bus()
        .fetch(&lane(Priority::Low), FetchShape::AFTER_WAKE)
        .await
        .unwrap_err();
    assert_eq!(error.fault, NoAnswer::Timeout.into());
    world.go_on();
    let late = tokio::time::timeout(SOON, world.late().next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(late.lane, lane(Priority::Low));
    let delivery = late.delivery.unwrap();
    assert_eq!((text(&delivery), delivery.ack.meta().num_delivered), ("1", 1));
    delivery.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    assert_eq!(text(&take_low(world.bus()).await), "2");
}

pub(in super::super) async fn a_saved_ack_subject_outlives_the_session<W: World>(mut world: W) {
    publish_low(world.bus(), &["1", "2", "3"]).await;
    let done = take_low(world.bus()).await;
    let held = take_low(world.bus()).await;
    let (done, held) = (done.ack.subject().to_owned(), held.ack.subject().to_owned());
    world.cut().await;
    world.mend().await;
    world.bus().settle(&done, Settle::Ack).await.unwrap();
    world
        .bus()
        .settle(&held, Settle::Nak { delay: None })
        .await
        .unwrap();
    let mut seen = vec![text(&take_low(world.bus()).await).to_owned()];
    seen.push(text(&take_low(world.bus()).await).to_owned());
    assert_eq!(seen, ["2", "3"]);
}

pub(in super::super) async fn without_a_session_every_call_fails_at_once<W: World>(mut world: W) {
    let mut wakes = world
        .bus()
        .subscribe(&filter::wakes(&Hive::default(), &alice()))
        .await;
    publish_low(world.bus(), &["1"]).await;
    let held = take_low(world.bus()).await;
    let key = LeaseRef::new(&Hive::default(), &alice());
    world.cut().await;
    {
        let bus = world.bus();
        let record = note(Priority::Low, "2");
        let subject = record.subject.clone();
        let calls = async {
            assert_eq!(
                publish(bus, record).await.unwrap_err().fault,
                NoAnswer::Disconnected.into()
            );
            let fetched = bus.fetch(&lane(Priority::Low), FetchShape::NoWait).await;
            assert_eq!(fetched.unwrap_err().fault, NoAnswer::Disconnected.into());
            assert!(bus.settle(held.ack.subject(), Settle::Ack).await.is_err());
            assert!(bus.consumer_info(&lane(Priority::Low)).await.is_err());
            assert!(bus.lease_read(&key).await.is_err());
            assert!(bus.lease_write(&key, Bytes::new(), 0).await.is_err());
            let core = bus.publish_core(&subject, Bytes::new()).await;
            assert_eq!(core, Err(NoAnswer::Disconnected));
        };
        tokio::time::timeout(std::time::Duration::from_secs(1), calls)
            .await
            .expect("at once");
    }
    world.mend().await;
    // A subscription needs no renewal by its owner.
    while wakes_until_now(&mut wakes).await {}
    publish(world.bus(), note(Priority::Urgent, "3")).await.unwrap();
    let wake = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
    assert_eq!(wake.subject, "wb.wake.msg.alice.urgent");
}

/// Reads what came before the outage.
async fn wakes_until_now(wakes: &mut impl Notes) -> bool {
    let at_once = tokio::time::timeout(std::time::Duration::ZERO, wakes.next()).await;
    at_once.is_ok()
}
