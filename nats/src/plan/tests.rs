//! Tests of the comparison, on configurations as a server returns them.

use serde_json::json;
use wagglebus_schemas::Hive;
use wagglebus_schemas::enrolment::RoomMembership;

use super::*;
use crate::topology::{Sizing, agent_consumers, streams};

fn messages() -> Wanted {
    (&streams(&Hive::default(), Sizing::new(10_000_000_000, 1).unwrap())[0]).into()
}

fn lane() -> Wanted {
    (&agent_consumers(&Hive::default(), &"alice".parse().unwrap(), &[])[0]).into()
}

/// The configuration wanted, with `changes` made to it as if found.
fn found(wanted: &Wanted, changes: Value) -> Map<String, Value> {
    let mut config = wanted.config.clone();
    config.extend(changes.as_object().unwrap().clone());
    config
}

#[test]
fn what_is_not_there_is_created() {
    let step = messages().plan(None);
    assert_eq!(step.action, Action::Create(messages().config));
    assert_eq!(step.to_string(), "create  stream WB_MESSAGES");
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    // The server orders lists as it likes, leaves out zero values, adds fields and metadata of its own.
    let mut config = found(
        &messages(),
        json!({"compression": "s2", "first_seq": 1, "mirror": null}),
    );
    config["subjects"].as_array_mut().unwrap().reverse();
    config["metadata"]["_nats.level"] = json!("3");
    config.remove("allow_atomic");
    config.remove("allow_rollup_hdrs");
    assert_eq!(messages().plan(Some(&config)).action, Action::Ok);
    let mut config = found(&lane(), json!({"max_waiting": 512, "num_replicas": 0}));
    config.remove("filter_subjects");
    config.insert("filter_subject".into(), json!("wb.msg.alice.urgent.*"));
    assert_eq!(lane().plan(Some(&config)).action, Action::Ok);
}

#[test]
fn what_may_change_is_changed_and_nothing_else() {
    for (changes, field) in [
        (json!({"description": "x"}), "description"),
        (json!({"discard": "old"}), "discard"),
        (json!({"max_msg_size": -1}), "max_msg_size"),
        (json!({"duplicate_window": 1}), "duplicate_window"),
        (json!({"allow_rollup_hdrs": true}), "allow_rollup_hdrs"),
        (json!({"allow_atomic": true}), "allow_atomic"),
        (json!({"deny_delete": false}), "deny_delete"),
        (json!({"republish": null}), "republish"),
        (json!({"max_bytes": 5}), "max_bytes"),
        (json!({"max_age": 5}), "max_age"),
        (json!({"max_msgs": 5}), "max_msgs"),
        (json!({"metadata": {"theirs": "1"}}), "metadata"),
    ] {
        let found = found(&messages(), json!({"compression": "s2"}));
        let mut changed = found.clone();
        changed.extend(changes.as_object().unwrap().clone());
        let Action::Update {
            changes: seen,
            mut config,
        } = messages().plan(Some(&changed)).action
        else {
            panic!("{changes}")
        };
        assert_eq!(
            seen.iter().map(|change| change.field).collect::<Vec<_>>(),
            [field]
        );
        if let Some(theirs) = config["metadata"].as_object_mut().unwrap().remove("theirs") {
            assert_eq!(theirs, "1");
        }
        assert_eq!(config, found, "{changes}");
    }
}

/// A room that was left must not be remembered: its key says since when its posts count.
#[test]
fn keys_of_ours_that_are_not_wanted_are_removed_from_a_consumer() {
    let room = |name: &str, joined_seq| RoomMembership {
        name: name.parse().unwrap(),
        joined_seq,
    };
    let lane = |rooms: &[RoomMembership]| {
        let consumers = agent_consumers(&Hive::default(), &"alice".parse().unwrap(), rooms);
        Wanted::from(&consumers[0])
    };
    let before = lane(&[room("all", 1), room("design", 7)]);
    let mut found = found(&before, json!({}));
    found["metadata"]["theirs"] = json!("1");
    assert_eq!(before.plan(Some(&found)).action, Action::Ok);
    let Action::Update { config, .. } = lane(&[room("all", 1)]).plan(Some(&found)).action else {
        panic!("nothing to do")
    };
    let keys: Vec<_> = config["metadata"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["theirs", "wagglebus.joined.all", "wagglebus.topology"]);
    assert_eq!(
        config["filter_subjects"],
        json!(["wb.msg.alice.urgent.*", "wb.room.all.urgent.*"])
    );
}

#[test]
fn limits_are_never_lowered() {
    for changes in [
        json!({"max_bytes": 7_000_000_000_i64}),
        json!({"max_bytes": -1}),
        json!({"max_age": 0}),
        json!({"max_age": i64::MAX}),
        json!({"num_replicas": 3}),
    ] {
        let step = messages().plan(Some(&found(&messages(), changes.clone())));
        assert_eq!(step.action, Action::Ok, "{changes}");
        assert_eq!(step.kept.len(), 1, "{changes}");
        assert!(step.to_string().contains(": stays "), "{step}");
    }
}

#[test]
fn what_means_something_else_is_refused() {
    for changes in [
        json!({"subjects": ["wb.msg.>"]}),
        json!({"subjects": []}),
        json!({"retention": "workqueue"}),
        json!({"storage": "memory"}),
        json!({"max_consumers": 1000}),
        json!({"metadata": {"wagglebus.topology": "2"}}),
        json!({"metadata": {"wagglebus.topology": "two"}}),
        json!({"allow_msg_schedules": true}),
        json!({"allow_msg_ttl": true}),
        json!({"sources": [{"name": "OTHER"}]}),
        json!({"persist_mode": "async"}),
    ] {
        let action = messages().plan(Some(&found(&messages(), changes.clone()))).action;
        assert!(matches!(action, Action::Refuse(_)), "{changes}: {action:?}");
    }
    for changes in [
        json!({"ack_policy": "none"}),
        json!({"deliver_policy": "new"}),
        json!({"deliver_subject": "wb.msg.bob.low.x"}),
        json!({"mem_storage": true}),
    ] {
        let action = lane().plan(Some(&found(&lane(), changes.clone()))).action;
        assert!(matches!(action, Action::Refuse(_)), "{changes}: {action:?}");
    }
}

#[test]
fn a_lane_is_mended() {
    for (changes, field) in [
        (
            json!({"filter_subjects": ["wb.msg.bob.urgent.*"]}),
            "filter_subjects",
        ),
        (json!({"ack_wait": 1}), "ack_wait"),
        (json!({"max_deliver": 6}), "max_deliver"),
        (json!({"backoff": [1, 2]}), "backoff"),
        (json!({"inactive_threshold": 5}), "inactive_threshold"),
    ] {
        let Action::Update {
            changes: seen,
            config,
        } = lane().plan(Some(&found(&lane(), changes.clone()))).action
        else {
            panic!("{changes}")
        };
        assert_eq!(
            seen.iter().map(|change| change.field).collect::<Vec<_>>(),
            [field]
        );
        assert_eq!(config, lane().config, "{changes}");
    }
}

#[test]
fn a_plan_is_readable() {
    let plan = Plan {
        steps: vec![
            messages().plan(None),
            messages().plan(Some(&found(&messages(), json!({"max_bytes": 5, "max_age": 0})))),
            lane().plan(Some(&lane().config)),
            messages().plan(Some(&found(&messages(), json!({"storage": "memory"})))),
        ],
    };
    assert!(!plan.is_done());
    assert_eq!(plan.refusals().count(), 1);
    let expected = "\
create  stream WB_MESSAGES
update  stream WB_MESSAGES
        max_bytes: 5 -> 6000000000
        max_age: stays 0, 2592000000000000 was asked for
ok      consumer alice_urgent of WB_MESSAGES
refuse  stream WB_MESSAGES: its storage is \"memory\", not \"file\": rename or move what is there, or use another --hive
";
    assert_eq!(plan.to_string(), expected);
}
