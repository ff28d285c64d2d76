//! Seeded worlds in which everything goes wrong. `PROPTEST_CASES` says how many seeds each test tries.

use wagglebus_schemas::Priority;

use super::world::{Sabotage, World};

fn seeds(default: u64) -> std::ops::Range<u64> {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    0..cases.unwrap_or(default)
}

#[test]
fn nothing_is_lost_or_shown_twice_whatever_fails() {
    for seed in seeds(24) {
        World::new(seed, 60).run(4_000);
    }
}

#[test]
fn a_power_cut_costs_only_what_the_disk_had_not_confirmed() {
    for seed in seeds(12) {
        let mut world = World::new(1_000_000 + seed, 40);
        world.power_cuts = true;
        world.run(3_000);
    }
}

/// The checkers themselves: each broken rule is noticed in one of the worlds.
#[test]
fn a_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for sabotage in [
        Sabotage::ForgetsEnds,
        Sabotage::ForgetsHandOvers,
        Sabotage::ForgetsAccepted,
        Sabotage::ShufflesPublishes,
    ] {
        let noticed = (0..20).any(|seed| {
            let run = || World::new(seed, 60).sabotaged(sabotage).run(4_000);
            std::panic::catch_unwind(run).is_err()
        });
        if !noticed {
            unnoticed.push(sabotage);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
/// A restart shows nothing twice, wherever in the spool the process died.
#[test]
fn a_process_may_die_between_any_two_records() {
    for (seed, node) in [(1, 0), (2, 1), (3, 2)] {
        let mut world = World::calm(seed, 8);
        world.run(0);
        for records in 1..=world.records(node) {
            World::calm(seed, 8).dying(node, records).run(0);
        }
    }
}

/// Whichever record the disk has no room for: nothing is lost, and everything goes on once there is room.
#[test]
fn a_disk_may_be_full_from_any_record_on() {
    for (seed, node) in [(1, 0), (2, 1), (3, 2)] {
        let mut world = World::calm(seed, 8);
        world.run(0);
        for records in 0..=world.records(node) {
            World::calm(seed, 8).filling(node, records).run(400);
        }
    }
}

#[test]
fn the_head_of_low_waits_for_at_most_35_hand_overs() {
    for seed in 0..20 {
        let mut world = World::calm(seed, 0);
        for lane in Priority::ALL.iter().rev() {
            world.backlog("alice", "bob", *lane, 80);
        }
        world.reads_a_stream(1);
        world.run(0);
        let lows = world
            .turns
            .iter()
            .enumerate()
            .filter(|(_, (_, lane))| *lane == Priority::Low);
        let lows: Vec<_> = lows.map(|(at, _)| at).collect();
        assert_eq!((world.turns[0].1, lows.len()), (Priority::Urgent, 80));
        assert!(
            lows[0] < 35 && lows.windows(2).all(|two| two[1] - two[0] <= 35),
            "{lows:?}"
        );
    }
}
