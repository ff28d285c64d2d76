//! Tests of what is published again by a successor: nothing is lost with a leader, whatever the clocks say.

use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;

use super::*;
use crate::lead::{Record, Unreadable};
use crate::log::Letter;
use crate::log::post::{Origin, PostData};

const HOUR_MS: u64 = 3_600_000;

fn letters(orders: &[Order]) -> Vec<&Letter> {
    let published = orders.iter().filter_map(|order| {
        let Order::Publish(letter) = order else {
            return None;
        };
        Some(letter)
    });
    published.collect()
}

fn post_data(event: &Event) -> PostData {
    serde_json::from_value(event.data.clone().into()).unwrap()
}

impl Stage {
    /// A leader, and the lines of its log so far.
    fn leading() -> (Self, Vec<Event>) {
        let mut stage = Self::new();
        let (first, machines) = stage.lead();
        (stage, first.into_iter().chain(machines).collect())
    }

    /// Has what was appended stored; what follows then.
    fn keep(&mut self, lines: &mut Vec<Event>, (after, events): (u64, Vec<Event>)) -> Vec<Order> {
        assert_eq!(after, lines.len() as u64);
        lines.extend(events);
        let last = lines.len() as u64;
        self.act(|c, desk| c.appended(desk, after, Appended::Stored(last)))
    }

    /// Somebody else begins to lead after these lines: what it orders then.
    fn heir(now_ms: u64, lines: &[Event]) -> (Self, Vec<Event>, Vec<Order>) {
        let mut stage = Self::new();
        // Ids of its own.
        stage.ids = Ids::after(10_000);
        stage.now = now(now_ms);
        for (event, seq) in lines.iter().zip(1..) {
            stage.read(seq, event);
        }
        let last = lines.len() as u64;
        stage.act(|c, desk| c.caught_up(desk, last));
        let (_, first) = appended(stage.act(Coordination::elected));
        let orders = stage.read(last + 1, &first[0]);
        let mut lines = lines.to_vec();
        lines.extend(first);
        (stage, lines, orders)
    }

    /// Time passes until the log is told what was read and published.
    fn mark(&mut self) -> (u64, Vec<Event>) {
        self.now = now(self.now.boot_ms + 10_000);
        appended(self.act(Coordination::tick))
    }
}

#[test]
fn what_may_not_be_published_is_published_again_whatever_the_clocks_say() {
    // The leader's clock leaps between two decisions, and so does its successor's.
    for (leap_ms, later_ms) in [
        (0, 0),
        (HOUR_MS, HOUR_MS),
        (HOUR_MS, 100 * HOUR_MS),
        (100 * HOUR_MS, 0),
    ] {
        let (mut stage, mut lines) = Stage::leading();
        let decided = stage.submit_as(1);
        let first = stage.keep(&mut lines, decided);
        stage.now = now(1_000 + leap_ms);
        let decided = stage.submit_as(2);
        let second = stage.keep(&mut lines, decided);
        // It dies before anything is known to be stored.
        let (_, _, orders) = Stage::heir(1_000 + later_ms, &lines);
        let before: Vec<&Letter> = letters(&first).into_iter().chain(letters(&second)).collect();
        assert!(before.len() >= 3, "two verdicts and an assignment: {before:?}");
        assert_eq!(letters(&orders), before, "{leap_ms} {later_ms}");
    }
}

#[test]
fn after_days_of_silence_nothing_is_published_again_that_is_known_to_be() {
    for (silence_ms, expected) in [(39 * HOUR_MS, 2), (41 * HOUR_MS, 0)] {
        let (mut stage, mut lines) = Stage::leading();
        let decided = stage.submit();
        let orders = stage.keep(&mut lines, decided);
        let ids: Vec<Id> = letters(&orders).iter().map(|letter| letter.id).collect();
        let upto = lines.len() as u64;
        // The later of two is not enough.
        stage.act(|c, desk| c.published(desk, &ids[1..]));
        stage.now = now(stage.now.boot_ms + 10_000);
        let early = stage.act(Coordination::tick);
        assert!(!early.iter().any(|order| matches!(order, Order::Append { .. })));
        stage.act(|c, desk| c.published(desk, &ids[..1]));
        let marked = stage.mark();
        assert_eq!(post_data(&marked.1[0]).published, Some(upto));
        stage.keep(&mut lines, marked);
        let (_, _, orders) = Stage::heir(stage.now.boot_ms + silence_ms, &lines);
        assert_eq!(letters(&orders).len(), expected);
    }
}

#[test]
fn a_leader_that_does_not_tell_what_it_published_is_not_waited_for() {
    let (mut stage, mut lines) = Stage::leading();
    let decided = stage.submit();
    stage.keep(&mut lines, decided);
    lines[0].data.clear();
    let (successor, _, orders) = Stage::heir(1_000, &lines);
    assert_eq!(letters(&orders).len(), 2, "they are of the last minutes");
    let (successor_later, _, orders) = Stage::heir(41 * HOUR_MS, &lines);
    assert_eq!(letters(&orders).len(), 0);
    for stage in [successor, successor_later] {
        assert_eq!(stage.coordination.world().post().first_unpublished(), None);
    }
}

fn unreadable(stream: Stream, seq: u64) -> Unreadable {
    let subject = if stream == Stream::Messages {
        "wb.msg.coordinator.normal.sue"
    } else {
        "wb.task.submit.normal.sue"
    };
    Unreadable {
        origin: Origin { stream, seq },
        record: Record {
            subject: subject.to_owned(),
            msg_id: Some(Id::from_bytes([7; 16]).to_string()),
            payload: b"nothing".to_vec(),
        },
        reason: DeadReason::Undecodable,
        detail: "not JSON".to_owned(),
    }
}

#[test]
fn a_dead_letter_outlives_the_leader_that_could_not_store_it() {
    let (mut stage, mut lines) = Stage::leading();
    let mail = unreadable(Stream::Messages, 1);
    let orders = stage.act(|c, desk| c.unreadable(desk, &mail));
    let [letter, receipt] = letters(&orders)[..] else {
        panic!("{orders:?}")
    };
    let (letter, receipt) = (letter.clone(), receipt.clone());
    assert_eq!(
        stage.act(|c, desk| c.unreadable(desk, &mail)),
        [],
        "it is told of once"
    );
    // The log passes the message over, and says that its dead letter is owed.
    let marked = stage.mark();
    let words: Vec<&str> = marked.1.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(words, ["published", "read"]);
    assert_eq!(post_data(&marked.1[0]).owed[0].letter, letter.id);
    stage.keep(&mut lines, marked);

    let (mut successor, mut lines, orders) = Stage::heir(60_000, &lines);
    let began = orders.iter().find_map(|order| {
        let Order::Append { after, events } = order else {
            return None;
        };
        Some((*after, events.clone()))
    });
    if let Some(began) = began {
        successor.keep(&mut lines, began);
    }
    assert!(orders.contains(&Order::ReadAgain(mail.origin)), "{orders:?}");
    let orders = successor.act(|c, desk| c.reread_record(desk, mail.origin, Some(&mail.record)));
    assert_eq!(
        letters(&orders),
        [&letter, &receipt],
        "the same ones, under the same ids"
    );
    successor.act(|c, desk| c.published(desk, &[letter.id]));
    let settled = successor.mark();
    assert_eq!(post_data(&settled.1[0]).settled, [mail.origin]);
    assert_eq!(successor.coordination.world().post().owed().count(), 0);
}

#[test]
fn a_dead_letter_that_is_stored_costs_the_log_nothing() {
    let (mut stage, _) = Stage::leading();
    let orders = stage.act(|c, desk| c.unreadable(desk, &unreadable(Stream::Messages, 1)));
    let id = letters(&orders)[0].id;
    stage.act(|c, desk| c.published(desk, &[id]));
    let (_, marked) = stage.mark();
    let words: Vec<&str> = marked.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(words, ["read"]);
    assert!(marked[0].data.is_empty());
}

#[test]
fn a_command_that_nobody_can_be_answered_passes_its_own_dead_letter_over() {
    let (mut stage, _) = Stage::leading();
    let mail = unreadable(Stream::Tasks, 1);
    stage.act(|c, desk| c.unreadable(desk, &mail));
    let ask = Ask::read(TaskVerb::Submit, "sue".parse().unwrap(), 1, Some("no id"), b"{}");
    let (_, decided) = appended(stage.act(|c, desk| c.asked(desk, &ask)));
    let words: Vec<&str> = decided.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(words, ["published", "refused"]);
    assert_eq!(post_data(&decided[0]).owed[0].origin, mail.origin);
}

#[test]
fn many_dead_letters_wait_for_their_turn_without_their_bodies() {
    let (mut stage, _) = Stage::leading();
    let mut ids = Vec::new();
    for seq in 1..=300 {
        let orders = stage.act(|c, desk| c.unreadable(desk, &unreadable(Stream::Messages, seq)));
        ids.extend(letters(&orders).first().map(|letter| letter.id));
    }
    assert_eq!(ids.len(), 256);
    let orders = stage.act(|c, desk| c.published(desk, &ids[..2]));
    let next = |seq| {
        Order::ReadAgain(Origin {
            stream: Stream::Messages,
            seq,
        })
    };
    assert_eq!(orders, [next(257), next(258)]);
    // One that is gone is not waited for.
    let gone = Origin {
        stream: Stream::Messages,
        seq: 257,
    };
    let orders = stage.act(|c, desk| c.reread_record(desk, gone, None));
    assert!(matches!(
        orders[..],
        [Order::Warn(_), Order::ReadAgain(Origin { seq: 259, .. })]
    ));
}
