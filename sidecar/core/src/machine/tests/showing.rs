//! What the machine shows of itself: heartbeats and readiness.

use wagglebus_schemas::Priority;
use wagglebus_schemas::state::SessionState;

use super::rig::{Rig, lane_state, now};
use crate::effect::Effect;
use crate::event::{Event, LeaseOutcome};

const LOW: Priority = Priority::Low;

#[test]
fn the_last_heartbeat_says_that_the_agent_is_gone() {
    let mut rig = Rig::up("bob", 1);
    let effects = rig.step(Event::Drain);
    let last: Vec<_> = effects.iter().rev().take(2).collect();
    assert_eq!(last, [&Effect::Drained, &Effect::Heartbeat]);
    assert_eq!(rig.sidecar.view(now(rig.now_ms)).state, SessionState::Gone);
}

#[test]
fn a_consumer_that_is_not_there_is_named_once_until_it_is() {
    let mut rig = Rig::new("bob", 1);
    rig.step(Event::BusUp);
    rig.step(Event::Lease(LeaseOutcome::Read(None)));
    rig.step(Event::Lease(LeaseOutcome::Written(7)));
    let refused = Event::ConsumerRefused {
        lane: Some(LOW),
        why: "consumer not found".into(),
    };
    let warned = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Warn { .. }));
    assert!(warned(&rig.step(refused.clone())));
    let failure = |rig: &Rig| rig.sidecar.view(now(rig.now_ms)).consumer_failure;
    assert_eq!(failure(&rig).as_deref(), Some("consumer not found"));
    let effects = rig.pass(1_000);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckLane { lane: LOW, .. }))
    );
    assert!(!warned(&rig.step(refused)));
    let state = Some(lane_state());
    rig.step(Event::LaneChecked { lane: LOW, state });
    assert_eq!(failure(&rig), None);
}
