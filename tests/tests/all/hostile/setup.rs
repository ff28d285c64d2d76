//! The ground the other tests stand on: configuration, provisioning and enrolment on a real server.

use std::process::Command;

use async_nats::jetstream::Context;
use serde_json::{Value, json};
use wagglebus_harness::bus::TestBus;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::conf::{Form, Roster};
use wagglebus_nats::enrol::{Applicant, EnrolError};
use wagglebus_nats::plan::Wanted;
use wagglebus_nats::private_file;
use wagglebus_nats::provision::{ProvisionError, plan, provision};
use wagglebus_nats::topology::{Sizing, agent_consumers, streams};
use wagglebus_schemas::Hive;
use wagglebus_schemas::enrolment::RoomMembership;

async fn ask(js: &Context, subject: &str, body: Value) -> Value {
    js.request(subject.to_owned(), &body).await.unwrap()
}

#[tokio::test]
async fn the_server_takes_both_configurations_without_a_remark() {
    for form in Form::ALL {
        let bus = TestBus::with_form(form).await.unwrap();
        bus.enrol_all(&["alice", "0-1_2"]).await.unwrap();
        let launch = bus.server().launch();
        let checked = Command::new(&launch.program)
            .arg("-t")
            .arg("-c")
            .arg(&launch.config)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{form:?}: {checked:?}");
        let log = bus.server().log();
        assert!(
            !log.contains("[ERR]") && !log.contains("[WRN]"),
            "{form:?}: {log}"
        );
    }
}

#[tokio::test]
async fn concurrent_provisioners_agree_and_a_later_one_finds_nothing_to_do() {
    let server = TestServer::open().await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let js = async_nats::jetstream::new(client);
    let wanted: Vec<Wanted> = streams(&Hive::default(), Sizing::new(512 << 20, 1).unwrap())
        .iter()
        .map(Wanted::from)
        .collect();
    let all = futures::future::join_all((0..4).map(|_| provision(&js, &wanted))).await;
    for made in all {
        made.unwrap();
    }
    let again = plan(&js, &wanted).await.unwrap();
    assert!(
        again.is_done() && again.steps.iter().all(|step| step.kept.is_empty()),
        "{again}"
    );
}

/// Each row is a change that somebody made to a stream; the server must let us undo it, and nothing else may move.
#[tokio::test]
async fn every_difference_that_is_mended_is_really_mended() {
    let bus = TestBus::open().await.unwrap();
    let js = bus.admin();
    let name = "WB_TASKS";
    let before = ask(js, &format!("STREAM.INFO.{name}"), Value::Null).await["config"].clone();
    js.publish("wb.task.submit.low.alice", "kept".into())
        .await
        .unwrap()
        .await
        .unwrap();
    for change in [
        json!({"description": "theirs"}),
        json!({"discard": "old"}),
        json!({"max_msg_size": -1}),
        json!({"duplicate_window": 1_000_000_000}),
        json!({"allow_direct": false}),
        json!({"allow_atomic": true}),
        json!({"allow_rollup_hdrs": true}),
        json!({"republish": {"src": "wb.task.>", "dest": "spy.>"}}),
        json!({"max_bytes": 1_000_000}),
        json!({"max_msgs": 10}),
        json!({"max_msgs_per_subject": 10}),
        json!({"max_age": 3_600_000_000_000_i64}),
        json!({"metadata": {}}),
    ] {
        let mut config = before.clone();
        config
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let made = ask(js, &format!("STREAM.UPDATE.{name}"), config).await;
        assert!(made.get("error").is_none(), "{change}: {made}");
        assert!(
            !plan(js, &bus.streams()).await.unwrap().is_done(),
            "{change} is not seen"
        );
        provision(js, &bus.streams()).await.unwrap();
        let info = ask(js, &format!("STREAM.INFO.{name}"), Value::Null).await;
        assert_eq!(info["config"], before, "{change}");
        assert_eq!(info["state"]["messages"], 1, "{change}");
    }
}

#[tokio::test]
async fn a_lane_that_somebody_changed_is_mended_and_loses_nothing() {
    let bus = TestBus::open().await.unwrap();
    let js = bus.admin();
    let alice = bus.enrol("alice").await.unwrap();
    let consumers = agent_consumers(
        &Hive::default(),
        &"alice".parse().unwrap(),
        &alice.enrolment.rooms,
    );
    let wanted: Vec<Wanted> = consumers.iter().map(Wanted::from).collect();
    js.publish("wb.msg.alice.low.bob", "kept".into())
        .await
        .unwrap()
        .await
        .unwrap();
    let path = "WB_MESSAGES.alice_low";
    let before = ask(js, &format!("CONSUMER.INFO.{path}"), json!({})).await["config"].clone();
    for change in [
        json!({"description": "theirs"}),
        json!({"filter_subjects": ["wb.msg.alice.low.*"]}),
        json!({"ack_wait": 1_000_000_000}),
        json!({"max_deliver": 3}),
        json!({"max_ack_pending": 1}),
        json!({"backoff": [1_000_000_000, 2_000_000_000]}),
        json!({"headers_only": true}),
        json!({"inactive_threshold": 600_000_000_000_i64}),
        json!({"metadata": {}}),
    ] {
        let mut config = before.clone();
        config
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let body = json!({"stream_name": "WB_MESSAGES", "config": config, "action": "update"});
        let made = ask(js, &format!("CONSUMER.CREATE.{path}"), body).await;
        assert!(made.get("error").is_none(), "{change}: {made}");
        assert!(
            !plan(js, &wanted).await.unwrap().is_done(),
            "{change} is not seen"
        );
        provision(js, &wanted).await.unwrap();
        let info = ask(js, &format!("CONSUMER.INFO.{path}"), json!({})).await;
        assert_eq!(info["config"], before, "{change}");
        assert_eq!(info["num_pending"], 1, "{change}");
    }
}

#[tokio::test]
async fn what_must_not_be_touched_is_left_alone_with_all_around_it() {
    let server = TestServer::open().await.unwrap();
    let js = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let theirs =
        json!({"name": "WB_TASKS", "subjects": ["wb.task.>"], "retention": "workqueue", "storage": "file"});
    let made = ask(&js, "STREAM.CREATE.WB_TASKS", theirs).await;
    assert!(made.get("error").is_none(), "{made}");
    let wanted: Vec<Wanted> = streams(&Hive::default(), Sizing::new(512 << 20, 1).unwrap())
        .iter()
        .map(Wanted::from)
        .collect();
    let refused = provision(&js, &wanted).await.unwrap_err();
    assert!(
        matches!(&refused, ProvisionError::Refused { object, .. } if object.to_string() == "stream WB_TASKS")
    );
    let names = ask(&js, "STREAM.NAMES", Value::Null).await;
    assert_eq!(
        names["streams"],
        json!(["WB_TASKS"]),
        "nothing is made when something is refused"
    );
}

#[tokio::test]
async fn enrolment_is_repeatable_and_keeps_what_there_is() {
    let bus = TestBus::open().await.unwrap();
    bus.admin()
        .publish("wb.room.all.low.bob", "old".into())
        .await
        .unwrap()
        .await
        .unwrap();
    let first = bus.enrol("alice").await.unwrap();
    assert_eq!(
        first.enrolment.rooms,
        [RoomMembership {
            name: "all".parse().unwrap(),
            joined_seq: 1
        }]
    );
    bus.admin()
        .publish("wb.room.all.low.bob", "new".into())
        .await
        .unwrap()
        .await
        .unwrap();
    let log = bus
        .server()
        .log()
        .matches("Reloaded server configuration")
        .count();
    // Its account takes no third connection: a login that is turned away for that proves the key, too.
    let seed = bus.agent_key("alice").unwrap().seed().unwrap();
    let connect = || async_nats::ConnectOptions::with_nkey(seed.clone()).connect(bus.url());
    let _both = (connect().await.unwrap(), connect().await.unwrap());
    assert!(connect().await.is_err());
    let again = bus.enrol_all(&["alice"]).await.unwrap();
    assert_eq!(again, std::slice::from_ref(&first));
    assert_eq!(
        bus.server()
            .log()
            .matches("Reloaded server configuration")
            .count(),
        log,
        "no second reload"
    );

    // A crash between writing and reloading: the file knows bob, the server does not.
    let key =
        wagglebus_nats::keys::UserKey::load_or_create(&bus.places().agent_seed_file(&"bob".parse().unwrap()));
    let mut roster = Roster::parse(&std::fs::read_to_string(bus.files().agents()).unwrap()).unwrap();
    roster
        .admit(&"bob".parse().unwrap(), key.unwrap().public())
        .unwrap();
    private_file::replace(&bus.files().agents(), roster.render(&Hive::default()).as_bytes()).unwrap();
    bus.enrol("bob").await.unwrap();

    // A crash before the record was written: the consumers' own memory of the join counts.
    let store = bus.admin().get_key_value("WB_enrolments").await.unwrap();
    store.purge("alice").await.unwrap();
    let after = bus.enrol("alice").await.unwrap();
    assert_eq!(after.enrolment.rooms, first.enrolment.rooms);
    let consumers = agent_consumers(
        &Hive::default(),
        &"alice".parse().unwrap(),
        &first.enrolment.rooms,
    );
    let wanted: Vec<Wanted> = consumers.iter().map(Wanted::from).collect();
    assert!(plan(bus.admin(), &wanted).await.unwrap().is_done());
}

#[tokio::test]
async fn enrolments_at_the_same_time_do_not_lose_each_other() {
    let bus = TestBus::open().await.unwrap();
    let names: Vec<String> = (0..6).map(|n| format!("agent-{n}")).collect();
    let all = futures::future::join_all(names.iter().map(|name| bus.enrol(name))).await;
    for enrolled in all {
        enrolled.unwrap();
    }
    let roster = Roster::parse(&std::fs::read_to_string(bus.files().agents()).unwrap()).unwrap();
    assert_eq!(roster.agents().len(), names.len());
    for name in &names {
        let key = bus.agent_key(name).unwrap();
        async_nats::ConnectOptions::with_nkey(key.seed().unwrap())
            .connect(bus.url())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_file_that_the_server_would_refuse_does_not_stay() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol("alice").await.unwrap();
    // An unknown word in the main file makes every reload fail.
    let conf = &bus.server().paths().config;
    let text = std::fs::read_to_string(conf).unwrap();
    std::fs::write(conf, format!("{text}\nunknown_word: 1\n")).unwrap();
    let before = std::fs::read(bus.files().agents()).unwrap();
    let applicant = Applicant::new("bob".parse().unwrap(), false).unwrap();
    let refused = bus
        .enroller()
        .unwrap()
        .enrol(std::slice::from_ref(&applicant))
        .await;
    assert!(matches!(refused, Err(EnrolError::Reload(_))), "{refused:?}");
    assert_eq!(std::fs::read(bus.files().agents()).unwrap(), before);
    std::fs::write(conf, text).unwrap();
    bus.enrol("bob").await.unwrap();
}
