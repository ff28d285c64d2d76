//! Order, window and stop rule of the outbox.

use proptest::prelude::*;

use super::*;

fn id(n: u64) -> Id {
    Id::from_bytes(u128::from(n).to_be_bytes())
}

fn filled(records: &[(u64, Priority)]) -> Outbox {
    let mut outbox = Outbox::default();
    for (n, lane) in records {
        outbox.push(*lane, *n, id(*n), None);
    }
    outbox.connected();
    outbox
}

fn next(outbox: &mut Outbox, now_ms: u64) -> Option<Id> {
    outbox.next(now_ms, |_| 0).map(|next| next.id)
}

#[test]
fn nothing_leaves_while_the_bus_is_down() {
    let mut outbox = filled(&[(1, Priority::Normal)]);
    outbox.disconnected();
    assert_eq!(next(&mut outbox, 0), None);
    outbox.connected();
    assert_eq!(next(&mut outbox, 0), Some(id(1)));
}

#[test]
fn a_disconnect_puts_back_what_was_under_way() {
    let mut outbox = filled(&[(1, Priority::Low), (2, Priority::Low), (3, Priority::Low)]);
    next(&mut outbox, 0);
    next(&mut outbox, 0);
    outbox.disconnected();
    outbox.finished(&id(1));
    outbox.connected();
    let order: Vec<_> = std::iter::from_fn(|| next(&mut outbox, 0)).collect();
    assert_eq!(order, [id(1), id(2), id(3)]);
}

#[test]
fn an_urgent_record_overtakes_a_backlog() {
    let mut outbox = filled(&(0..100).map(|n| (n, Priority::Low)).collect::<Vec<_>>());
    next(&mut outbox, 0);
    outbox.push(Priority::Urgent, 200, id(200), None);
    assert_eq!(next(&mut outbox, 0), Some(id(200)));
}

#[test]
fn a_failure_stops_the_outbox_until_all_others_are_answered() {
    let mut outbox = filled(&[
        (1, Priority::Low),
        (2, Priority::Low),
        (3, Priority::Low),
        (4, Priority::Low),
    ]);
    for _ in 0..3 {
        next(&mut outbox, 0);
    }
    outbox.failed(&id(2), 0);
    assert_eq!(next(&mut outbox, 60_000), None, "1 and 3 are under way");
    outbox.finished(&id(1));
    outbox.failed(&id(3), 60_000);
    let order: Vec<_> = std::iter::from_fn(|| next(&mut outbox, 60_000)).collect();
    assert_eq!(order, [id(2), id(3), id(4)]);
}

#[test]
fn pauses_grow_and_are_forgotten_at_a_success() {
    let mut outbox = filled(&[(1, Priority::Low)]);
    let mut pauses = Vec::new();
    let mut now = 0;
    for _ in 0..8 {
        next(&mut outbox, now);
        outbox.failed(&id(1), now);
        pauses.push(outbox.next_timer().unwrap() - now);
        now = outbox.next_timer().unwrap();
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    next(&mut outbox, now);
    outbox.finished(&id(1));
    outbox.push(Priority::Low, 2, id(2), None);
    next(&mut outbox, now);
    outbox.failed(&id(2), now);
    assert_eq!(outbox.next_timer().unwrap() - now, PAUSE_MS_MIN);
}

#[test]
fn the_window_is_bounded() {
    let mut outbox = filled(&(0..2_000).map(|n| (n, Priority::Low)).collect::<Vec<_>>());
    assert_eq!(std::iter::from_fn(|| next(&mut outbox, 0)).count(), WINDOW_MAX);
}

proptest! {
    /// However answers and failures come, each lane's records are stored in the order of acceptance as long as a
    /// failure means "not stored", every record is stored in the end, and no record leaves while it is under way.
    #[test]
    fn lanes_keep_their_order(
        lanes in prop::collection::vec(0usize..4, 1..60),
        answers in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..200),
    ) {
        let records: Vec<_> = lanes.iter().enumerate().map(|(n, lane)| (n as u64, Priority::ALL[*lane])).collect();
        let mut outbox = filled(&records);
        let mut under_way: Vec<Id> = Vec::new();
        let mut stored: Vec<Id> = Vec::new();
        let mut now = 0;
        let mut answers = answers.into_iter();
        // A server answers one connection in order: once it fails a publish, it fails those sent after it too.
        loop {
            now += 10_000;
            while let Some(id) = next(&mut outbox, now) {
                prop_assert!(!under_way.contains(&id));
                under_way.push(id);
            }
            if under_way.is_empty() { break }
            let fails = match answers.next() {
                Some((index, true)) => index.index(under_way.len()),
                _ => under_way.len(),
            };
            for (n, id) in under_way.drain(..).enumerate() {
                if n < fails { outbox.finished(&id); stored.push(id) } else { outbox.failed(&id, now) }
            }
        }
        prop_assert_eq!(stored.len(), records.len());
        for lane in Priority::ALL {
            let of_lane: Vec<_> = stored.iter().filter(|s| records.iter().any(|(n, l)| id(*n) == **s && l == lane)).collect();
            let mut sorted = of_lane.clone();
            sorted.sort();
            prop_assert_eq!(of_lane, sorted);
        }
    }
}
