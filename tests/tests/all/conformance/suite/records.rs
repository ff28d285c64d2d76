//! Records of the coordinator: written by compare and set, and whoever knows more wins.

use serde_json::{Map, Value, json};
use wagglebus_nats::repository::{
    CoordinationRepository, CoordinationState, Repository, Revised, Settled, StateError,
};
use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Bucket;

use super::super::world::World;

const KEY: &str = "task.0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";

fn state(event_seq: u64, word: &str) -> CoordinationState {
    let record: Map<String, Value> = json!({ "state": word }).as_object().unwrap().clone();
    CoordinationState { event_seq, record }
}

fn repository<W: World>(world: &W) -> Repository<W::Bus> {
    Repository::new(world.bus().clone(), Hive::default())
}

pub(in super::super) async fn of_two_writers_one_wins<W: World>(world: W) {
    let repository = repository(&world);
    let read = repository.retrieve_coordination_state(Bucket::Fsm, KEY).await;
    assert_eq!(read.unwrap(), None);
    let store = |state: CoordinationState, revision| {
        let repository = repository.clone();
        async move {
            repository
                .store_coordination_state(Bucket::Fsm, KEY, &state, revision)
                .await
        }
    };
    let (one, two) = (state(1, "pending"), state(2, "assigned"));
    let first = store(one.clone(), 0).await.unwrap();
    let both = futures::future::join_all((0..8).map(|_| store(two.clone(), first))).await;
    let won: Vec<u64> = both
        .iter()
        .filter_map(|stored| stored.as_ref().ok())
        .copied()
        .collect();
    let [second] = won[..] else { panic!("{both:?}") };
    assert!(second > first);
    let stale = |stored: &&Result<u64, StateError>| matches!(stored, Err(StateError::Stale { .. }));
    assert_eq!(both.iter().filter(stale).count(), 7, "{both:?}");
    let late = store(one, first).await;
    assert!(matches!(late, Err(StateError::Stale { .. })), "{late:?}");
    let read = repository.retrieve_coordination_state(Bucket::Fsm, KEY).await;
    let there = Revised {
        state: Some(two),
        revision: second,
    };
    assert_eq!(read.unwrap(), Some(there));
}

pub(in super::super) async fn who_knows_more_wins<W: World>(world: W) {
    let repository = repository(&world);
    let place = (Bucket::Tasks, KEY);
    let settle = |state: CoordinationState, known, force| {
        let repository = repository.clone();
        async move { repository.settle(place, &state, known, force).await.unwrap() }
    };
    let first = settle(state(5, "assigned"), None, false).await;
    assert!(matches!(first, Settled::Stored(_)));
    // A leader that was stopped: it knows the revision of before, and less of the log.
    let newer = settle(state(9, "completed"), Some(first.revision()), false).await;
    assert!(matches!(newer, Settled::Stored(_)));
    let stale = settle(state(7, "in_progress"), Some(first.revision()), false).await;
    assert_eq!(stale, Settled::Newer(newer.revision()));
    let same = settle(state(9, "completed"), None, false).await;
    assert_eq!(same, Settled::Newer(newer.revision()));
    let read = repository.retrieve_coordination_state(place.0, place.1).await;
    assert_eq!(read.unwrap().unwrap().state, Some(state(9, "completed")));
    // A log that was made anew.
    let forced = settle(state(1, "pending"), None, true).await;
    assert!(matches!(forced, Settled::Stored(_)));
    let read = repository.retrieve_coordination_state(place.0, place.1).await;
    assert_eq!(read.unwrap().unwrap().state, Some(state(1, "pending")));
}
