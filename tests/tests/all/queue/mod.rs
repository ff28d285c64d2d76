//! `AgentMessageQueue` in each language, on real sidecars and a real bus.

mod history;
mod languages;
mod rust;

use wagglebus_client::AgentMessageQueue;
use wagglebus_harness::fleet::{Fleet, Options};

/// A hive with a coordinator and the sidecars of alice and bob, and a queue over them.
async fn open() -> (Fleet, AgentMessageQueue) {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    for name in ["alice", "bob"] {
        fleet.start(name, &Options::http()).await.unwrap();
    }
    let queue = AgentMessageQueue::new(fleet.bus().places().clone());
    (fleet, queue)
}

/// Adds carol, and puts alice and bob into room:design.
async fn join_design(fleet: &mut Fleet) {
    fleet.enrol(&["carol"]).await.unwrap();
    fleet.start("carol", &Options::http()).await.unwrap();
    for name in ["alice", "bob"] {
        let client = fleet.sidecar(name).unwrap().client();
        client
            .change_room(&"design".parse().unwrap(), true)
            .await
            .unwrap();
    }
}
