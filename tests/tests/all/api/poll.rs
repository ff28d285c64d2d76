//! Long polls: they end with the event they wait for, and whoever goes away takes nothing along.

use anyhow::Result;
use serde_json::{Value, json};

use super::world::{World, items};

#[tokio::test]
async fn a_poll_is_answered_by_the_message_it_waits_for() -> Result<()> {
    let world = World::open().await?;
    let mut bob = world.bob().await?;
    assert_eq!(items(&bob.get("/v1/inbox").await?), [] as [Value; 0]);
    assert_eq!(items(&bob.get("/v1/inbox?timeout=0.05").await?), [] as [Value; 0]);
    // The message can only be sent once the poll waits for it: its answer is what ends the test.
    let polling = async { bob.get("/v1/inbox?timeout=60").await };
    let (answer, id) = tokio::try_join!(polling, world.send("hi", "normal"))?;
    assert_eq!(items(&answer)[0]["message"]["id"], json!(id));
    Ok(())
}

#[tokio::test]
async fn what_a_broken_poll_would_have_taken_goes_to_the_next() -> Result<()> {
    let world = World::open().await?;
    let mut gone = world.bob().await?;
    gone.write(b"GET /v1/inbox?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await?;
    drop(gone);
    let id = world.send("hi", "normal").await?;
    let item = world.take().await?;
    assert_eq!(item["message"]["id"], json!(id));
    Ok(())
}

#[tokio::test]
async fn a_head_takes_nothing() -> Result<()> {
    let world = World::open().await?;
    let id = world.send("hi", "normal").await?;
    let mut bob = world.bob().await?;
    bob.write(b"HEAD /v1/inbox?timeout=30 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await?;
    assert_eq!(bob.head().await?.status, 405);
    let item = items(&bob.get("/v1/inbox?timeout=30").await?)[0].clone();
    assert_eq!(
        (&item["message"]["id"], &item["delivery"]),
        (&json!(id), &json!(1))
    );
    Ok(())
}

#[tokio::test]
async fn a_stopping_sidecar_answers_its_polls() -> Result<()> {
    let mut world = World::open().await?;
    let mut bob = world.bob().await?;
    bob.write(b"GET /v1/inbox?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await?;
    // Read after the poll, so once it is answered the poll is waiting.
    assert_eq!(world.bob().await?.get("/livez").await?.status, 200);
    let stopping = async { world.fleet.sidecar_mut("bob")?.stop().await };
    let answering = async { bob.answer().await };
    let (answer, ()) = tokio::try_join!(answering, stopping)?;
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    assert!(!world.bob.socket.exists(), "the socket goes with its sidecar");
    Ok(())
}
