//! Tests of what many agents and tasks cost: each is a bound that is missed many times over where a step looks at all of
//! them.

use std::time::{Duration, Instant};

use super::Stage;
use crate::task::rig::roster;

#[test]
fn who_listens_asks_nobody_at_each_event_who_is_there() {
    let mut stage = Stage::new();
    stage.lead();
    let names: Vec<String> = (0..2_000).map(|n| format!("agent-{n}")).collect();
    let agents: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    stage.roster = roster(&agents);
    let begun = Instant::now();
    for _ in 0..500_000 {
        stage.act(|c, desk| c.listen(desk, 0));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
