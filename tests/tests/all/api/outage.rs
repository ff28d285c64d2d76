//! Without NATS: accepted, kept, told so, and delivered once it is back.

use anyhow::Result;
use serde_json::json;

use super::world::{World, text};

#[tokio::test]
async fn what_is_sent_while_the_bus_is_away_is_accepted_and_arrives_later() -> Result<()> {
    let mut world = World::open().await?;
    let mut alice = world.alice().await?;
    // Bob is known from now on.
    let known = world.send("before", "normal").await?;
    world.fleet.bus_mut().server_mut().kill().await?;
    while alice.get("/readyz").await?.status == 200 {
        tokio::task::yield_now().await;
    }
    let ready = alice.get("/readyz").await?.json();
    assert_eq!(
        (&ready["ready"], &ready["checks"]["spool"]),
        (&json!(false), &json!("ok"))
    );

    let draft = json!({ "to_agent": "bob", "content": "kept" });
    let accepted = alice.post_json("/v1/messages?timeout=30", &draft).await?;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let body = accepted.json();
    assert_eq!(
        (&body["level"], body.get("stream_seq")),
        (&json!("accepted"), None)
    );
    let id = text(&body["id"]);
    let trace = alice.get(&format!("/v1/messages/{id}/trace")).await?.json();
    assert!(
        text(&trace["explanation"]).starts_with("not stored: NATS is not reachable"),
        "{trace}"
    );
    let late = alice
        .post_json("/v1/messages?wait=stored&timeout=0.2", &draft)
        .await?;
    assert_eq!(late.refusal(), (504, "level_not_reached".to_owned()));

    world.fleet.bus_mut().server_mut().start().await?;
    let repeat = json!({ "to_agent": "bob", "content": "kept", "id": id });
    let stored = alice
        .post_json("/v1/messages?wait=stored&timeout=60", &repeat)
        .await?;
    assert_eq!((stored.status, &stored.json()["duplicate"]), (201, &json!(true)));
    let first = world.take().await?;
    assert_eq!(first["message"]["id"], json!(known));
    Ok(())
}
