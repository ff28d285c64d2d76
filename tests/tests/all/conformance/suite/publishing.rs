//! Publishes and their acks.

use bytes::Bytes;
use wagglebus_nats::error::{NoAnswer, PublishFault, Retry};
use wagglebus_schemas::Priority;
use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX};

use super::super::world::World;
use super::{new_id, note, publish, take_low, text};

pub(in super::super) async fn an_id_is_stored_once<W: World>(world: W) {
    let record = note(Priority::Low, "one");
    let first = publish(world.bus(), record.clone()).await.unwrap();
    assert_eq!(
        (first.stream.as_str(), first.seq, first.duplicate),
        ("WB_MESSAGES", 1, false)
    );
    let again = publish(world.bus(), record.clone()).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (1, true));
    let other = note(Priority::Urgent, "two");
    let elsewhere = publish(
        world.bus(),
        wagglebus_nats::bus::Outgoing {
            id: record.id,
            ..other
        },
    )
    .await
    .unwrap();
    assert_eq!(
        (elsewhere.seq, elsewhere.duplicate),
        (1, true),
        "ids are of the stream, not of the subject"
    );
    let second = publish(world.bus(), note(Priority::Low, "two")).await.unwrap();
    assert_eq!((second.seq, second.duplicate), (2, false));
}

pub(in super::super) async fn nobody_serves_an_unknown_priority<W: World>(world: W) {
    let mut record = note(Priority::Low, "x");
    record.subject = "wb.msg.alice.later.alice".to_owned();
    let error = publish(world.bus(), record).await.unwrap_err();
    assert_eq!(error.fault, PublishFault::NoAnswer(NoAnswer::NoResponders));
    assert_eq!(error.retry(), Retry::SameId, "a reload looks the same");
}

pub(in super::super) async fn what_cannot_be_sent_is_refused_and_harms_nothing<W: World>(world: W) {
    let with_header = |value: &str| {
        let mut record = note(Priority::Low, "x");
        record.headers = vec![("ce-subject", value.to_owned())];
        record
    };
    for bad in ["a\r\nNats-Rollup: all", "a\n", "\r"] {
        let error = publish(world.bus(), with_header(bad)).await.unwrap_err();
        assert_eq!(error.fault, PublishFault::InvalidHeader { name: "ce-subject" });
        assert_eq!(error.retry(), Retry::Never);
    }
    let mut large = note(Priority::Low, "");
    large.payload = Bytes::from(vec![b'x'; ACCOUNT_PAYLOAD_BYTES_MAX]);
    for record in [large, with_header(&"x".repeat(HEADER_BYTES_MAX))] {
        let error = publish(world.bus(), record).await.unwrap_err();
        assert!(matches!(error.fault, PublishFault::TooLarge { .. }), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    let good = publish(world.bus(), with_header("Grüße, alice")).await.unwrap();
    assert_eq!(good.seq, 1, "nothing of the above was stored");
}

pub(in super::super) async fn a_full_stream_takes_nothing_and_says_so<W: World>(world: W) {
    for text in ["1", "2", "3"] {
        publish(world.bus(), note(Priority::Low, text)).await.unwrap();
    }
    let error = publish(world.bus(), note(Priority::Low, "4")).await.unwrap_err();
    let full =
        matches!(&error.fault, PublishFault::Refused { code, .. } if *code == PublishFault::STREAM_FULL);
    assert!(full, "{error:?}");
    assert_eq!(error.retry(), Retry::SameId, "room may come");
    for expected in ["1", "2", "3"] {
        assert_eq!(text(&take_low(world.bus()).await), expected);
    }
}

pub(in super::super) async fn the_last_sequence_can_be_demanded<W: World>(world: W) {
    let after = |seq: u64| {
        let mut record = note(Priority::Low, "x");
        record.expected_last_subject_seq = Some(seq);
        record
    };
    assert_eq!(publish(world.bus(), after(0)).await.unwrap().seq, 1);
    let error = publish(world.bus(), after(0)).await.unwrap_err();
    assert_eq!(error.fault, PublishFault::WrongLastSequence { last: Some(1) });
    assert_eq!(error.retry(), Retry::Never);
    let second = after(1);
    assert_eq!(publish(world.bus(), second.clone()).await.unwrap().seq, 2);
    let error = publish(world.bus(), second).await.unwrap_err();
    let late = PublishFault::WrongLastSequence { last: Some(2) };
    assert_eq!(error.fault, late, "the demand is looked at before the id");
    let mut elsewhere = note(Priority::Low, "x");
    elsewhere.expected_stream = Some("WB_RECEIPTS".to_owned());
    elsewhere.id = new_id();
    let error = publish(world.bus(), elsewhere).await.unwrap_err();
    let other =
        matches!(&error.fault, PublishFault::Refused { code, .. } if *code == PublishFault::OTHER_STREAM);
    assert!(other, "{error:?}");
}
