//! Keys that were taken away or replaced: good for nothing any more, and nobody else notices.

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use serde_json::{Value, json};
use wagglebus_harness::bus::TestBus;
use wagglebus_nats::conf::{Form, Roster};
use wagglebus_nats::enrol::{Applicant, EnrolError, Unread};
use wagglebus_nats::private_file;
use wagglebus_schemas::{AgentId, Hive, Priority};

const WITHIN: Duration = Duration::from_secs(10);

fn seed(bus: &TestBus, agent: &str) -> String {
    bus.agent_key(agent).unwrap().seed().unwrap()
}

fn options(seed: &str, agent: &str) -> ConnectOptions {
    ConnectOptions::with_nkey(seed.to_owned()).custom_inbox_prefix(format!("_INBOX_{agent}"))
}

async fn is_refused(bus: &TestBus, seed: &str) -> bool {
    options(seed, "x").connect(bus.url()).await.is_err()
}

/// Sends a message as this agent and waits for its ack.
async fn works(client: &Client, agent: &str) {
    let subject = format!("wb.msg.carol.low.{agent}");
    // While the server rebuilds its imports nobody may answer for a moment.
    let answered = async {
        while client
            .send_request(subject.clone(), async_nats::Request::new().payload("{}".into()))
            .await
            .is_err()
        {}
    };
    tokio::time::timeout(WITHIN, answered).await.unwrap();
}

async fn ask(bus: &TestBus, subject: &str, body: Value) -> Value {
    bus.admin().request(subject.to_owned(), &body).await.unwrap()
}

#[tokio::test]
async fn a_key_that_was_taken_away_opens_nothing() {
    for form in Form::ALL {
        let bus = TestBus::with_form(form).await.unwrap();
        bus.enrol_all(&["alice", "mallory"]).await.unwrap();
        let (alice, old) = (seed(&bus, "alice"), seed(&bus, "mallory"));
        let friend = options(&alice, "alice").connect(bus.url()).await.unwrap();
        let (cut, mut was_cut) = tokio::sync::mpsc::unbounded_channel();
        let connected = options(&old, "mallory").event_callback(move |event| {
            cut.send(event).ok();
            std::future::ready(())
        });
        let _mallory = connected.connect(bus.url()).await.unwrap();
        works(&friend, "alice").await;

        let enroller = bus.enroller().unwrap();
        let mallory: AgentId = "mallory".parse().unwrap();
        enroller.remove(&mallory, Unread::Keep).await.unwrap();
        assert!(is_refused(&bus, &old).await, "{form:?}");
        let ended = async { while !matches!(was_cut.recv().await, Some(async_nats::Event::Disconnected)) {} };
        tokio::time::timeout(WITHIN, ended).await.unwrap();
        works(&friend, "alice").await;
        let again = enroller.remove(&mallory, Unread::Keep).await;
        assert!(matches!(again, Err(EnrolError::Stranger { .. })), "{again:?}");

        // Whoever comes again under that name has another key, and the old one stays refused.
        bus.enrol("mallory").await.unwrap();
        let new = seed(&bus, "mallory");
        assert!(new != old && is_refused(&bus, &old).await, "{form:?}");
        works(
            &options(&new, "mallory").connect(bus.url()).await.unwrap(),
            "mallory",
        )
        .await;
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_opens_nothing() {
    for form in Form::ALL {
        let bus = TestBus::with_form(form).await.unwrap();
        bus.enrol_all(&["alice", "bob"]).await.unwrap();
        let old = seed(&bus, "alice");
        let applicant = Applicant::new("alice".parse().unwrap(), false).unwrap();
        let rotated = bus.enroller().unwrap().rotate(&applicant).await.unwrap();
        let new = bus.agent_key("alice").unwrap();
        assert_eq!(rotated.enrolment.nkey, new.public().as_str());
        assert!(
            new.seed().unwrap() != old && is_refused(&bus, &old).await,
            "{form:?}"
        );
        works(
            &options(&new.seed().unwrap(), "alice")
                .connect(bus.url())
                .await
                .unwrap(),
            "alice",
        )
        .await;
        works(
            &options(&seed(&bus, "bob"), "bob")
                .connect(bus.url())
                .await
                .unwrap(),
            "bob",
        )
        .await;
    }
}

/// A crash between writing the roster and reloading it: the file knows her no more, the server does.
#[tokio::test]
async fn a_removal_that_was_interrupted_is_finished_by_the_next() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol("mallory").await.unwrap();
    let (old, mallory) = (seed(&bus, "mallory"), "mallory".parse().unwrap());
    let mut roster = Roster::parse(&std::fs::read_to_string(bus.files().agents()).unwrap()).unwrap();
    roster.expel(&mallory).unwrap();
    private_file::replace(&bus.files().agents(), roster.render(&Hive::default()).as_bytes()).unwrap();
    assert!(!is_refused(&bus, &old).await);
    bus.enroller()
        .unwrap()
        .remove(&mallory, Unread::Keep)
        .await
        .unwrap();
    assert!(is_refused(&bus, &old).await);
}

#[tokio::test]
async fn unread_mail_keeps_an_agent_or_becomes_dead_letters() {
    let bus = TestBus::open().await.unwrap();
    bus.enrol_all(&["alice", "bob"]).await.unwrap();
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33";
    let alice = options(&seed(&bus, "alice"), "alice")
        .connect(bus.url())
        .await
        .unwrap();
    for subject in ["wb.msg.bob.low.alice", "wb.room.all.high.alice"] {
        let mut headers = async_nats::HeaderMap::new();
        let id = if subject.contains("msg") {
            id
        } else {
            "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c34"
        };
        headers.insert("Nats-Msg-Id", id);
        alice
            .request_with_headers(subject, headers, "{}".into())
            .await
            .unwrap();
    }
    let enroller = bus.enroller().unwrap();
    let bob: AgentId = "bob".parse().unwrap();
    let refused = enroller.remove(&bob, Unread::Keep).await;
    // The post is the room's, not his.
    assert!(matches!(refused, Err(EnrolError::Unread { lanes, .. }) if lanes == [Priority::Low]));
    assert!(!is_refused(&bus, &seed(&bus, "bob")).await, "he stays as he was");

    let removed = enroller.remove(&bob, Unread::Discard).await.unwrap();
    assert_eq!(removed.discarded, 1);
    let last = |subject: &'static str| json!({ "last_by_subj": subject });
    let letter = ask(&bus, "STREAM.MSG.GET.WB_DLQ", last("wb.dlq.operator.bob")).await;
    assert_eq!(letter["message"]["seq"], 1, "{letter}");
    let receipt = ask(
        &bus,
        "STREAM.MSG.GET.WB_RECEIPTS",
        last("wb.receipt.alice.dead.coordinator"),
    )
    .await;
    assert_eq!(receipt["message"]["seq"], 1, "{receipt}");

    // Nothing was deleted: stream and lanes are there, and a bob who comes again begins behind it all.
    let stream = ask(&bus, "STREAM.INFO.WB_MESSAGES", json!({})).await;
    assert_eq!(stream["state"]["messages"], 2);
    let lane = ask(&bus, "CONSUMER.INFO.WB_MESSAGES.bob_low", json!({})).await;
    assert_eq!(
        (&lane["num_pending"], &lane["num_ack_pending"]),
        (&json!(0), &json!(0)),
        "{lane}"
    );
    let again = bus.enrol("bob").await.unwrap();
    assert_eq!(again.enrolment.rooms[0].joined_seq, 2);
}
