//! Tests of what one coordinator does about the log: who leads, and what it may believe.

mod post;

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{Hive, Id};

use super::{Appended, Coordination, Desk, Noted, Order};
use crate::attention::{Attended, Now};
use crate::roster::Roster;
use crate::task::Ask;
use crate::task::rig::{Ids, now, roster};

mod full;
mod load;

/// The last line once somebody leads: its first, and two of `alice`.
pub(super) const LED: u64 = 3;

pub(super) struct Stage {
    pub(super) coordination: Coordination,
    roster: Roster,
    ids: Ids,
    pub(super) now: Now,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            coordination: Coordination::new(Hive::default(), "a".to_owned()),
            roster: roster(&[("alice", &[])]),
            ids: Ids::default(),
            now: now(1_000),
        }
    }

    pub(super) fn act(&mut self, act: impl FnOnce(&mut Coordination, &mut Desk<'_>)) -> Vec<Order> {
        let mut orders = Vec::new();
        act(
            &mut self.coordination,
            &mut Desk {
                now: self.now,
                roster: &self.roster,
                ids: &mut self.ids,
                orders: &mut orders,
            },
        );
        orders
    }

    /// Reads an empty log and asks to lead: the append of its first line.
    pub(super) fn take(&mut self) -> (u64, Vec<Event>) {
        self.act(|c, desk| c.caught_up(desk, 0));
        appended(self.act(Coordination::elected))
    }

    pub(super) fn read(&mut self, seq: u64, event: &Event) -> Vec<Order> {
        let event = event.clone();
        self.act(|c, desk| c.logged(desk, seq, Ok(event)))
    }

    /// Reads its first line and stores what it has to say of who is there: `alice` is enrolled, and active.
    pub(super) fn lead(&mut self) -> (Vec<Event>, Vec<Event>) {
        let (_, first) = self.take();
        let (after, machines) = appended(self.read(1, &first[0]));
        let words: Vec<&str> = machines.iter().map(|event| event.event.as_str()).collect();
        assert_eq!((after, &words[..]), (1, &["enrol", "heartbeat"][..]));
        self.act(|c, desk| c.appended(desk, 1, Appended::Stored(LED)));
        (first, machines)
    }

    /// Somebody submits a task; what is appended of it.
    pub(super) fn submit(&mut self) -> (u64, Vec<Event>) {
        self.submit_as(1)
    }

    /// The same, as the command with this sequence.
    pub(super) fn submit_as(&mut self, seq: u64) -> (u64, Vec<Event>) {
        let id = format!("0192f0c1-7c1e-7b11-8a52-{seq:012}");
        let body = serde_json::to_vec(&json!({"title": "work"})).unwrap();
        let ask = Ask::read(TaskVerb::Submit, "sue".parse().unwrap(), seq, Some(&id), &body);
        appended(self.act(|c, desk| c.asked(desk, &ask)))
    }
}

pub(super) fn appended(orders: Vec<Order>) -> (u64, Vec<Event>) {
    let mut appends = orders.into_iter().filter_map(|order| match order {
        Order::Append { after, events } => Some((after, events)),
        Order::Publish(_)
        | Order::ReadAgain(_)
        | Order::Heard(_)
        | Order::Listen { .. }
        | Order::StopListening
        | Order::Reread
        | Order::Moved(_)
        | Order::Alerts(_)
        | Order::Warn(_)
        | Order::Resign
        | Order::Survey
        | Order::Project(_) => None,
    });
    appends.next().unwrap()
}

#[test]
fn it_leads_once_its_first_line_is_read() {
    let mut stage = Stage::new();
    let (after, first) = stage.take();
    assert_eq!((after, first.len(), first[0].event.as_str()), (0, 1, "leader"));
    assert_eq!(
        stage.coordination.next_ms(),
        None,
        "nothing is due while it is under way"
    );
    stage.act(|c, desk| c.appended(desk, 0, Appended::Stored(1)));
    assert!(!stage.coordination.leads());
    let orders = stage.read(1, &first[0]);
    assert!(stage.coordination.leads());
    assert!(
        orders.iter().any(|order| matches!(order, Order::Listen { .. })),
        "{orders:?}"
    );
    assert_eq!(stage.coordination.world().at(), first[0].at);
    stage.act(|c, desk| c.appended(desk, 1, Appended::Stored(LED)));
    assert_eq!(stage.submit().0, LED);
}

#[test]
fn who_stood_by_listens_at_once_though_somebody_enrolled_is_silent() {
    for (stood_by_ms, at_once) in [(1_000, false), (3_500, true)] {
        let mut stage = Stage::new();
        let carol = json!({
            "agent": "carol", "nkey": format!("U{:A<55}", "CAROL"), "ephemeral": false, "rooms": [],
            "at": "2026-01-02T03:04:05.000Z",
        });
        stage
            .roster
            .enrol(serde_json::from_value(carol).unwrap(), Attended::default());
        // Alice was heard at 0.
        stage.now = now(stood_by_ms);
        let (_, first) = stage.take();
        let orders = stage.read(1, &first[0]);
        assert!(stage.coordination.leads());
        let listens = orders.iter().any(|order| matches!(order, Order::Listen { .. }));
        assert_eq!(listens, at_once, "{stood_by_ms}: {orders:?}");
    }
}

#[test]
fn its_first_line_counts_though_the_answer_is_lost() {
    let mut stage = Stage::new();
    let (_, first) = stage.take();
    stage.read(1, &first[0]);
    assert!(stage.coordination.leads());
}

#[test]
fn an_answer_of_before_a_reread_makes_no_leader() {
    let mut stage = Stage::new();
    let (first, machines) = stage.lead();
    let (after, decided) = stage.submit();
    assert_eq!(after, LED);
    // The lease is lost, read again and held again while the append is under way.
    assert!(stage.act(Coordination::deposed).contains(&Order::Reread));
    stage.read(1, &first[0]);
    stage.read(2, &machines[0]);
    stage.read(3, &machines[1]);
    stage.act(|c, desk| c.caught_up(desk, LED));
    let (again, second) = appended(stage.act(Coordination::elected));
    assert_eq!((again, second.len()), (after, 1), "the same place in the log");
    // The old append was stored, and the new one therefore is refused.
    let last = LED + decided.len() as u64;
    stage.act(|c, desk| c.appended(desk, after, Appended::Stored(last)));
    assert!(!stage.coordination.leads());
    stage.act(|c, desk| c.appended(desk, after, Appended::Refused));
    for (event, seq) in decided.iter().zip(LED + 1..) {
        stage.read(seq, event);
    }
    stage.now = now(2_000);
    let (after, _) = appended(stage.act(Coordination::tick));
    assert_eq!(after, last, "it knows what was stored");
}

#[test]
fn who_was_followed_by_another_leader_tries_anew() {
    let mut stage = Stage::new();
    let (first, _) = stage.lead();
    let other = Event {
        id: Id::from_bytes([9; 16]),
        ..first[0].clone()
    };
    let orders = stage.read(LED + 1, &other);
    assert!(!stage.coordination.leads());
    assert!(
        orders.contains(&Order::Reread) && orders.contains(&Order::StopListening),
        "{orders:?}"
    );
}

#[test]
fn a_standby_notes_nothing_by_itself() {
    let mut leader = Stage::new();
    let (first, machines) = leader.lead();
    let (after, decided) = leader.submit();
    let mut standby = Stage::new();
    for (event, seq) in first.iter().chain(&machines).chain(&decided).zip(1..) {
        standby.read(seq, event);
    }
    let assigned: Vec<_> = standby
        .coordination
        .world()
        .in_state(TaskState::Assigned)
        .collect();
    let notice = assigned[0].notice.unwrap();
    let seen = Noted {
        seq: 1,
        id: Id::from_bytes([1; 16]),
        notice,
        from: assigned[0].task.assigned_to.clone().unwrap(),
        level: ReceiptLevel::Seen,
        bridge: None,
    };
    let orders = standby.act(|c, desk| c.noted(desk, seen.clone()));
    assert_eq!(orders, []);
    assert_eq!(
        standby.coordination.world().in_state(TaskState::Assigned).count(),
        1
    );
    let last = leader.coordination.world().last();
    leader.act(|c, desk| c.appended(desk, after, Appended::Stored(last)));
    let (_, noted) = appended(leader.act(|c, desk| c.noted(desk, seen)));
    let told: Vec<_> = noted
        .iter()
        .map(|event| (event.event.as_str(), event.to.as_str()))
        .collect();
    // The agent's own event goes into the log together with that of its task.
    assert_eq!(
        told,
        [("accept", "in_progress"), ("accept", "contract_execution_active")]
    );
    assert_eq!((noted[1].cause.id, noted[1].cause.seq), (noted[0].cause.id, None));
}

#[test]
fn a_first_line_of_a_clock_that_is_ahead_drops_no_letters() {
    let mut stage = Stage::new();
    let (first, machines) = stage.lead();
    let (_, decided) = stage.submit();
    let mut successor = Stage::new();
    successor.now = now(3_600_000);
    for (event, seq) in first.iter().chain(&machines).chain(&decided).zip(1..) {
        successor.read(seq, event);
    }
    let last = LED + decided.len() as u64;
    successor.act(|c, desk| c.caught_up(desk, last));
    let (_, second) = appended(successor.act(Coordination::elected));
    let orders = successor.read(last + 1, &second[0]);
    let letters = orders.iter().filter(|order| matches!(order, Order::Publish(_)));
    assert_eq!(letters.count(), 2, "the verdict and the assignment");
}

#[test]
fn who_was_cut_off_knows_nothing_until_it_has_read_on() {
    let mut standby = Stage::new();
    standby.act(|c, desk| c.caught_up(desk, 0));
    assert!(standby.coordination.is_caught_up());
    standby.act(Coordination::cut_off);
    assert!(!standby.coordination.is_caught_up());
    // It is not to lead on that either.
    assert_eq!(standby.act(Coordination::elected), []);
    let orders = standby.act(|c, desk| c.caught_up(desk, 0));
    assert!(standby.coordination.is_caught_up());
    assert!(
        matches!(orders[..], [Order::Append { after: 0, .. }]),
        "{orders:?}"
    );
}
