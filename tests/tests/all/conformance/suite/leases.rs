//! Leases: written by compare and set, and read back.

use bytes::Bytes;
use wagglebus_nats::bus::Bus;
use wagglebus_nats::error::LeaseError;
use wagglebus_nats::lease::{LeaseRecord, LeaseRef};
use wagglebus_schemas::Hive;

use super::super::world::{SOON, World, alice};
use super::ms;

pub(in super::super) async fn a_lease_is_written_by_one<W: World>(world: W) {
    let key = LeaseRef::new(&Hive::default(), &alice());
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    assert_eq!(world.bus().lease_read(&key).await, Ok(None));
    let acquired = world.bus().lease_write(&key, one.clone(), 0).await.unwrap();
    let conflict = LeaseError::Conflict {
        subject: key.subject.clone(),
        last: Some(acquired),
    };
    assert_eq!(
        world.bus().lease_write(&key, two.clone(), 0).await,
        Err(conflict.clone())
    );
    let read = world.bus().lease_read(&key).await.unwrap();
    assert_eq!(
        read,
        Some(LeaseRecord {
            value: one.clone(),
            seq: acquired
        })
    );
    let renewed = world
        .bus()
        .lease_write(&key, one.clone(), acquired)
        .await
        .unwrap();
    assert!(renewed > acquired);
    let stale = world.bus().lease_write(&key, two, acquired).await;
    let held = LeaseError::Conflict {
        subject: key.subject.clone(),
        last: Some(renewed),
    };
    assert_eq!(stale, Err(held));
    let read = world.bus().lease_read(&key).await.unwrap();
    assert_eq!(
        read,
        Some(LeaseRecord {
            value: one,
            seq: renewed
        })
    );
}

pub(in super::super) async fn a_lease_ends_by_itself<W: World>(world: W) {
    let key = LeaseRef::new(&Hive::default(), &alice());
    let value = Bytes::from_static(b"one");
    let first = world.bus().lease_write(&key, value.clone(), 0).await.unwrap();
    let gone = async {
        let mut look = tokio::time::interval(ms(20));
        while world.bus().lease_read(&key).await.unwrap().is_some() {
            look.tick().await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
    let second = world.bus().lease_write(&key, value, 0).await.unwrap();
    assert!(second > first, "an epoch never comes twice");
}
