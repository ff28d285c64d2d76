//! What the roster means to a sender: whom it reaches, what can be proven, and what happens without one.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use futures::StreamExt;
use wagglebus_client::{Client, ClientError, SendOptions};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::api::{RECIPIENT_UNVERIFIED, SendAnswer};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{Draft, Id, Level};

use crate::messages::WITHIN;

async fn send(
    client: &Client,
    draft: &Draft,
    wait: Level,
    timeout: Duration,
) -> Result<SendAnswer, ClientError> {
    let options = SendOptions {
        wait: Some(wait),
        timeout: Some(timeout),
        park: false,
    };
    client.send(draft, options).await.map(|answer| answer.value)
}

fn code(refused: Result<SendAnswer, ClientError>) -> Option<ErrorCode> {
    refused.err()?.code()
}

#[tokio::test]
async fn a_repeat_to_a_capability_is_the_same_message_whoever_can_be_asked() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let rust = Options::http().with(&["--capability", "rust"]);
    fleet.start("bob", &rust).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let draft = Draft {
        id: Some(Id::from_uuid(uuid::Uuid::new_v4())),
        ..Draft::text("capability:rust".parse().unwrap(), "compile".to_owned())
    };
    let first = loop {
        match send(&alice, &draft, Level::Stored, WITHIN).await {
            Ok(answer) => break answer,
            // Bob's first heartbeat is on its way.
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::UnknownCapability), "{error}"),
        }
    };
    assert!(!first.duplicate);
    let message = alice.message(first.id).await.unwrap().value;
    assert_eq!(
        (message.to_agent.as_str(), &message.metadata["capability"]),
        ("bob", &"rust".into())
    );
    fleet.kill_coordinator(0).await.unwrap();
    let again = send(&alice, &draft, Level::Stored, WITHIN).await.unwrap();
    assert!(
        again.duplicate && again.stream_seq == first.stream_seq,
        "{again:?}"
    );
    let other = Draft {
        content: "test".to_owned(),
        ..draft
    };
    assert_eq!(
        code(send(&alice, &other, Level::Stored, WITHIN).await),
        Some(ErrorCode::IdempotencyConflict)
    );
}

#[tokio::test]
async fn a_level_is_refused_by_what_the_recipient_proves_now() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    fleet.start("bob", &Options::stdio(&[], &["cat"])).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let draft = Draft::text("bob".parse().unwrap(), "hello".to_owned());
    send(&alice, &draft, Level::Injected, WITHIN).await.unwrap();
    assert_eq!(
        code(send(&alice, &draft, Level::Done, WITHIN).await),
        Some(ErrorCode::LevelNotProvable)
    );
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    fleet.start("bob", &Options::http()).await.unwrap();
    let answered = async {
        // Until his first heartbeat he proves what he proved before.
        while code(send(&alice, &draft, Level::Done, Duration::from_millis(50)).await)
            != Some(ErrorCode::LevelNotReached)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WITHIN, answered).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_is_not_ready_is_none() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    let coordinator = fleet.bus().connect(BusUser::Coordinator).await.unwrap();
    let mut questions = coordinator.subscribe("wb.api.resolve.*").await.unwrap();
    coordinator.flush().await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_SERVICE_ERROR_CODE, "503");
            headers.insert(NATS_SERVICE_ERROR, "not yet");
            let body = r#"{"error":{"code":"coordinator_unavailable","message":"not yet"}}"#;
            let to = question.reply.unwrap();
            coordinator
                .publish_with_headers(to, headers, body.into())
                .await
                .unwrap();
        }
    });
    let alice = fleet.sidecar("alice").unwrap().client();
    let draft = Draft::text("bob".parse().unwrap(), "hello".to_owned());
    let sent = send(&alice, &draft, Level::Stored, WITHIN).await.unwrap();
    assert_eq!(sent.warning.as_deref(), Some(RECIPIENT_UNVERIFIED));
    answering.abort();
}

#[tokio::test]
async fn who_stops_is_gone_at_once() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "bob"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    for name in ["alice", "bob"] {
        fleet.start(name, &Options::http()).await.unwrap();
    }
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = "bob".parse().unwrap();
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    let gone = async {
        loop {
            let agent = alice.agent(&bob).await.unwrap().value;
            if agent.presence == Presence::Lost {
                return agent;
            }
            tokio::task::yield_now().await;
        }
    };
    let agent = tokio::time::timeout(WITHIN, gone).await.unwrap();
    assert_eq!(agent.state, Some(SessionState::Gone), "{agent:?}");
}
