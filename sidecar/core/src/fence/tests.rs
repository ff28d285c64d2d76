//! The claim on the lease, step by step.

use wagglebus_schemas::Timestamp;

use super::*;

fn identity(instance: u8, state: u8) -> Identity {
    Identity {
        agent: "alice".parse().unwrap(),
        instance: Id::from_bytes([instance; 16]),
        state_id: Id::from_bytes([state; 16]),
        host: "here".into(),
        pid: 1,
    }
}

fn now(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        wall: Timestamp::from_unix_ms(0).unwrap(),
    }
}

fn lease_of(identity: &Identity) -> Lease {
    let Identity {
        agent,
        instance,
        state_id,
        host,
        pid,
    } = identity.clone();
    Lease {
        agent,
        instance,
        state_id,
        host,
        pid,
        at: now(0).wall,
    }
}

fn held(at_ms: u64) -> Fence {
    let mut fence = Fence::new(identity(1, 1), false);
    assert_eq!(fence.due(now(at_ms)), Some(FenceStep::Read));
    let step = fence.answered(now(at_ms), LeaseOutcome::Read(None));
    assert!(matches!(step, Some(FenceStep::Write { expected: 0, .. })));
    let step = fence.answered(now(at_ms + 100), LeaseOutcome::Written(7));
    assert_eq!(step, Some(FenceStep::Acquired { epoch: 7 }));
    fence
}

#[test]
fn a_free_lease_is_acquired_and_counts_from_when_it_was_sent() {
    let fence = held(1_000);
    assert_eq!(fence.epoch(), 7);
    assert!(fence.holds(now(1_000 + LEASE_MS - 1)));
    assert!(!fence.holds(now(1_000 + LEASE_MS)));
}

#[test]
fn a_renewal_keeps_the_epoch() {
    let mut fence = held(0);
    assert_eq!(fence.due(now(RENEW_MS - 1)), None);
    assert!(matches!(
        fence.due(now(RENEW_MS)),
        Some(FenceStep::Write { expected: 7, .. })
    ));
    assert_eq!(fence.due(now(RENEW_MS)), None, "one at a time");
    assert_eq!(fence.answered(now(RENEW_MS + 5), LeaseOutcome::Written(9)), None);
    assert_eq!(fence.epoch(), 7);
    assert!(fence.holds(now(RENEW_MS + LEASE_MS - 1)));
    assert!(!fence.holds(now(RENEW_MS + LEASE_MS)));
}

#[test]
fn another_sidecars_lease_fences_for_good() {
    let mut fence = Fence::new(identity(1, 1), false);
    fence.due(now(0));
    let other = lease_of(&identity(2, 2));
    let step = fence.answered(now(0), LeaseOutcome::Read(Some((other.clone(), 3))));
    assert_eq!(
        step,
        Some(FenceStep::Fenced {
            holder: Box::new(other)
        })
    );
    assert_eq!(fence.answered(now(1), LeaseOutcome::Read(None)), None);
    assert_eq!(fence.due(now(60_000)), None);
}

#[test]
fn takeover_takes_a_living_lease_once() {
    let mut fence = Fence::new(identity(1, 1), true);
    fence.due(now(0));
    let step = fence.answered(now(0), LeaseOutcome::Read(Some((lease_of(&identity(2, 2)), 3))));
    assert!(matches!(step, Some(FenceStep::Write { expected: 3, .. })));
    assert_eq!(
        fence.answered(now(0), LeaseOutcome::Conflict),
        Some(FenceStep::Read)
    );
    let step = fence.answered(now(0), LeaseOutcome::Read(Some((lease_of(&identity(3, 3)), 4))));
    assert!(
        matches!(step, Some(FenceStep::Fenced { .. })),
        "the other one took it back"
    );
}

#[test]
fn a_holder_that_renews_meanwhile_is_taken_over_all_the_same() {
    let mut fence = Fence::new(identity(1, 1), true);
    fence.due(now(0));
    let found = |seq| LeaseOutcome::Read(Some((lease_of(&identity(2, 2)), seq)));
    fence.answered(now(0), found(3));
    fence.answered(now(0), LeaseOutcome::Conflict);
    let step = fence.answered(now(0), found(4));
    assert!(matches!(step, Some(FenceStep::Write { expected: 4, .. })));
    let step = fence.answered(now(0), LeaseOutcome::Written(5));
    assert_eq!(step, Some(FenceStep::Acquired { epoch: 5 }));
}

#[test]
fn the_same_state_folder_takes_over_at_once() {
    let mut fence = Fence::new(identity(2, 1), false);
    fence.due(now(0));
    let step = fence.answered(now(0), LeaseOutcome::Read(Some((lease_of(&identity(1, 1)), 3))));
    assert!(matches!(step, Some(FenceStep::Write { expected: 3, .. })));
}

#[test]
fn a_lost_answer_to_a_renewal_is_settled_by_reading() {
    let mut fence = held(0);
    fence.due(now(RENEW_MS));
    assert_eq!(fence.answered(now(RENEW_MS + 5_000), LeaseOutcome::Failed), None);
    assert!(matches!(
        fence.due(now(RENEW_MS + 6_000)),
        Some(FenceStep::Write { expected: 7, .. })
    ));
    assert_eq!(
        fence.answered(now(RENEW_MS + 6_001), LeaseOutcome::Conflict),
        Some(FenceStep::Read)
    );
    let ours = lease_of(&identity(1, 1));
    let step = fence.answered(now(RENEW_MS + 6_002), LeaseOutcome::Read(Some((ours, 8))));
    assert!(matches!(step, Some(FenceStep::Write { expected: 8, .. })));
    fence.answered(now(RENEW_MS + 6_003), LeaseOutcome::Written(10));
    assert_eq!(fence.epoch(), 7);
    assert!(fence.holds(now(RENEW_MS + 7_000)));
}

#[test]
fn a_lease_that_expired_while_cut_off_is_acquired_anew() {
    let mut fence = held(0);
    fence.disconnected(now(1_000));
    let late = LEASE_MS + 5_000;
    assert!(!fence.holds(now(late)));
    assert!(matches!(
        fence.due(now(late)),
        Some(FenceStep::Write { expected: 7, .. })
    ));
    assert_eq!(
        fence.answered(now(late), LeaseOutcome::Conflict),
        Some(FenceStep::Read)
    );
    assert!(matches!(
        fence.answered(now(late), LeaseOutcome::Read(None)),
        Some(FenceStep::Write { expected: 0, .. })
    ));
    assert_eq!(
        fence.answered(now(late), LeaseOutcome::Written(20)),
        Some(FenceStep::Acquired { epoch: 20 })
    );
    assert_eq!(fence.epoch(), 20);
}

#[test]
fn a_lease_lost_to_another_while_cut_off_fences() {
    let mut fence = held(0);
    fence.disconnected(now(1_000));
    fence.due(now(30_000));
    fence.answered(now(30_000), LeaseOutcome::Conflict);
    let step = fence.answered(
        now(30_000),
        LeaseOutcome::Read(Some((lease_of(&identity(2, 2)), 9))),
    );
    assert!(matches!(step, Some(FenceStep::Fenced { .. })));
    assert!(!fence.holds(now(30_000)) && fence.epoch() == 0);
}

#[test]
fn an_answer_of_an_earlier_connection_extends_nothing() {
    let mut fence = held(0);
    fence.due(now(RENEW_MS));
    fence.disconnected(now(RENEW_MS + 1));
    fence.answered(now(RENEW_MS + 2), LeaseOutcome::Written(9));
    assert!(!fence.holds(now(LEASE_MS)));
}
