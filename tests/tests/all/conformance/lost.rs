//! Hand-overs of a stopped server: provoked, found and brought back (DESIGN 3.3).

use tokio::sync::oneshot;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::bus::{Bus, FetchShape};
use wagglebus_nats::connect::Settings;
use wagglebus_nats::delivery::Settle;
use wagglebus_nats::error::NoAnswer;
use wagglebus_nats::lost::{Known, lost_hand_overs};
use wagglebus_schemas::Priority;

use super::suite::{lane, ms, publish_low, take_low, text};
use super::world::{Isolated, Real, SOON, Setup, World};

/// A sidecar that asks a stopped server for a message, and dies: its connection goes without a word.
async fn ask_and_die(server: &TestServer, settings: Settings, shape: FetchShape) {
    let (connected, is_connected) = oneshot::channel();
    let (stopped, is_stopped) = oneshot::channel();
    let life = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // The runtime goes with this closure, and every socket in it.
        runtime.unwrap().block_on(async {
            let sidecar = Real::connect(settings).await;
            connected.send(()).unwrap();
            is_stopped.await.unwrap();
            sidecar.bus.fetch(&lane(Priority::Low), shape).await
        })
    });
    is_connected.await.unwrap();
    server.pause().unwrap();
    stopped.send(()).unwrap();
    let error = life.await.unwrap().unwrap_err();
    assert_eq!(error.fault, NoAnswer::Timeout.into());
    server.resume().unwrap();
}

/// The server executes the pull of the dead sidecar all the same, hands the message to nobody and counts it. It does so
/// across accounts; within one account it sees in time that nobody is left.
async fn is_brought_back_first(server: &TestServer, settings: Settings, bus: &impl Bus, shape: FetchShape) {
    publish_low(bus, &["1", "2"]).await;
    ask_and_die(server, settings, shape).await;
    let low = lane(Priority::Low);
    let counted = async {
        let mut look = tokio::time::interval(ms(10));
        loop {
            let state = bus.consumer_info(&low).await.unwrap();
            if state.num_ack_pending > 0 {
                return state;
            }
            look.tick().await;
        }
    };
    let state = tokio::time::timeout(SOON, counted).await;
    let state = state.expect("the server counts a hand-over");
    assert_eq!((state.delivered_stream_seq, state.num_ack_pending), (1, 1));
    let lost = lost_hand_overs(&low, &state, &Known::default());
    assert_eq!(lost.len(), 1);
    for subject in &lost {
        bus.settle(subject, Settle::Nak { delay: None }).await.unwrap();
    }
    let back = take_low(bus).await;
    assert_eq!(
        (text(&back), back.ack.meta().num_delivered),
        ("1", 2),
        "{shape:?}"
    );
    assert_eq!(text(&take_low(bus).await), "2");
}

const SHAPES: [FetchShape; 2] = [FetchShape::NoWait, FetchShape::AFTER_WAKE];

#[tokio::test]
async fn a_stopped_server_hands_over_to_nobody_and_we_get_it_back_first() {
    for shape in SHAPES {
        let world = Isolated::open(Setup::default()).await;
        is_brought_back_first(world.hive.server(), world.settings.clone(), world.bus(), shape).await;
    }
}
