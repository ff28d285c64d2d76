//! Tests of what a leader hears after it had stopped listening for a while.

use serde_json::json;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Draft, Id};

use super::tests::{LED, Stage, appended};
use super::{Appended, Coordination, Noted, Order, Record, Shortened, Told, Unreadable};
use crate::alert::{AlertNews, AlertOrder};
use crate::log::post::Origin;
use crate::log::{Source, World};
use crate::task::Ask;
use crate::task::rig::now;

fn id(n: u64) -> Id {
    format!("0192f0c1-7c1e-7b11-8a52-{n:012x}").parse().unwrap()
}

/// Mail to the coordinator from which nothing follows.
fn told(seq: u64) -> Told {
    let draft = Draft::text("coordinator".parse().unwrap(), "hello".to_owned());
    let message = draft.into_message(id(seq), "alice".parse().unwrap(), now(1_000).wall);
    Told { seq, message }
}

/// A record of a stream that nobody can read.
fn unreadable(stream: Stream, seq: u64) -> Unreadable {
    Unreadable {
        origin: Origin { stream, seq },
        record: Record {
            subject: "wb.receipt.coordinator.done.alice".to_owned(),
            msg_id: None,
            payload: b"?".to_vec(),
        },
        reason: DeadReason::Undecodable,
        detail: "?".to_owned(),
    }
}

fn submit(stage: &mut Stage, seq: u64) -> Vec<Order> {
    let body = serde_json::to_vec(&json!({"title": "work"})).unwrap();
    let id = id(100 + seq).to_string();
    let ask = Ask::read(TaskVerb::Submit, "sue".parse().unwrap(), seq, Some(&id), &body);
    stage.act(|c, desk| c.asked(desk, &ask))
}

#[test]
fn who_listens_again_hears_everything_that_it_heard_before_and_nothing_twice() {
    let mut stage = Stage::new();
    stage.coordination.set_waiting_max(4);
    stage.lead();
    let noted = Noted {
        seq: 6,
        id: id(1),
        notice: id(2),
        from: "alice".parse().unwrap(),
        level: ReceiptLevel::Seen,
        bridge: None,
    };
    let letter = AlertNews::Letter {
        seq: 8,
        agent: "alice".parse().unwrap(),
        reason: DeadReason::MaxDeliver,
        at: now(1_000).wall,
    };
    let report = AlertNews::Report {
        seq: 9,
        failure: None,
    };
    let answers = stage.act(|c, desk| c.told(desk, &told(5)));
    assert!(matches!(&answers[..], [Order::Publish(_)]), "{answers:?}");
    stage.act(|c, desk| c.noted(desk, noted));
    let letters = stage.act(|c, desk| c.unreadable(desk, &unreadable(Stream::Receipts, 7)));
    assert!(matches!(&letters[..], [Order::Publish(_)]), "{letters:?}");
    stage.act(|c, desk| c.alert_news(desk, letter));
    stage.act(|c, desk| c.alert_news(desk, report));

    // The log takes its time, and too much waits for it.
    let (_, events) = appended(submit(&mut stage, 1));
    let stops = |orders: Vec<Order>| orders.contains(&Order::StopListening);
    let commands = (2..10).find(|seq| stops(submit(&mut stage, *seq))).unwrap();
    let last = LED + events.len() as u64;
    stage.act(|c, desk| c.appended(desk, LED, Appended::Stored(last)));
    let orders = stage.act(Coordination::tick);
    let heard: Vec<&Order> = orders
        .iter()
        .filter(|order| {
            matches!(
                order,
                Order::Listen { .. } | Order::Alerts(AlertOrder::Listen { .. })
            )
        })
        .collect();
    let streams = Order::Listen {
        commands,
        messages: 5,
        receipts: 7,
    };
    let alerts = Order::Alerts(AlertOrder::Listen {
        dead_letters: 8,
        reports: 9,
    });
    assert_eq!(heard, [&streams, &alerts]);

    // Whatever comes once more all the same.
    assert_eq!(stage.act(|c, desk| c.told(desk, &told(5))), []);
    let unread = unreadable(Stream::Receipts, 7);
    assert_eq!(stage.act(|c, desk| c.unreadable(desk, &unread)), []);
}

/// A leader that decided commands, and read letters and reports, up to 50 at the time 1,000, and how others know its log.
fn led_for_long() -> (Stage, World) {
    let (mut stage, mut world) = (Stage::new(), World::new());
    let (first, machines) = stage.lead();
    let (_, events) = appended(submit(&mut stage, 50));
    let lines = [first, machines, events].concat();
    for (line, seq) in lines.iter().zip(1..) {
        world.apply(seq, line).unwrap();
    }
    let letter = AlertNews::Letter {
        seq: 50,
        agent: "alice".parse().unwrap(),
        reason: DeadReason::MaxDeliver,
        at: now(1_000).wall,
    };
    stage.act(|c, desk| c.alert_news(desk, letter));
    let report = AlertNews::Report {
        seq: 50,
        failure: None,
    };
    stage.act(|c, desk| c.alert_news(desk, report));
    (stage, world)
}

#[test]
fn a_stream_that_ends_before_what_was_read_of_it_is_read_from_its_own_place_on() {
    for (source, created_ms, commands, dead_letters, reports) in [
        // Made anew: all of it is new.
        (Source::Commands, 1_001, 0, 50, 50),
        (Source::DeadLetters, 1_001, 50, 0, 50),
        (Source::Reports, 1_001, 50, 50, 0),
        // Of the one that was read the end is lost: what is left was decided.
        (Source::Commands, 1, 2, 50, 50),
        (Source::DeadLetters, 1, 50, 2, 50),
    ] {
        let (mut stage, mut world) = led_for_long();
        let found = Shortened {
            source,
            last: 2,
            created: now(created_ms).wall,
        };
        let orders = stage.act(|c, desk| c.shortened(desk, found));
        assert_eq!(orders[0], Order::StopListening, "{source:?}");
        let listens: Vec<&Order> = orders
            .iter()
            .filter(|order| {
                matches!(
                    order,
                    Order::Listen { .. } | Order::Alerts(AlertOrder::Listen { .. })
                )
            })
            .collect();
        let stream = Order::Listen {
            commands,
            messages: 0,
            receipts: 0,
        };
        let alerts = Order::Alerts(AlertOrder::Listen {
            dead_letters,
            reports,
        });
        assert_eq!(listens, [&stream, &alerts], "{source:?}");
        let again = stage.act(|c, desk| c.shortened(desk, found));
        assert_eq!(again, [], "the same word of a reader that is not stopped yet");

        // Everybody comes to the same place, and what comes then counts.
        let stored = world.last();
        let orders = stage.act(|c, desk| c.appended(desk, LED, Appended::Stored(stored)));
        for (line, seq) in appended(orders).1.iter().zip(stored + 1..) {
            world.apply(seq, line).unwrap();
        }
        let read = world.alerts().read();
        let place = match source {
            Source::DeadLetters => read.dead_letters,
            Source::Reports => read.reports,
            Source::Commands | Source::Messages | Source::Receipts => world.last_decided("WB_TASKS"),
        };
        assert_eq!(
            place,
            [commands, dead_letters, reports].into_iter().min().unwrap()
        );
    }
}

#[test]
fn a_command_of_a_stream_that_was_made_anew_is_decided() {
    let (mut stage, _) = led_for_long();
    let found = Shortened {
        source: Source::Commands,
        last: 0,
        created: now(5_000).wall,
    };
    let tasks = stage.coordination.world().tasks().count();
    stage.act(|c, desk| c.shortened(desk, found));
    submit(&mut stage, 1);
    assert_eq!(stage.coordination.world().tasks().count(), tasks + 1);
    assert_eq!(stage.coordination.world().last_decided("WB_TASKS"), 1);
}
