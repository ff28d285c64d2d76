//! Taking and settling messages.

use anyhow::Result;
use serde_json::{Value, json};

use super::world::{World, items, text};

fn verb(item: &Value, verb: &str) -> String {
    format!("/v1/inbox/{}/{verb}", text(&item["message"]["id"]))
}

#[tokio::test]
async fn a_message_is_taken_seen_extended_and_done() -> Result<()> {
    let world = World::open().await?;
    let id = world.send("hi", "high").await?;
    let mut bob = world.bob().await?;
    let item = world.take().await?;
    assert_eq!(item["message"]["id"], json!(id));
    assert_eq!(
        (&item["message"]["content"], &item["message"]["priority"]),
        (&json!("hi"), &json!("high"))
    );
    assert_eq!(
        (&item["delivery"], &item["redelivered"]),
        (&json!(1), &json!(false))
    );

    let peek = bob.get("/v1/inbox/peek").await?.json();
    assert_eq!(peek["in_hand"], json!([item]));
    assert_eq!(peek["pending"].as_object().unwrap().len(), 4, "{peek}");

    let lease = &item["lease"];
    let extended = bob
        .post_json(
            &verb(&item, "progress"),
            &json!({ "lease": lease, "extend": 600 }),
        )
        .await?;
    assert_eq!(extended.status, 200, "{extended:?}");
    assert!(text(&extended.json()["lease_expires_at"]) > text(&item["lease_expires_at"]));
    let seen = bob
        .post_json(&verb(&item, "ack"), &json!({ "lease": lease, "done": false }))
        .await?;
    assert_eq!(
        (seen.status, seen.json()),
        (200, json!({ "id": id, "level": "seen" }))
    );
    for _ in 0..2 {
        let done = bob
            .post_json(&verb(&item, "ack"), &json!({ "lease": lease }))
            .await?;
        assert_eq!(
            (done.status, done.json()),
            (200, json!({ "id": id, "level": "done" }))
        );
    }
    assert_eq!(bob.get("/v1/inbox/peek").await?.json()["in_hand"], json!([]));
    Ok(())
}

#[tokio::test]
async fn only_the_current_lease_settles() -> Result<()> {
    let world = World::open().await?;
    world.send("hi", "normal").await?;
    let mut bob = world.bob().await?;
    let item = world.take().await?;
    let lost = (409, "lease_lost".to_owned());
    for (name, body) in [
        ("ack", json!({ "lease": "other" })),
        ("nak", json!({ "lease": "other" })),
        ("progress", json!({ "lease": "other" })),
    ] {
        assert_eq!(
            bob.post_json(&verb(&item, name), &body).await?.refusal(),
            lost,
            "{name}"
        );
    }
    let nak = bob
        .post_json(
            &verb(&item, "nak"),
            &json!({ "lease": item["lease"], "delay_ms": 0 }),
        )
        .await?;
    assert_eq!(
        (nak.status, nak.json()),
        (200, json!({ "id": item["message"]["id"] }))
    );
    let again = world.take().await?;
    assert_eq!(again["message"], item["message"]);
    assert_eq!(
        (&again["delivery"], &again["redelivered"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        bob.post_json(&verb(&item, "ack"), &json!({ "lease": item["lease"] }))
            .await?
            .refusal(),
        lost
    );
    let done = bob
        .post_json(&verb(&item, "ack"), &json!({ "lease": again["lease"] }))
        .await?;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(
        bob.post_json(&verb(&item, "nak"), &json!({ "lease": again["lease"] }))
            .await?
            .refusal(),
        lost
    );

    let nowhere = "/v1/inbox/0192f0c1-7c1e-7b11-8a52-000000000000";
    for name in ["ack", "nak", "progress"] {
        let refused = bob
            .post_json(&format!("{nowhere}/{name}"), &json!({ "lease": "1.1" }))
            .await?;
        assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn bodies_of_verbs_are_checked() -> Result<()> {
    let world = World::open().await?;
    world.send("hi", "normal").await?;
    let mut bob = world.bob().await?;
    let item = world.take().await?;
    let lease = text(&item["lease"]);
    let cases = [
        ("ack", "{}".to_owned(), "invalid_message"),
        ("ack", format!("[\"{lease}\",true]"), "invalid_message"),
        (
            "ack",
            format!("{{\"lease\":\"{lease}\",\"lease\":\"{lease}\"}}"),
            "invalid_json",
        ),
        (
            "ack",
            format!("{{\"lease\":\"{lease}\",\"done\":\"yes\"}}"),
            "invalid_message",
        ),
        (
            "nak",
            format!("{{\"lease\":\"{lease}\",\"delay_ms\":3600001}}"),
            "invalid_message",
        ),
        (
            "nak",
            format!("{{\"lease\":\"{lease}\",\"delay_ms\":-1}}"),
            "invalid_message",
        ),
        (
            "nak",
            json!({ "lease": lease, "reason": "x".repeat(1_001) }).to_string(),
            "invalid_message",
        ),
        (
            "progress",
            format!("{{\"lease\":\"{lease}\",\"extend\":3601}}"),
            "invalid_message",
        ),
        (
            "progress",
            format!("{{\"lease\":\"{lease}\",\"extend\":0}}"),
            "invalid_message",
        ),
        ("progress", "".to_owned(), "invalid_json"),
    ];
    for (name, body, code) in cases {
        let refused = bob.post(&verb(&item, name), body.as_bytes()).await?;
        assert_eq!(refused.refusal(), (400, code.to_owned()), "{name} {body}");
    }
    let done = bob
        .post_json(&verb(&item, "ack"), &json!({ "lease": lease, "unknown": 1 }))
        .await?;
    assert_eq!(done.status, 200, "nothing of that had an effect: {done:?}");
    Ok(())
}

#[tokio::test]
async fn one_request_takes_up_to_max_in_lane_order_and_then_only_urgent() -> Result<()> {
    let world = World::open().await?;
    for (content, priority) in [
        ("a", "low"),
        ("b", "normal"),
        ("c", "urgent"),
        ("d", "normal"),
        ("e", "high"),
    ] {
        world.send(content, priority).await?;
    }
    let mut bob = world.bob().await?;
    let taken = items(&bob.get("/v1/inbox?max=4&timeout=30").await?);
    let contents: Vec<String> = taken
        .iter()
        .map(|item| text(&item["message"]["content"]))
        .collect();
    assert_eq!(contents, ["c", "e", "b", "d"]);
    assert_eq!(
        items(&bob.get("/v1/inbox?max=4").await?),
        [] as [Value; 0],
        "all slots are taken"
    );
    for item in &taken {
        bob.post_json(&verb(item, "ack"), &json!({ "lease": item["lease"] }))
            .await?;
    }
    let last = items(&bob.get("/v1/inbox?max=4&timeout=30").await?);
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["message"]["content"], "a");
    world.send("u", "urgent").await?;
    let urgent = items(&bob.get("/v1/inbox?timeout=30").await?);
    assert_eq!(
        urgent[0]["message"]["content"], "u",
        "one more may be taken when it is urgent"
    );
    Ok(())
}
