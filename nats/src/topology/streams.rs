//! The streams and buckets of a hive (DESIGN 3.3, TOPOLOGY 3).

use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, CONSUMERS_MAX};
use wagglebus_schemas::stream::{Bucket, ObjectStore, Stream};
use wagglebus_schemas::{Hive, Priority};

use super::metadata;
use super::sizing::Sizing;
use super::stream::{Discard, Nanos, Republish, Retention, Storage, StreamSpec};

const NO_LIMIT: i64 = -1;
const DUPLICATE_WINDOW: Nanos = Nanos::from_secs(15 * 60);
/// A lease ends by itself when it was not renewed for this long (DESIGN 3.6).
const LEASE_LIFE: Nanos = Nanos::from_secs(15);
/// One lease record is about 300 bytes. Agents write this stream themselves.
const LEASE_BYTES_MAX: i32 = 4 * 1024;
const ENROLMENT_BYTES_MAX: i32 = 64 * 1024;
const BUCKET_BYTES: i64 = 64 << 20;
/// One key with a record of about 100 bytes.
const LEADER_BYTES: i64 = 1 << 20;
/// 100,000 tasks of 2.5 KiB. What was written longest ago makes room: the log has it all the same.
const TASKS_BYTES: i64 = 256 << 20;
const AGENTS_BYTES: i64 = 32 << 20;
const FSM_BYTES: i64 = 64 << 20;
/// Three snapshots of 128 MiB each, compressed.
const SNAPSHOTS_BYTES: i64 = 384 << 20;
/// Earlier values of an enrolment, for whoever must undo a mistake.
const ENROLMENT_HISTORY: i64 = 8;

/// Every stream of a hive, buckets included, in the order in which they are created.
pub fn streams(hive: &Hive, sizing: Sizing) -> Vec<StreamSpec> {
    vec![
        messages(hive, sizing),
        receipts(hive, sizing),
        tasks(hive, sizing),
        events(hive, sizing),
        dead_letters(hive, sizing),
        leases(hive, sizing),
        enrolments(hive, sizing),
        leader(hive, sizing),
        projection(
            hive,
            sizing,
            (Bucket::Tasks, TASKS_BYTES),
            "Each task as the log tells of it",
        ),
        projection(
            hive,
            sizing,
            (Bucket::Agents, AGENTS_BYTES),
            "Each agent as the leader knows it",
        ),
        projection(
            hive,
            sizing,
            (Bucket::Fsm, FSM_BYTES),
            "Where each machine stands",
        ),
        snapshots(hive, sizing),
    ]
}

fn messages(hive: &Hive, sizing: Sizing) -> StreamSpec {
    // An unknown priority gets "no responders" at once instead of being stored where no lane reads it.
    let mut subjects = per_priority(&format!("{hive}.msg.*"));
    subjects.extend(per_priority(&format!("{hive}.room.*")));
    StreamSpec {
        subjects,
        republish: Some(wakes(hive, "msg")),
        ..stream(
            hive,
            sizing,
            Stream::Messages,
            "Messages to agents and rooms: inbox and history",
            30,
        )
    }
}

fn receipts(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        subjects: vec![format!("{hive}.receipt.*.*.*")],
        // A receipt is about a message that is kept elsewhere: the newest matter most.
        discard: Discard::Old,
        republish: Some(wakes(hive, "receipt")),
        ..stream(hive, sizing, Stream::Receipts, "What became of each message", 30)
    }
}

fn tasks(hive: &Hive, sizing: Sizing) -> StreamSpec {
    let mut subjects = per_priority(&format!("{hive}.task.*"));
    subjects.push(format!("{hive}.report.*.*"));
    StreamSpec {
        subjects,
        ..stream(
            hive,
            sizing,
            Stream::Tasks,
            "Commands about tasks, and reports",
            30,
        )
    }
}

fn events(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        subjects: vec![format!("{hive}.event.*.coordinator")],
        // Only the leading coordinator can write here.
        allow_atomic: true,
        ..stream(hive, sizing, Stream::Events, "What the coordinator decided", 90)
    }
}

fn dead_letters(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        subjects: vec![format!("{hive}.dlq.*.*")],
        ..stream(
            hive,
            sizing,
            Stream::Dlq,
            "Messages that could not be delivered, and why",
            90,
        )
    }
}

fn leases(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        max_age: LEASE_LIFE,
        duplicate_window: LEASE_LIFE,
        max_msg_size: LEASE_BYTES_MAX,
        // One rollup header on an agent's own key would erase every lease.
        allow_rollup_hdrs: false,
        ..bucket(hive, sizing, Bucket::Leases, "Who holds each agent's inbox")
    }
}

fn enrolments(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        max_msgs_per_subject: ENROLMENT_HISTORY,
        max_msg_size: ENROLMENT_BYTES_MAX,
        // Out of agents' reach, so the stock tools' `kv purge` may work.
        allow_rollup_hdrs: true,
        ..bucket(
            hive,
            sizing,
            Bucket::Enrolments,
            "Who is enrolled, under which key, in which rooms",
        )
    }
}

fn leader(hive: &Hive, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        max_bytes: LEADER_BYTES,
        ..bucket(hive, sizing, Bucket::Leader, "Which coordinator tries to lead")
    }
}

/// A view of the log: what is in it can be made again at any time.
fn projection(hive: &Hive, sizing: Sizing, (of, bytes): (Bucket, i64), description: &str) -> StreamSpec {
    StreamSpec {
        max_bytes: bytes,
        discard: Discard::Old,
        allow_rollup_hdrs: true,
        ..bucket(hive, sizing, of, description)
    }
}

fn snapshots(hive: &Hive, sizing: Sizing) -> StreamSpec {
    let store = ObjectStore::Snapshots;
    let name = store.name(hive);
    StreamSpec {
        subjects: vec![format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
        max_bytes: SNAPSHOTS_BYTES,
        // The description of an object replaces the one before.
        allow_rollup_hdrs: true,
        ..base(
            store.stream_name(hive),
            "The whole state at moments of the log, the last three",
            sizing,
        )
    }
}

fn stream(hive: &Hive, sizing: Sizing, stream: Stream, description: &str, days: u64) -> StreamSpec {
    StreamSpec {
        max_bytes: sizing.share(stream),
        max_age: Nanos::from_days(days),
        ..base(stream.name(hive), description, sizing)
    }
}

fn bucket(hive: &Hive, sizing: Sizing, bucket: Bucket, description: &str) -> StreamSpec {
    StreamSpec {
        subjects: vec![format!("$KV.{}.>", bucket.name(hive))],
        max_bytes: BUCKET_BYTES,
        max_msgs_per_subject: 1,
        ..base(bucket.stream_name(hive), description, sizing)
    }
}

/// What all have in common.
fn base(name: String, description: &str, sizing: Sizing) -> StreamSpec {
    StreamSpec {
        name,
        description: description.to_owned(),
        subjects: Vec::new(),
        retention: Retention::Limits,
        storage: Storage::File,
        discard: Discard::New,
        num_replicas: sizing.replicas(),
        max_bytes: NO_LIMIT,
        max_msgs: NO_LIMIT,
        max_msgs_per_subject: NO_LIMIT,
        max_msg_size: ACCOUNT_PAYLOAD_BYTES_MAX.try_into().unwrap_or(i32::MAX),
        max_consumers: CONSUMERS_MAX,
        max_age: Nanos::from_secs(0),
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        allow_atomic: false,
        allow_rollup_hdrs: false,
        deny_delete: true,
        republish: None,
        metadata: metadata(),
    }
}

fn per_priority(head: &str) -> Vec<String> {
    Priority::ALL
        .iter()
        .map(|priority| format!("{head}.{priority}.*"))
        .collect()
}

/// A hint to the addressee that its lane may have mail.
fn wakes(hive: &Hive, family: &str) -> Republish {
    Republish {
        src: format!("{hive}.{family}.*.*.*"),
        dest: format!("{hive}.wake.{family}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}"),
        headers_only: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<StreamSpec> {
        streams(&Hive::default(), Sizing::new(10_000_000_000, 1).unwrap())
    }

    #[test]
    fn what_agents_write_lets_nobody_erase_or_choose_another_subject() {
        for stream in all() {
            let ours = [
                "WB_EVENTS",
                "KV_WB_enrolments",
                "KV_WB_tasks",
                "KV_WB_agents",
                "KV_WB_fsm",
                "OBJ_WB_snapshots",
            ];
            let agents_write = !ours.contains(&stream.name.as_str());
            if agents_write {
                assert!(
                    !stream.allow_atomic && !stream.allow_rollup_hdrs,
                    "{}",
                    stream.name
                );
            }
            assert!(stream.deny_delete, "{}", stream.name);
        }
    }

    #[test]
    fn wakes_are_stored_by_nobody() {
        let all = all();
        for republish in all.iter().filter_map(|stream| stream.republish.as_ref()) {
            assert!(
                republish.headers_only && republish.dest.starts_with("wb.wake."),
                "{republish:?}"
            );
        }
        for subject in all.iter().flat_map(|stream| &stream.subjects) {
            assert!(
                !subject.starts_with("wb.wake") && !subject.starts_with("wb.*") && subject != ">",
                "{subject}"
            );
        }
    }

    #[test]
    fn the_message_streams_read_as_specified() {
        let all = all();
        let json = serde_json::to_value(&all[0]).unwrap();
        assert_eq!(json["name"], "WB_MESSAGES");
        assert_eq!(json["subjects"][0], "wb.msg.*.urgent.*");
        assert_eq!(json["subjects"].as_array().unwrap().len(), 8);
        assert_eq!(
            json["republish"]["dest"],
            "wb.wake.msg.{{wildcard(1)}}.{{wildcard(2)}}"
        );
        assert_eq!(json["max_bytes"], 6_000_000_000_i64);
        assert_eq!(json["max_age"], 30 * 86_400_000_000_000_i64);
        assert_eq!(json["duplicate_window"], 900_000_000_000_i64);
        assert_eq!(json["discard"], "new");
        assert_eq!(json["max_msg_size"], 524_288);
        assert_eq!(all[1].discard, Discard::Old);
        let names: Vec<_> = all.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "WB_MESSAGES",
                "WB_RECEIPTS",
                "WB_TASKS",
                "WB_EVENTS",
                "WB_DLQ",
                "KV_WB_leases",
                "KV_WB_enrolments",
                "KV_WB_leader",
                "KV_WB_tasks",
                "KV_WB_agents",
                "KV_WB_fsm",
                "OBJ_WB_snapshots"
            ]
        );
    }

    #[test]
    fn what_is_beside_the_shares_fits_the_reserve() {
        for bytes in [super::super::STORAGE_BYTES_MIN, 20 << 30] {
            let sizing = Sizing::new(bytes, 1).unwrap();
            let all = streams(&Hive::default(), sizing);
            let sum: i64 = all.iter().map(|stream| stream.max_bytes).sum();
            assert!(u64::try_from(sum).unwrap() < sizing.server_bytes(), "{sum}");
        }
    }
}
