//! What the client asks, what it makes of the answers, and how it keeps and renews connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod fake;

use std::time::Duration;

use fake::{Fake, Step};
use serde_json::json;
use wagglebus_client::{Client, ClientError, Endpoint, RESPONSE_BYTES_MAX, SendOptions, Take};
use wagglebus_schemas::api::{AckRequest, NakRequest};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task_api::{TaskAnswer, TasksRequest};
use wagglebus_schemas::{Command, Draft, Id, Level};

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

fn id() -> Id {
    ID.parse().unwrap()
}

fn draft(id: Option<&str>) -> Draft {
    serde_json::from_value(json!({ "to_agent": "alice", "content": "hi", "id": id })).unwrap()
}

fn sent(level: &str) -> Vec<u8> {
    json!({ "id": ID, "conversation_id": ID, "level": level, "stream_seq": 7, "duplicate": false, "new_field": 1 })
        .to_string()
        .into()
}

fn error(code: &str, more: serde_json::Value) -> Vec<u8> {
    let mut error = json!({ "code": code, "message": "no" });
    error
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "error": error }).to_string().into()
}

#[tokio::test]
async fn a_send_carries_its_options_and_keeps_unknown_fields_of_the_answer() {
    let (fake, client) = Fake::start([Step::Answer(201, sent("done"))]);
    let options = SendOptions {
        wait: Some(Level::Done),
        timeout: Some(Duration::from_millis(1_500)),
        park: true,
    };
    let answer = client.send(&draft(None), options).await.unwrap();
    assert_eq!(
        (answer.value.level, answer.value.stream_seq),
        (Level::Done, Some(7))
    );
    assert!(std::str::from_utf8(&answer.body).unwrap().contains("new_field"));
    let asked = &fake.asked()[0];
    assert_eq!(asked.line, "POST /v1/messages?wait=done&timeout=1.5&park=true");
    assert!(
        asked
            .headers
            .contains(&"content-type: application/json".to_owned()),
        "{asked:?}"
    );
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        (&body["to_agent"], &body["content"]),
        (&json!("alice"), &json!("hi"))
    );
}

#[tokio::test]
async fn inbox_and_settling_use_the_documented_paths() {
    let (fake, client) = Fake::start([
        Step::Answer(200, br#"{"messages":[]}"#.to_vec()),
        Step::Answer(200, json!({ "id": ID, "level": "done" }).to_string().into()),
        Step::Answer(200, json!({ "id": ID }).to_string().into()),
        Step::Answer(
            200,
            br#"{"in_hand":[],"pending":{"urgent":1,"high":0,"normal":2,"low":0}}"#.to_vec(),
        ),
    ]);
    let take = Take {
        max: 3,
        timeout: Duration::from_millis(2_500),
        lease: Duration::from_secs(90),
    };
    assert!(client.inbox(take).await.unwrap().value.messages.is_empty());
    client
        .ack(
            id(),
            &AckRequest {
                lease: "L".into(),
                done: false,
            },
        )
        .await
        .unwrap();
    client
        .nak(
            id(),
            &NakRequest {
                lease: "L".into(),
                delay_ms: 5,
                reason: None,
            },
        )
        .await
        .unwrap();
    assert_eq!(client.peek().await.unwrap().value.pending.total(), 3);
    let asked: Vec<_> = fake
        .asked()
        .into_iter()
        .map(|asked| (asked.line, asked.body))
        .collect();
    let expected = [
        (
            "GET /v1/inbox?max=3&timeout=2.5&lease=90".to_owned(),
            String::new(),
        ),
        (
            format!("POST /v1/inbox/{ID}/ack"),
            r#"{"lease":"L","done":false}"#.to_owned(),
        ),
        (
            format!("POST /v1/inbox/{ID}/nak"),
            r#"{"lease":"L","delay_ms":5}"#.to_owned(),
        ),
        ("GET /v1/inbox/peek".to_owned(), String::new()),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_connection_is_kept_and_renewed_when_the_server_closed_it() {
    let (mut fake, client) = Fake::start([
        Step::Answer(200, b"x".to_vec()),
        Step::AnswerAndClose(200, b"x".to_vec()),
        Step::Answer(200, b"x".to_vec()),
    ]);
    client.livez().await.unwrap();
    client.livez().await.unwrap();
    fake.closed().await;
    client.livez().await.unwrap();
    let connections: Vec<_> = fake.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_broken_send_is_repeated_only_under_an_id() {
    for (given, requests) in [(None, 2), (Some(ID), 3)] {
        // The first request makes the kept connection that breaks under the second.
        let (fake, client) = Fake::start([
            Step::Answer(200, b"x".to_vec()),
            Step::Hang,
            Step::Answer(201, sent("stored")),
        ]);
        client.livez().await.unwrap();
        let result = client.send(&draft(given), SendOptions::default()).await;
        assert_eq!(fake.asked().len(), requests, "{result:?}");
        match given {
            None => {
                let error = result.unwrap_err();
                assert!(matches!(&error, ClientError::Lost { .. }), "{error:?}");
                assert_eq!(
                    error.exit_code(),
                    1,
                    "neither 4 (accepted) nor 5 (nothing accepted) would be true"
                );
            }
            Some(_) => assert_eq!(result.unwrap().value.level, Level::Stored),
        }
    }
}

#[tokio::test]
async fn a_new_connection_that_breaks_is_not_tried_for_ever() {
    let (fake, client) = Fake::start([Step::Hang]);
    let error = client
        .send(&draft(Some(ID)), SendOptions::default())
        .await
        .unwrap_err();
    assert!(
        error.hint().unwrap().contains(&format!("--id {ID}")),
        "{:?}",
        error.hint()
    );
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn refusals_are_typed_and_have_the_documented_exit_codes() {
    for (status, code, exit) in [
        (400, "invalid_message", 6),
        (404, "unknown_agent", 3),
        (409, "lease_lost", 6),
        (413, "too_large", 6),
        (503, "bus_unreachable", 5),
        (504, "level_not_reached", 4),
        (507, "spool_full", 6),
    ] {
        let (_fake, client) = Fake::start([Step::Answer(
            status,
            error(code, json!({ "details": { "level": "stored" } })),
        )]);
        let refused = client
            .send(&draft(None), SendOptions::default())
            .await
            .unwrap_err();
        assert_eq!(refused.exit_code(), exit, "{code}");
        let ClientError::Refused { status: got, detail } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((got, detail.code.as_str()), (status, code));
        assert_eq!(detail.details.unwrap()["level"], "stored");
    }
}

#[tokio::test]
async fn answers_that_no_sidecar_gives_are_named_as_such() {
    for (status, body, part) in [
        (200, b"{}".to_vec(), "missing field"),
        (500, b"<html>".to_vec(), "status 500"),
        (418, error("teapot", json!({})), "status 418"),
        (200, vec![b' '; RESPONSE_BYTES_MAX + 1], "bytes"),
    ] {
        let (_fake, client) = Fake::start([Step::Answer(status, body)]);
        let error = client.trace(id()).await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}

#[tokio::test]
async fn not_being_ready_is_an_answer() {
    let body = br#"{"ready":false,"checks":{"bus":"no connection","spool":"ok","lease":"ok"}}"#;
    let (_fake, client) = Fake::start([Step::Answer(503, body.to_vec())]);
    assert_eq!(client.readyz().await.unwrap().value.checks.bus, "no connection");
}

#[tokio::test]
async fn nobody_there_means_nothing_accepted() {
    let (fake, _) = Fake::start([]);
    let client = Client::new(Endpoint::Unix(fake.path().with_extension("gone")));
    let error = client.livez().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert_eq!(
        (error.code(), error.exit_code()),
        (Some(ErrorCode::BusUnreachable), 5)
    );
}

fn task() -> Vec<u8> {
    let at = wagglebus_schemas::Timestamp::from_unix_ms(0).unwrap();
    let draft = wagglebus_schemas::TaskDraft::titled("work".parse().unwrap());
    let task = draft.into_task(id(), "alice".parse().unwrap(), at);
    serde_json::to_vec(&task).unwrap()
}

#[tokio::test]
async fn a_command_is_decided_or_kept() {
    let kept = json!({ "id": ID, "level": "stored" }).to_string().into();
    let (fake, client) = Fake::start([
        Step::Answer(201, task()),
        Step::Answer(202, kept),
        Step::Answer(409, error("stale_epoch", json!({}))),
    ]);
    let mut draft = wagglebus_schemas::TaskDraft::titled("work".parse().unwrap());
    draft.id = Some(id());
    let answer = client.submit_task(&draft).await.unwrap().value;
    assert!(matches!(answer, TaskAnswer::Decided(task) if task.id == id()));
    let command = Command {
        result: Some(serde_json::Value::Null),
        ..Command::default()
    };
    let asked = client.command_task(id(), TaskVerb::Complete, &command).await;
    let TaskAnswer::Undecided(answer) = asked.unwrap().value else {
        panic!("decided");
    };
    assert_eq!(answer.level, Level::Stored);
    let refused = client
        .command_task(id(), TaskVerb::Resume, &Command::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::StaleEpoch));
    let asked: Vec<_> = fake.asked().iter().map(|asked| asked.line.clone()).collect();
    let path = format!("POST /v1/tasks/{ID}");
    assert_eq!(
        asked,
        [
            "POST /v1/tasks".to_owned(),
            format!("{path}/complete"),
            format!("{path}/resume")
        ]
    );
}

#[tokio::test]
async fn a_list_of_tasks_is_asked_for_by_state_and_agent() {
    let page = json!({ "items": [], "next_cursor": null }).to_string().into();
    let (fake, client) = Fake::start([Step::Answer(200, page)]);
    let request = TasksRequest {
        limit: Some(7),
        state: Some(wagglebus_schemas::task::TaskState::InProgress),
        agent: Some("bob".parse().unwrap()),
        cursor: None,
    };
    assert!(client.tasks(&request).await.unwrap().value.items.is_empty());
    assert_eq!(
        fake.asked()[0].line,
        "GET /v1/tasks?limit=7&state=in_progress&agent=bob"
    );
}
