//! What becomes of a message that was handed over.

use wagglebus_nats::bus::{Bus, ConsumerState, FetchShape};
use wagglebus_nats::delivery::Settle;
use wagglebus_nats::lost::{Known, lost_hand_overs};
use wagglebus_schemas::Priority;

use super::super::world::World;
use super::{lane, ms, note, publish, publish_low, take_low, text};

pub(in super::super) async fn given_back_at_once_comes_first<W: World>(world: W) {
    publish_low(world.bus(), &["1", "2", "3"]).await;
    let first = take_low(world.bus()).await;
    let second = take_low(world.bus()).await;
    second
        .ack
        .settle(world.bus(), Settle::Nak { delay: None })
        .await
        .unwrap();
    first
        .ack
        .settle(world.bus(), Settle::Nak { delay: None })
        .await
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = take_low(world.bus()).await;
        seen.push((text(&delivery).to_owned(), delivery.ack.meta().num_delivered));
    }
    let expected = [("2", 2), ("1", 2), ("3", 1)].map(|(text, count)| (text.to_owned(), count));
    assert_eq!(seen, expected, "in the order in which they were given back");
}

pub(in super::super) async fn given_back_with_a_delay_comes_later<W: World>(world: W) {
    publish_low(world.bus(), &["1", "2"]).await;
    let first = take_low(world.bus()).await;
    let delay = Some(ms(1_000));
    first
        .ack
        .settle(world.bus(), Settle::Nak { delay })
        .await
        .unwrap();
    let second = take_low(world.bus()).await;
    assert_eq!(text(&second), "2");
    second.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    let state = world.bus().consumer_info(&lane(Priority::Low)).await.unwrap();
    assert_eq!(state.num_ack_pending, 1, "a delayed message counts as in flight");
    let again = take_low(world.bus()).await;
    assert_eq!((text(&again), again.ack.meta().num_delivered), ("1", 2));
}

pub(in super::super) async fn an_unanswered_message_comes_back<W: World>(world: W) {
    publish_low(world.bus(), &["1"]).await;
    let first = take_low(world.bus()).await;
    let again = take_low(world.bus()).await;
    assert_eq!((text(&again), again.ack.meta().num_delivered), ("1", 2));
    assert!(again.ack.meta().consumer_seq > first.ack.meta().consumer_seq);
    // The first holder's ack still counts: one message, one answer.
    first.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    let state = world.bus().consumer_info(&lane(Priority::Low)).await.unwrap();
    assert_eq!(state.num_ack_pending, 0);
}

pub(in super::super) async fn progress_keeps_a_message<W: World>(world: W) {
    publish_low(world.bus(), &["1"]).await;
    let held = take_low(world.bus()).await;
    let patience = FetchShape::OneShot { expires: ms(1_200) };
    for _ in 0..3 {
        // Together far longer than ack_wait.
        world
            .bus()
            .settle(held.ack.subject(), Settle::Progress)
            .await
            .unwrap();
        assert_eq!(world.bus().fetch(&lane(Priority::Low), patience).await, Ok(None));
    }
    assert_eq!(take_low(world.bus()).await.ack.meta().num_delivered, 2);
}

pub(in super::super) async fn what_is_settled_stays_settled<W: World>(world: W) {
    publish_low(world.bus(), &["1", "2"]).await;
    for settle in [
        Settle::Ack,
        Settle::Term {
            reason: "poison".to_owned(),
        },
    ] {
        let delivery = take_low(world.bus()).await;
        let subject = delivery.ack.subject().to_owned();
        delivery.ack.settle(world.bus(), settle).await.unwrap();
        for again in [Settle::Ack, Settle::Nak { delay: None }, Settle::Progress] {
            world.bus().settle(&subject, again).await.unwrap();
        }
    }
    assert_eq!(
        world.bus().fetch(&lane(Priority::Low), FetchShape::NoWait).await,
        Ok(None)
    );
    for no_ack_subject in ["", "$JS.API.STREAM.DELETE.WB_MESSAGES", "wb.msg.alice.low.alice"] {
        assert!(world.bus().settle(no_ack_subject, Settle::Ack).await.is_err());
    }
}

pub(in super::super) async fn the_state_of_a_lane_is_told_exactly<W: World>(world: W) {
    // A server counts what is pending a moment after it is stored.
    let state = async |what: &str, expected: [u64; 7]| {
        let mut look = tokio::time::interval(ms(10));
        let mut looks = 0;
        loop {
            let found = world.bus().consumer_info(&lane(Priority::Low)).await.unwrap();
            assert_eq!(found.metadata["wagglebus.joined.all"], "0");
            let found = numbers(&found);
            looks += 1;
            if found == expected || looks == LOOKS_MAX {
                assert_eq!(found, expected, "{what}");
                return;
            }
            look.tick().await;
        }
    };
    state("new", [0, 0, 0, 0, 0, 0, 0]).await;
    publish_low(world.bus(), &["1", "2", "3"]).await;
    publish(world.bus(), note(Priority::Urgent, "elsewhere"))
        .await
        .unwrap();
    publish_low(world.bus(), &["5"]).await;
    state("stored", [0, 0, 0, 0, 4, 0, 0]).await;
    let one = take_low(world.bus()).await;
    let two = take_low(world.bus()).await;
    let three = take_low(world.bus()).await;
    state("handed over", [3, 3, 0, 0, 1, 3, 0]).await;
    two.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    state("the middle one acked", [3, 3, 0, 0, 1, 2, 0]).await;
    one.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    state("the floor rises over both", [3, 3, 2, 2, 1, 1, 0]).await;
    three
        .ack
        .settle(world.bus(), Settle::Nak { delay: None })
        .await
        .unwrap();
    state("given back", [3, 3, 2, 2, 1, 1, 0]).await;
    let three = take_low(world.bus()).await;
    state("handed over again", [3, 4, 2, 2, 1, 1, 1]).await;
    let five = take_low(world.bus()).await;
    state("all handed over", [5, 5, 2, 2, 0, 2, 1]).await;
    three.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    five.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    state("all done", [5, 5, 5, 5, 0, 0, 0]).await;
}

const LOOKS_MAX: usize = 1_000;

fn numbers(state: &ConsumerState) -> [u64; 7] {
    [
        state.delivered_stream_seq,
        state.delivered_consumer_seq,
        state.ack_floor_stream_seq,
        state.ack_floor_consumer_seq,
        state.num_pending,
        state.num_ack_pending,
        state.num_redelivered,
    ]
}

/// What [`lost_hand_overs`] makes of the state is what the bus understands, and what it spares is spared.
pub(in super::super) async fn a_hand_over_that_nobody_holds_is_brought_back<W: World>(world: W) {
    publish_low(world.bus(), &["1", "2", "3", "4"]).await;
    let low = lane(Priority::Low);
    let settled = take_low(world.bus()).await;
    let held = take_low(world.bus()).await;
    let lost = take_low(world.bus()).await;
    settled.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    let known = Known {
        kept: [held.ack.meta().stream_seq].into(),
        fetch_open: false,
    };
    let state = world.bus().consumer_info(&low).await.unwrap();
    let subjects = lost_hand_overs(&low, &state, &known);
    assert_eq!(subjects.len(), 1);
    for subject in &subjects {
        world
            .bus()
            .settle(subject, Settle::Nak { delay: None })
            .await
            .unwrap();
    }
    let back = take_low(world.bus()).await;
    assert_eq!((text(&back), back.ack.meta().num_delivered), ("3", 2));
    assert_eq!(text(&take_low(world.bus()).await), "4");
    drop(lost);
    // Asking for what is done or in hand elsewhere changes nothing.
    held.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    let state = world.bus().consumer_info(&low).await.unwrap();
    let kept = [3, 4].into();
    let none = lost_hand_overs(
        &low,
        &state,
        &Known {
            kept,
            fetch_open: false,
        },
    );
    assert_eq!(none, Vec::<String>::new());
    let asked = world.bus().fetch(&low, FetchShape::NoWait).await;
    assert_eq!(asked, Ok(None));
}
