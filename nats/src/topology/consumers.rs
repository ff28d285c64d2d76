//! The consumers of an agent: four lanes and its receipts (DESIGN 3.3).

use wagglebus_schemas::enrolment::RoomMembership;
use wagglebus_schemas::limits::{ACK_PENDING_MAX, DELIVER_MAX};
use wagglebus_schemas::stream::{Stream, lane_consumer, receipts_consumer};
use wagglebus_schemas::subject::filter;
use wagglebus_schemas::{AgentId, Hive, Priority, RoomName};

use super::consumer::{AckPolicy, ConsumerSpec, DeliverPolicy, ReplayPolicy};
use super::metadata;
use super::stream::Nanos;

/// A reader that holds a message says so every 10 s (DESIGN 3.6).
const ACK_WAIT: Nanos = Nanos::from_secs(30);

/// The metadata key of a lane that says at which sequence its agent joined a room.
///
/// A consumer with a new filter also delivers older posts: whoever reads the lane acks away what is not above it.
pub fn joined_key(room: &RoomName) -> String {
    format!("wagglebus.joined.{room}")
}

/// The five consumers of an agent that is in these rooms.
pub fn agent_consumers(hive: &Hive, agent: &AgentId, rooms: &[RoomMembership]) -> Vec<ConsumerSpec> {
    let lane = |&priority: &Priority| lane(hive, agent, rooms, priority);
    Priority::ALL
        .iter()
        .map(lane)
        .chain([receipts(hive, agent)])
        .collect()
}

fn lane(hive: &Hive, agent: &AgentId, rooms: &[RoomMembership], priority: Priority) -> ConsumerSpec {
    let mut filter_subjects = vec![filter::lane(hive, agent, priority)];
    filter_subjects.extend(rooms.iter().map(|room| filter::room(hive, &room.name, priority)));
    let mut spec = consumer(
        Stream::Messages.name(hive),
        lane_consumer(agent, priority),
        format!("{priority} messages to {agent} and its rooms"),
        filter_subjects,
    );
    spec.metadata.extend(
        rooms
            .iter()
            .map(|room| (joined_key(&room.name), room.joined_seq.to_string())),
    );
    spec
}

fn receipts(hive: &Hive, agent: &AgentId) -> ConsumerSpec {
    consumer(
        Stream::Receipts.name(hive),
        receipts_consumer(agent),
        format!("receipts about messages of {agent}"),
        vec![filter::receipts(hive, agent)],
    )
}

fn consumer(
    stream: String,
    durable_name: String,
    description: String,
    mut filters: Vec<String>,
) -> ConsumerSpec {
    filters.sort();
    filters.dedup();
    ConsumerSpec {
        stream,
        durable_name,
        description,
        filter_subjects: filters,
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        replay_policy: ReplayPolicy::Instant,
        ack_wait: ACK_WAIT,
        max_deliver: DELIVER_MAX,
        max_ack_pending: ACK_PENDING_MAX.try_into().unwrap_or(i64::MAX),
        metadata: metadata(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_reads_its_priority_of_inbox_and_rooms() {
        let rooms = [RoomMembership {
            name: RoomName::all(),
            joined_seq: 7,
        }];
        let all = agent_consumers(&Hive::default(), &"alice".parse().unwrap(), &rooms);
        let names: Vec<_> = all
            .iter()
            .map(|consumer| consumer.durable_name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "alice_urgent",
                "alice_high",
                "alice_normal",
                "alice_low",
                "alice_receipts"
            ]
        );
        assert_eq!(
            all[0].filter_subjects,
            ["wb.msg.alice.urgent.*", "wb.room.all.urgent.*"]
        );
        assert_eq!(all[3].metadata["wagglebus.joined.all"], "7");
        assert_eq!(all[4].stream, "WB_RECEIPTS");
        assert_eq!(all[4].filter_subjects, ["wb.receipt.alice.*.*"]);
        let json = serde_json::to_value(&all[0]).unwrap();
        assert_eq!(json["ack_wait"], 30_000_000_000_i64);
        assert_eq!(
            (json["max_deliver"].as_i64(), json["max_ack_pending"].as_i64()),
            (Some(100), Some(256))
        );
        assert!(json.get("backoff").is_none() && json.get("stream").is_none());
    }
}
