//! The order of a sender's messages over server kills, which is why each session has a client of its own.

use std::collections::VecDeque;

use futures::stream::{FuturesOrdered, StreamExt};
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_nats::delivery::Settle;
use wagglebus_nats::error::Retry;
use wagglebus_schemas::Priority;

use super::suite::{note, take_low, text};
use super::world::{Open, SOON, Setup, World};

const MESSAGES: usize = 6_000;
const IN_FLIGHT: usize = 1_024;
/// Killed once so many are stored.
const KILLS: [usize; 3] = [700, 2_500, 4_300];

/// Publishes in order, pipelined; at a failure stops, lets the rest settle, and begins again at the first unacked.
async fn publish_all(world: &mut Open, mut unstored: VecDeque<Outgoing>) {
    let total = unstored.len();
    let mut kills = KILLS.into_iter().peekable();
    while !unstored.is_empty() {
        let session = world.real.bus.connection().session_within(SOON).await;
        session.expect("a session in time");
        let mut acks = FuturesOrdered::new();
        let mut sent = 0;
        let mut failed = false;
        loop {
            while !failed && acks.len() < IN_FLIGHT && sent < unstored.len() {
                match world.real.bus.send(unstored[sent].clone()).await {
                    Ok(ack) => acks.push_back(ack),
                    Err(_) => failed = true,
                }
                sent += 1;
            }
            match acks.next().await {
                None => break,
                Some(Ok(_)) if !failed => {
                    unstored.pop_front();
                    sent -= 1;
                }
                // Stored, but after a gap: it will be answered as a duplicate.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    assert_eq!(error.retry(), Retry::SameId, "{error}");
                    failed = true;
                }
            }
            if kills
                .next_if(|stored| total - unstored.len() >= *stored)
                .is_some()
            {
                world.server.restart().await.unwrap();
            }
        }
    }
    assert_eq!(kills.next(), None, "every kill happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_publishes_never_overtake_lost_ones() {
    let mut world = Open::open(Setup::default()).await;
    let texts: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    let records = texts.iter().map(|text| note(Priority::Low, text)).collect();
    publish_all(&mut world, records).await;
    for expected in &texts {
        let delivery = take_low(world.bus()).await;
        assert_eq!(text(&delivery), expected);
        delivery.ack.settle(world.bus(), Settle::Ack).await.unwrap();
    }
}
