//! Bad input: each with an error of its own, on a connection that goes on working.

use anyhow::Result;
use serde_json::{Value, json};

use super::raw::Connection;
use super::world::World;

const CONTENT_MAX: usize = 256 * 1024;

/// The connection still takes a good message.
async fn works(alice: &mut Connection) -> Result<()> {
    let draft = json!({ "to_agent": "bob", "content": "still here" });
    let sent = alice
        .post_json("/v1/messages?wait=stored&timeout=30", &draft)
        .await?;
    assert_eq!(sent.status, 201, "{sent:?}");
    Ok(())
}

#[tokio::test]
async fn content_that_grows_over_the_bound_when_encoded_is_refused_before_the_spool() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    for escape in ["\\n", "\\\"", "\\u0001"] {
        let body = format!(
            "{{\"to_agent\":\"bob\",\"content\":\"{}\"}}",
            escape.repeat(CONTENT_MAX)
        );
        let refused = alice.post("/v1/messages", body.as_bytes()).await?;
        assert_eq!(refused.refusal(), (413, "too_large".to_owned()), "{escape}");
        works(&mut alice).await?;
    }
    let body = json!({ "to_agent": "bob", "content": "x".repeat(CONTENT_MAX + 1) }).to_string();
    assert_eq!(
        alice.post("/v1/messages", body.as_bytes()).await?.refusal(),
        (413, "too_large".to_owned())
    );
    let body = json!({ "to_agent": "bob", "content": "x".repeat(CONTENT_MAX) }).to_string();
    let largest = alice
        .post("/v1/messages?wait=stored&timeout=30", body.as_bytes())
        .await?;
    assert_eq!(largest.status, 201, "{largest:?}");
    let metadata =
        json!({ "to_agent": "bob", "content": "x", "metadata": { "k": "y".repeat(400 * 1024) } }).to_string();
    assert_eq!(
        alice.post("/v1/messages", metadata.as_bytes()).await?.refusal(),
        (413, "too_large".to_owned())
    );
    works(&mut alice).await
}

#[tokio::test]
async fn a_body_without_end_is_answered_and_cut() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{";
    alice.write(head.as_bytes()).await?;
    let refused = alice.answer().await?;
    assert_eq!(refused.refusal(), (413, "too_large".to_owned()));
    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(alice.closed().await?, 0);
    works(&mut world.alice().await?).await
}

#[tokio::test]
async fn each_bad_send_is_named() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let draft = |change: (&str, Value)| {
        let mut draft = json!({ "to_agent": "bob", "content": "hi" });
        draft[change.0] = change.1;
        draft.to_string().into_bytes()
    };
    let deep = format!(
        "{{\"to_agent\":\"bob\",\"content\":\"hi\",\"metadata\":{{\"a\":{}}}}}",
        "[".repeat(200_000)
    );
    let long = "a".repeat(64);
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("empty", b"".to_vec(), 400, "invalid_json"),
        ("cut short", b"{\"to_agent\":".to_vec(), 400, "invalid_json"),
        ("two values", b"{} {}".to_vec(), 400, "invalid_json"),
        ("deep", deep.into_bytes(), 400, "invalid_json"),
        (
            "key twice",
            b"{\"to_agent\":\"bob\",\"content\":\"a\",\"content\":\"b\"}".to_vec(),
            400,
            "invalid_json",
        ),
        (
            "key twice within",
            b"{\"to_agent\":\"bob\",\"content\":\"a\",\"metadata\":{\"k\":1,\"k\":2}}".to_vec(),
            400,
            "invalid_json",
        ),
        (
            "no UTF-8",
            b"{\"to_agent\":\"bob\",\"content\":\"\xff\"}".to_vec(),
            400,
            "invalid_json",
        ),
        (
            "half a surrogate",
            b"{\"to_agent\":\"bob\",\"content\":\"\\ud800\"}".to_vec(),
            400,
            "invalid_json",
        ),
        ("an array", b"[\"bob\",\"hi\"]".to_vec(), 400, "invalid_message"),
        (
            "no content",
            b"{\"to_agent\":\"bob\"}".to_vec(),
            400,
            "invalid_message",
        ),
        (
            "content no text",
            draft(("content", json!(7))),
            400,
            "invalid_message",
        ),
        ("dot", draft(("to_agent", json!("a.b"))), 400, "invalid_message"),
        ("star", draft(("to_agent", json!("*"))), 400, "invalid_message"),
        ("greater", draft(("to_agent", json!(">"))), 400, "invalid_message"),
        (
            "64 characters",
            draft(("to_agent", json!(long))),
            400,
            "invalid_message",
        ),
        (
            "line end",
            draft(("to_agent", json!("bob\r\n"))),
            400,
            "invalid_message",
        ),
        (
            "priority",
            draft(("priority", json!("soon"))),
            400,
            "invalid_message",
        ),
        (
            "priority null",
            draft(("priority", Value::Null)),
            400,
            "invalid_message",
        ),
        (
            "type",
            draft(("message_type", json!("shout"))),
            400,
            "invalid_message",
        ),
        ("id", draft(("id", json!("7"))), 400, "invalid_message"),
        (
            "upper-case id",
            draft(("id", json!("0192F0C1-7C1E-7B11-8A52-0D6F0A1B2C3D"))),
            400,
            "invalid_message",
        ),
        ("metadata", draft(("metadata", json!([]))), 400, "invalid_message"),
        (
            "foreign sender",
            draft(("from_agent", json!("bob"))),
            403,
            "sender_mismatch",
        ),
        (
            "no sender",
            draft(("from_agent", json!("a.b"))),
            400,
            "invalid_message",
        ),
    ];
    for (name, body, status, code) in cases {
        let refused = alice.post("/v1/messages", &body).await?;
        assert_eq!(
            refused.refusal(),
            (status, code.to_owned()),
            "{name}: {refused:?}"
        );
    }
    works(&mut alice).await
}

#[tokio::test]
async fn queries_paths_methods_and_media_types_are_checked() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let draft = json!({ "to_agent": "bob", "content": "hi" }).to_string();
    for query in [
        "tiemout=1",
        "wait=soon",
        "wait=held",
        "timeout=-1",
        "timeout=nan",
        "timeout=1e3",
        "park=maybe",
        "wait=stored&wait=done",
    ] {
        let refused = alice
            .post(&format!("/v1/messages?{query}"), draft.as_bytes())
            .await?;
        assert_eq!(refused.refusal(), (400, "invalid_query".to_owned()), "{query}");
    }
    for query in [
        "max=0",
        "max=33",
        "max=x",
        "timeout=60.001",
        "lease=4.9",
        "lease=3601",
        "limit=1",
    ] {
        let refused = alice.get(&format!("/v1/inbox?{query}")).await?;
        assert_eq!(refused.refusal(), (400, "invalid_query".to_owned()), "{query}");
    }
    for target in [
        "/",
        "/v1",
        "/v1/messages/",
        "/v2/messages",
        "/v1/messages/x",
        "/v1/messages/x/trace",
        "/v1/inbox/x/y",
    ] {
        let refused = alice.get(target).await?;
        assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{target}");
        assert!(refused.error()["details"]["similar"].is_array());
    }
    let refused = alice.post("/v1/conversations", b"{}").await?;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET,HEAD")),
        "{refused:?}"
    );
    assert!(refused.error()["code"].is_string());
    for headers in [
        "Content-Type: text/plain\r\n",
        "Content-Encoding: gzip\r\nContent-Type: application/json\r\n",
        "",
    ] {
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{draft}",
            draft.len()
        );
        alice.write(request.as_bytes()).await?;
        assert_eq!(
            alice.answer().await?.refusal(),
            (415, "unsupported_media_type".to_owned()),
            "{headers}"
        );
    }
    works(&mut alice).await
}

#[tokio::test]
async fn line_ends_in_a_header_go_nowhere() -> Result<()> {
    let world = World::open().await?;
    let draft = json!({ "to_agent": "bob", "content": "hi" }).to_string();
    for value in ["a\rb", "a\nb", "a\0b", "a\r\n b"] {
        let mut alice = world.alice().await?;
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {value}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{draft}",
            draft.len()
        );
        alice.write(request.as_bytes()).await?;
        assert_eq!(alice.head().await?.status, 400, "{value:?}");
    }
    let mut alice = world.alice().await?;
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    let refused = alice.post_with("/v1/messages", &long, draft.as_bytes()).await?;
    assert_eq!(refused.refusal(), (400, "invalid_message".to_owned()));
    works(&mut alice).await
}
