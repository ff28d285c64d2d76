//! Sending: what is answered, when, and what a repeat is.

use anyhow::Result;
use serde_json::json;

use super::world::{World, text};

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

#[tokio::test]
async fn a_message_is_stored_and_its_repeat_is_the_same_message() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let draft = json!({ "to_agent": "bob", "content": "hi", "id": ID, "unknown": 1, "acknowledged": true });
    let target = "/v1/messages?wait=stored&timeout=30";
    let first = alice.post_json(target, &draft).await?;
    assert_eq!(first.status, 201);
    let first = first.json();
    assert_eq!(
        (&first["id"], &first["conversation_id"]),
        (&json!(ID), &json!(ID))
    );
    assert_eq!(
        (&first["level"], &first["duplicate"]),
        (&json!("stored"), &json!(false))
    );
    assert!(
        first["stream_seq"].as_u64().is_some() && first.get("warning").is_none(),
        "{first}"
    );

    let again = alice.post_json(target, &draft).await?;
    assert_eq!((again.status, &again.json()["duplicate"]), (201, &json!(true)));
    assert_eq!(again.json()["stream_seq"], first["stream_seq"]);

    let other = json!({ "to_agent": "bob", "content": "something else", "id": ID });
    let conflict = alice.post_json(target, &other).await?;
    assert_eq!(conflict.refusal(), (409, "idempotency_conflict".to_owned()));
    Ok(())
}

#[tokio::test]
async fn an_idempotency_key_names_a_message_like_an_id() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let target = "/v1/messages?wait=stored&timeout=30";
    let key = "Idempotency-Key: order 7\r\n";
    let draft = json!({ "to_agent": "bob", "content": "hi" }).to_string();
    let first = alice.post_with(target, key, draft.as_bytes()).await?;
    let again = alice.post_with(target, key, draft.as_bytes()).await?;
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(again.json()["duplicate"], true);
    let other = json!({ "to_agent": "bob", "content": "ho" }).to_string();
    let conflict = alice.post_with(target, key, other.as_bytes()).await?;
    assert_eq!(conflict.refusal(), (409, "idempotency_conflict".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_sender_waits_for_the_level_it_asks_for() -> Result<()> {
    let world = World::open().await?;
    let draft = json!({ "to_agent": "bob", "content": "hi" });
    let (mut alice, mut bob) = (world.alice().await?, world.bob().await?);

    let accepted = alice
        .post_json("/v1/messages?wait=accepted&timeout=30", &draft)
        .await?;
    assert!(matches!(accepted.status, 201 | 202), "{accepted:?}");
    let item = world.take().await?;
    bob.post_json(
        &format!("/v1/inbox/{}/ack", text(&item["message"]["id"])),
        &json!({ "lease": item["lease"] }),
    )
    .await?;

    let late = alice
        .post_json("/v1/messages?wait=done&timeout=3", &draft)
        .await?;
    assert_eq!(late.refusal(), (504, "level_not_reached".to_owned()));
    assert_eq!(late.error()["details"]["level"], "stored");
    let id = text(&late.error()["details"]["id"]);

    let item = world.take().await?;
    assert_eq!(item["message"]["id"], json!(id));
    let ack = format!("/v1/inbox/{id}/ack");
    let waiting = async {
        let repeat = json!({ "to_agent": "bob", "content": "hi", "id": id });
        alice
            .post_json("/v1/messages?wait=done&timeout=60", &repeat)
            .await
    };
    let settling = async { bob.post_json(&ack, &json!({ "lease": item["lease"] })).await };
    let (waited, acked) = tokio::try_join!(waiting, settling)?;
    assert_eq!((acked.status, &acked.json()["level"]), (200, &json!("done")));
    assert_eq!((waited.status, &waited.json()["level"]), (201, &json!("done")));
    Ok(())
}

#[tokio::test]
async fn who_knows_nobody_of_that_name_is_told_close_ones() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    let draft = json!({ "to_agent": "bop", "content": "hi" });
    let unknown = alice.post_json("/v1/messages", &draft).await?;
    assert_eq!(unknown.refusal(), (404, "unknown_agent".to_owned()));
    assert_eq!(unknown.error()["details"]["similar"], json!(["bob"]));
    let parked = alice
        .post_json("/v1/messages?park=true&wait=stored&timeout=30", &draft)
        .await?;
    assert_eq!(parked.status, 201, "{parked:?}");
    let nobody = alice
        .post_json(
            "/v1/messages",
            &json!({ "to_agent": "capability:flying", "content": "x" }),
        )
        .await?;
    assert_eq!(nobody.refusal(), (404, "unknown_capability".to_owned()));
    assert!(nobody.error()["details"]["similar"].is_array());
    Ok(())
}
