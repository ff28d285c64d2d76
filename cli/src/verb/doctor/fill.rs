//! Whether the streams have room: what happens when they have none, and the command that gives them some.

use wagglebus_schemas::Hive;
use wagglebus_schemas::places::{BusFile, Places};
use wagglebus_schemas::stream::Stream;

use super::Finding;
use crate::verb::status::{self, Fill};

const CHECK: &str = "room";
/// From here on somebody should do something, in percent.
const NARROW_PERCENT: u64 = 90;
/// Nothing more fits, as a rule, in percent.
const FULL_PERCENT: u64 = 99;

/// One finding for each stream that has little room; one when all have enough.
pub(super) async fn look(places: &Places, bus: &BusFile) -> Vec<Finding> {
    // A server that does not answer is told of elsewhere.
    let Ok((_, fills)) = status::fills(places, &bus.url).await else {
        return Vec::new();
    };
    let narrow: Vec<Finding> = fills
        .iter()
        .filter_map(|fill| narrow(places.hive(), fill))
        .collect();
    if narrow.is_empty() {
        return vec![Finding::ok(CHECK, "all streams have room")];
    }
    narrow
}

fn narrow(hive: &Hive, fill: &Fill) -> Option<Finding> {
    let stream = *Stream::ALL
        .iter()
        .find(|stream| stream.name(hive) == fill.stream)?;
    let percent = fill.percent();
    // The oldest receipts make room by themselves.
    if percent < NARROW_PERCENT || stream == Stream::Receipts {
        return None;
    }
    let (name, consequence) = (&fill.stream, consequence(stream));
    let detail = format!("{name} is filled by {percent} %; when it is full, {consequence}");
    let twice = fill.max_bytes.saturating_mul(2);
    let fix = format!("nats --context wagglebus-admin stream edit {name} --max-bytes {twice} --force");
    Some(if percent >= FULL_PERCENT {
        Finding::fail(CHECK, detail, fix)
    } else {
        Finding::warn(CHECK, detail, fix)
    })
}

const fn consequence(stream: Stream) -> &'static str {
    match stream {
        Stream::Messages => "messages wait with their senders",
        Stream::Receipts => "the oldest receipts go",
        Stream::Tasks => "commands wait with their senders",
        Stream::Events => "nothing is decided, and commands wait",
        Stream::Dlq => "dead messages stay where they are",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(stream: &str, bytes: u64) -> Fill {
        Fill::of(stream, bytes, 1_000)
    }

    #[test]
    fn a_stream_without_room_is_told_of_with_what_helps() {
        let hive = Hive::default();
        assert_eq!(narrow(&hive, &fill("WB_EVENTS", 899)), None);
        assert_eq!(narrow(&hive, &fill("WB_RECEIPTS", 1_000)), None);
        assert_eq!(narrow(&hive, &fill("KV_WB_tasks", 1_000)), None);
        let warning = narrow(&hive, &fill("WB_EVENTS", 900)).unwrap();
        assert_eq!(warning.state, super::super::State::Warn);
        let full = narrow(&hive, &fill("WB_EVENTS", 999)).unwrap();
        assert_eq!(full.state, super::super::State::Fail);
        assert!(full.detail.contains("99 %") && full.detail.contains("nothing is decided"));
        assert!(
            full.fix
                .unwrap()
                .contains("stream edit WB_EVENTS --max-bytes 2000")
        );
    }
}
