//! Messages that were read elsewhere end where they lie.

use anyhow::Result;
use serde_json::{Value, json};

use super::world::{World, items};
use crate::messages::WITHIN;

#[tokio::test]
async fn what_was_read_elsewhere_is_done_and_never_handed_over() -> Result<()> {
    let world = World::open().await?;
    let first = world.send("first", "normal").await?;
    let second = world.send("second", "normal").await?;
    let mut bob = world.bob().await?;
    let path = format!("/v1/inbox/{second}/read");
    for _ in 0..2 {
        let read = bob.post_json(&path, &json!({ "from_agent": "alice" })).await?;
        assert_eq!(
            (read.status, read.json()),
            (200, json!({ "id": second, "level": "done" }))
        );
    }
    let peek = bob.get("/v1/inbox/peek").await?.json();
    assert_eq!(peek["ended"], json!([{ "from_agent": "alice", "id": second }]));
    assert_eq!(peek["in_hand"], json!([]));

    // Its sender hears it, though nothing was taken.
    let mut alice = world.alice().await?;
    let heard = async {
        loop {
            let trace = alice.get(&format!("/v1/messages/{second}/trace")).await?.json();
            if trace["level"] == "done" {
                return anyhow::Ok(trace);
            }
            tokio::task::yield_now().await;
        }
    };
    let trace = tokio::time::timeout(WITHIN, heard).await??;
    let receipt = &trace["receipts"][0];
    assert_eq!(
        [&receipt["delivery"], &receipt["bridge"], &receipt["proof"]],
        [&json!(0), &Value::Null, &json!("ack")]
    );

    let taken = items(&bob.get("/v1/inbox?max=8&timeout=5").await?);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0]["message"]["id"], json!(first));
    let held = bob
        .post_json(
            &format!("/v1/inbox/{first}/read"),
            &json!({ "from_agent": "alice" }),
        )
        .await?;
    assert_eq!(held.refusal(), (409, "lease_lost".to_owned()));
    let kept = bob.get(&format!("/v1/messages/{second}")).await?;
    assert_eq!((kept.status, &kept.json()["acknowledged"]), (200, &json!(true)));
    let peek = bob.get("/v1/inbox/peek").await?.json();
    assert_eq!(peek["ended"], json!([]), "its lane has brought it");
    Ok(())
}

#[tokio::test]
async fn a_read_names_the_sender() -> Result<()> {
    let world = World::open().await?;
    let id = world.send("hi", "normal").await?;
    let mut bob = world.bob().await?;
    let path = format!("/v1/inbox/{id}/read");
    for body in [
        json!({}),
        json!({ "from_agent": "a.b" }),
        json!({ "from_agent": 1 }),
    ] {
        let refused = bob.post_json(&path, &body).await?;
        assert_eq!(refused.refusal(), (400, "invalid_message".to_owned()), "{body}");
    }
    // Another sender's message of this id is another message.
    let other = bob.post_json(&path, &json!({ "from_agent": "mallory" })).await?;
    assert_eq!(other.status, 200);
    assert_eq!(world.take().await?["message"]["id"], json!(id));
    Ok(())
}
