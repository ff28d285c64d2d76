//! Wakes: hints that a lane may have mail.

use wagglebus_nats::bus::{Bus, FetchShape, Notes};
use wagglebus_nats::delivery::Settle;
use wagglebus_schemas::subject::filter;
use wagglebus_schemas::{Hive, Priority};

use super::super::world::{SOON, World, alice};
use super::{lane, note, publish, text};

/// A plain fetch right after a wake is empty in some per cent of the cases: the wake may be faster than the storage.
const ROUNDS: usize = 300;

pub(in super::super) async fn a_wake_is_followed_by_its_message<W: World>(world: W) {
    let mut wakes = world
        .bus()
        .subscribe(&filter::wakes(&Hive::default(), &alice()))
        .await;
    for n in 0..ROUNDS {
        let sent = n.to_string();
        let ack = world.bus().send(note(Priority::Low, &sent)).await.unwrap();
        let wake = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
        assert_eq!(
            (wake.subject.as_str(), wake.payload.len()),
            ("wb.wake.msg.alice.low", 0)
        );
        let fetched = world
            .bus()
            .fetch(&lane(Priority::Low), FetchShape::AFTER_WAKE)
            .await
            .unwrap();
        let delivery = fetched.expect("the message that was announced");
        assert_eq!(text(&delivery), sent);
        delivery.ack.settle(world.bus(), Settle::Ack).await.unwrap();
        assert_eq!(wake.stream_seq, Some(ack.await.unwrap().seq));
    }
}

pub(in super::super) async fn duplicates_and_others_do_not_wake<W: World>(world: W) {
    let mut wakes = world
        .bus()
        .subscribe(&filter::wakes(&Hive::default(), &alice()))
        .await;
    let record = note(Priority::Low, "1");
    publish(world.bus(), record.clone()).await.unwrap();
    publish(world.bus(), record).await.unwrap();
    let mut to_bob = note(Priority::Low, "2");
    to_bob.subject = "wb.msg.bob.low.alice".to_owned();
    publish(world.bus(), to_bob).await.unwrap();
    publish(world.bus(), note(Priority::Urgent, "3")).await.unwrap();
    for expected in ["wb.wake.msg.alice.low", "wb.wake.msg.alice.urgent"] {
        let wake = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
        assert_eq!(wake.subject, expected);
    }
}
