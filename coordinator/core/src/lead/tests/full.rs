//! Tests of what a leader does while the log or the messages take nothing (ADR 0053).

use serde_json::json;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskState;

use super::{LED, Stage, appended};
use crate::lead::{Appended, Coordination, Order};
use crate::log::Letter;
use crate::log::post::PUBLISHED;
use crate::task::rig::now;
use crate::task::{Ask, FreshIds as _};

const MINUTE_MS: u64 = 60_000;

impl Stage {
    /// Ticks each half second until `to_ms`; what is ordered. A line that says only what was published is stored at once.
    fn pass(&mut self, to_ms: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        while self.now.boot_ms < to_ms {
            self.now = now(to_ms.min(self.now.boot_ms + 500));
            let ordered = self.act(Coordination::tick);
            if ordered.iter().any(|order| is_append(order) && !decides(order)) {
                self.store();
            }
            orders.extend(ordered);
        }
        orders
    }

    /// Everything that was decided is stored; what is published then.
    fn store(&mut self) -> Vec<Letter> {
        let (after, last) = (
            self.coordination.appending.unwrap(),
            self.coordination.world().last(),
        );
        letters(self.act(|c, desk| c.appended(desk, after, Appended::Stored(last))))
    }

    fn arrive(&mut self, letters: &[Letter]) {
        let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
        self.act(|c, desk| c.published(desk, &ids));
    }

    /// All that was decided is stored, and what that brings.
    fn settle(&mut self) {
        while self.coordination.appending.is_some() {
            self.store();
        }
    }

    /// Whether a task was taken from somebody.
    fn took(&self) -> bool {
        let mut tasks = self.coordination.world().tasks();
        tasks.any(|entry| !entry.failed_on.is_empty())
    }

    /// One that leads after these lines, and what it publishes at once.
    fn successor(lines: &[&Event], at_ms: u64) -> (Self, Vec<Letter>) {
        let mut stage = Self::new();
        stage.now = now(at_ms);
        for (event, seq) in lines.iter().zip(1..) {
            stage.read(seq, event);
        }
        let last = lines.len() as u64;
        stage.act(|c, desk| c.caught_up(desk, last));
        let (_, first) = appended(stage.act(Coordination::elected));
        let published = letters(stage.read(last + 1, &first[0]));
        stage.settle();
        (stage, published)
    }
}

fn letters(orders: Vec<Order>) -> Vec<Letter> {
    let letters = orders.into_iter().filter_map(|order| {
        let Order::Publish(letter) = order else {
            return None;
        };
        Some(letter)
    });
    letters.collect()
}

const fn is_append(order: &Order) -> bool {
    matches!(order, Order::Append { .. })
}

/// Whether something is appended that says more than what was published.
fn decides(order: &Order) -> bool {
    let Order::Append { events, .. } = order else {
        return false;
    };
    events.iter().any(|event| event.event != PUBLISHED)
}

fn appends(orders: &[Order]) -> usize {
    orders.iter().filter(|order| decides(order)).count()
}

/// The receipts, and the messages.
fn parted(letters: Vec<Letter>) -> (Vec<Letter>, Vec<Letter>) {
    let is_message = |letter: &Letter| matches!(letter.subject, Subject::Message { .. });
    letters.into_iter().partition(|letter| !is_message(letter))
}

#[test]
fn the_time_to_accept_begins_when_the_notice_is_stored() {
    let mut stage = Stage::new();
    stage.lead();
    stage.submit();
    // The line is not stored, and then the notice is not.
    stage.pass(10 * MINUTE_MS);
    assert!(!stage.took());
    let (receipts, notices) = parted(stage.store());
    assert_eq!((receipts.len(), notices.len()), (1, 1));
    stage.arrive(&receipts);
    let orders = stage.pass(20 * MINUTE_MS);
    assert_eq!(appends(&orders), 0, "{orders:?}");
    stage.arrive(&notices);
    stage.pass(21 * MINUTE_MS - 1);
    assert!(!stage.took());
    stage.pass(21 * MINUTE_MS + 1_000);
    assert!(stage.took());
}

#[test]
fn while_the_log_takes_nothing_nothing_is_decided_of_ourselves() {
    let mut stage = Stage::new();
    stage.lead();
    stage.submit();
    let told = stage.store();
    stage.arrive(&told);
    // One more line is under way, and nobody answers; then the holder is lost.
    let body = json!({"title": "second"}).to_string();
    let id = stage.ids.fresh().to_string();
    let ask = Ask::read(
        TaskVerb::Submit,
        "sue".parse().unwrap(),
        2,
        Some(&id),
        body.as_bytes(),
    );
    stage.act(|c, desk| c.asked(desk, &ask));
    stage.pass(7_000);
    let alice: AgentId = "alice".parse().unwrap();
    stage.roster.remove(&alice);
    stage.act(|c, desk| {
        c.heard(alice);
        c.roster_changed(desk);
    });
    let orders = stage.pass(30 * MINUTE_MS);
    assert!(
        stage.coordination.queue.is_empty(),
        "{:?}",
        stage.coordination.queue
    );
    assert!(appends(&orders) == 0 && !stage.took());
    // There is room: it is said what is true by now.
    stage.store();
    stage.pass(30 * MINUTE_MS + 500);
    assert!(stage.took());
}

#[test]
fn whoever_was_told_has_all_its_time_after_the_log_took_nothing() {
    let mut stage = Stage::new();
    stage.lead();
    stage.submit();
    let told = stage.store();
    stage.arrive(&told);
    stage.pass(30_000);
    let id = stage.ids.fresh().to_string();
    let refused = Ask::read(TaskVerb::Accept, "alice".parse().unwrap(), 2, Some(&id), b"{}");
    stage.act(|c, desk| c.asked(desk, &refused));
    stage.pass(10 * MINUTE_MS);
    stage.store();
    stage.pass(11 * MINUTE_MS - 500);
    assert!(!stage.took());
    stage.pass(11 * MINUTE_MS + 500);
    assert!(stage.took());
}

#[test]
fn while_messages_are_not_taken_nothing_is_assigned_and_nothing_taken() {
    let mut stage = Stage::new();
    stage.lead();
    stage.submit();
    let (receipts, notices) = parted(stage.store());
    stage.arrive(&receipts);
    stage.pass(10_000);
    let alice: AgentId = "alice".parse().unwrap();
    stage.roster = crate::task::rig::roster(&[("alice", &[]), ("bob", &[])]);
    stage.roster.remove(&alice);
    stage.act(Coordination::roster_changed);
    for agent in ["alice", "bob"] {
        stage.act(|c, _| c.heard(agent.parse().unwrap()));
    }
    stage.pass(MINUTE_MS);
    stage.settle();
    stage.pass(10 * MINUTE_MS);
    stage.settle();
    assert!(!stage.took());
    let holder = |stage: &Stage| {
        let mut assigned = stage.coordination.world().in_state(TaskState::Assigned);
        assigned.next().unwrap().task.assigned_to.clone().unwrap()
    };
    assert_eq!(holder(&stage), alice);
    // There is room: whoever was lost was told at least, and somebody who is there gets it.
    stage.arrive(&notices);
    stage.pass(10 * MINUTE_MS + 500);
    assert_eq!(holder(&stage).as_str(), "bob");
    let told = stage.store();
    let (_, messages) = parted(told);
    assert_eq!(messages.len(), 2, "released, assigned");
}

#[test]
fn a_successor_tells_of_each_assignment_and_then_lets_its_time_begin() {
    let mut leader = Stage::new();
    let (first, machines) = leader.lead();
    let (_, decided) = leader.submit();
    let (_, notices) = parted(leader.store());
    let lines: Vec<&Event> = first.iter().chain(&machines).chain(&decided).collect();
    assert!(lines.len() as u64 > LED);
    let (mut stage, published) = Stage::successor(&lines, 5 * MINUTE_MS);
    assert_eq!(parted(published).1, notices);
    stage.pass(15 * MINUTE_MS);
    assert!(!stage.took());
    stage.arrive(&notices);
    stage.pass(16 * MINUTE_MS + 1_000);
    assert!(stage.took());
}

#[test]
fn a_notice_that_is_too_old_to_be_remembered_is_written_again_as_it_was() {
    let mut leader = Stage::new();
    let (mut first, machines) = leader.lead();
    // It is of a release that did not tell what it published: all is forgotten in time.
    first[0].data.clear();
    let (_, decided) = leader.submit();
    let (_, notices) = parted(leader.store());
    // Half an hour later somebody is answered: what followed before is forgotten.
    leader.pass(31 * MINUTE_MS);
    let id = leader.ids.fresh().to_string();
    let ask = Ask::read(TaskVerb::Accept, "alice".parse().unwrap(), 2, Some(&id), b"{}");
    let (_, later) = appended(leader.act(|c, desk| c.asked(desk, &ask)));
    let all = first.iter().chain(&machines).chain(&decided).chain(&later);
    let (stage, published) = Stage::successor(&all.collect::<Vec<_>>(), 40 * MINUTE_MS);
    assert!(
        !stage
            .coordination
            .world()
            .follows()
            .any(|letter| *letter == notices[0])
    );
    assert_eq!(parted(published).1, notices);
}

#[test]
fn what_waits_for_room_is_bounded_by_its_bytes() {
    let mut stage = Stage::new();
    stage.lead();
    let body = json!({"title": "large", "input": "x".repeat(90_000)}).to_string();
    let mut stopped = false;
    for seq in 1..=3_000 {
        let id = stage.ids.fresh().to_string();
        let from = "sue".parse().unwrap();
        let ask = Ask::read(TaskVerb::Submit, from, seq, Some(&id), body.as_bytes());
        let orders = stage.act(|c, desk| c.asked(desk, &ask));
        if orders.contains(&Order::StopListening) {
            stopped = true;
            break;
        }
    }
    assert!(stopped && !stage.coordination.listening);
    // The lines are stored, and nothing of what follows is.
    let letters = stage.store();
    stage.settle();
    stage.act(Coordination::tick);
    assert!(!stage.coordination.listening);
    stage.arrive(&letters);
    stage.act(Coordination::tick);
    assert!(stage.coordination.listening);
}
