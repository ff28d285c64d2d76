//! Appends to the coordinator's log: all lines or none, in order, and only where nobody else wrote (ADR 0034).

use bytes::Bytes;
use wagglebus_nats::jetstream::append::{AppendError, LINES_MAX, Line};
use wagglebus_nats::memory::Fault;
use wagglebus_schemas::event::EventKind;
use wagglebus_schemas::limits::HEADER_BYTES_MAX;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{Hive, Id};

use super::super::logs::{Keeper, Log};
use super::new_id;

fn line(kind: EventKind) -> Line {
    Line {
        subject: Subject::Event { kind }.build(&Hive::default()),
        id: new_id(),
        headers: vec![("ce-source", "/wb/coordinator".to_owned())],
        payload: Bytes::from_static(b"{}"),
    }
}

fn lines(count: usize) -> Vec<Line> {
    let kinds = [EventKind::Task, EventKind::Agent, EventKind::Leader];
    kinds.iter().cycle().take(count).map(|kind| line(*kind)).collect()
}

/// What the log is to hold.
fn as_stored(appends: &[&[Line]]) -> Vec<(u64, Option<Id>)> {
    let ids = appends
        .iter()
        .flat_map(|lines| lines.iter().map(|line| Some(line.id)));
    (1..).zip(ids).collect()
}

pub(in super::super) async fn lines_are_appended_in_order<K: Keeper>(keeper: K) {
    let log = keeper.log();
    let (first, second, third) = (lines(1), lines(LINES_MAX), lines(3));
    assert_eq!(log.append(0, &first).await.unwrap(), 1);
    assert_eq!(log.append(1, &second).await.unwrap(), 101);
    assert_eq!(log.append(101, &third).await.unwrap(), 104);
    assert_eq!(log.lines().await, as_stored(&[&first, &second, &third]));
}

pub(in super::super) async fn where_somebody_else_wrote_nothing_is_appended<K: Keeper>(keeper: K) {
    let log = keeper.log();
    let ours = lines(2);
    assert_eq!(log.append(0, &ours).await.unwrap(), 2);
    // Before the end, beyond it; other kinds of lines do not escape the fence either.
    for (after, count) in [(0, 1), (0, 3), (1, 1), (1, 3), (3, 1), (3, 2)] {
        for kind in [EventKind::Task, EventKind::Alert] {
            let stale: Vec<Line> = (0..count).map(|_| line(kind)).collect();
            let refused = log.append(after, &stale).await.unwrap_err();
            assert!(
                matches!(refused, AppendError::Fenced),
                "{count} after {after}: {refused}"
            );
        }
    }
    assert_eq!(log.lines().await, as_stored(&[&ours]));
}

pub(in super::super) async fn a_repeat_is_known_by_its_last_line<K: Keeper>(keeper: K) {
    let log = keeper.log();
    for (after, count) in [(0, 3), (3, 1), (4, 2)] {
        let ours = lines(count);
        let last = after + u64::try_from(count).unwrap();
        assert_eq!(log.append(after, &ours).await.unwrap(), last);
        assert_eq!(
            log.append(after, &ours).await.unwrap(),
            last,
            "{count} after {after}"
        );
        assert_eq!(log.lines().await.len(), usize::try_from(last).unwrap());
    }
}

pub(in super::super) async fn one_line_that_is_refused_takes_all_along<K: Keeper>(keeper: K) {
    let log = keeper.log();
    let ours = lines(2);
    assert_eq!(log.append(0, &ours).await.unwrap(), 2);
    let known = Line {
        id: ours[0].id,
        ..line(EventKind::Task)
    };
    let long = Line {
        headers: vec![("ce-source", "x".repeat(HEADER_BYTES_MAX))],
        ..line(EventKind::Task)
    };
    for bad in [known, long] {
        for place in [0, 1, 2] {
            let mut mixed = lines(2);
            mixed.insert(place, bad.clone());
            let refused = log.append(2, &mixed).await.unwrap_err();
            assert!(
                matches!(refused, AppendError::Publish(_)),
                "at {place}: {refused}"
            );
        }
    }
    // Nothing of it is left behind: neither lines nor ids nor a place.
    let more = lines(2);
    assert_eq!(log.append(2, &more).await.unwrap(), 4);
    assert_eq!(log.lines().await, as_stored(&[&ours, &more]));
}

pub(in super::super) async fn a_full_log_takes_nothing_and_says_so<K: Keeper>(keeper: K) {
    let log = keeper.log();
    let ours = lines(2);
    assert_eq!(log.append(0, &ours).await.unwrap(), 2);
    for count in [2, 3] {
        let refused = log.append(2, &lines(count)).await.unwrap_err();
        assert!(matches!(refused, AppendError::Publish(_)), "{refused}");
    }
    let last = lines(1);
    assert_eq!(log.append(2, &last).await.unwrap(), 3);
    let refused = log.append(3, &lines(1)).await.unwrap_err();
    assert!(matches!(refused, AppendError::Publish(_)), "{refused}");
    assert_eq!(log.lines().await, as_stored(&[&ours, &last]));
}

pub(in super::super) async fn neither_none_nor_too_many_are_an_append<K: Keeper>(keeper: K) {
    for count in [0, LINES_MAX + 1] {
        let refused = keeper.log().append(0, &lines(count)).await.unwrap_err();
        assert!(
            matches!(refused, AppendError::Lines(told) if told == count),
            "{refused}"
        );
    }
    assert_eq!(keeper.log().lines().await, []);
}

/// What the model loses by order, a network loses by chance.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_found_by_the_id_of_the_last_line() {
    let keeper = super::super::logs::InMemory::open(super::super::world::Setup::default()).await;
    let (log, ours) = (keeper.log(), lines(2));
    log.inject(Fault::Publish);
    let lost = log.append("WB_EVENTS", 0, &ours).unwrap_err();
    assert!(matches!(lost, AppendError::Publish(_)), "{lost}");
    log.inject(Fault::PubAck);
    assert_eq!(log.append("WB_EVENTS", 0, &ours).unwrap(), 2);
    log.set_connected(false);
    assert!(log.append("WB_EVENTS", 2, &lines(1)).is_err());
}
