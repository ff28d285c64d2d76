//! What became of a message: read again, traced, counted.

use anyhow::Result;
use serde_json::{Value, json};

use super::raw::Connection;
use super::world::{World, text};

async fn trace(at: &mut Connection, id: &str) -> Result<Value> {
    let answer = at.get(&format!("/v1/messages/{id}/trace")).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(answer.json())
}

/// Asks until the trace has reached a level: receipts travel over the bus.
async fn trace_at(at: &mut Connection, id: &str, level: &str) -> Result<Value> {
    loop {
        let trace = trace(at, id).await?;
        if trace["level"] == level {
            return Ok(trace);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_trace_tells_how_far_a_message_came_and_why_not_further() -> Result<()> {
    let world = World::open().await?;
    let (mut alice, mut bob) = (world.alice().await?, world.bob().await?);
    let id = world.send("hi", "normal").await?;
    let stored = trace(&mut alice, &id).await?;
    assert_eq!(
        (&stored["level"], &stored["receipts"]),
        (&json!("stored"), &json!([]))
    );
    assert_eq!(
        stored["explanation"],
        "not seen: queued at bob: stored, and its sidecar has not fetched it yet"
    );
    assert_eq!(stored["message"]["acknowledged"], false);

    let item = world.take().await?;
    let handed = trace_at(&mut alice, &id, "injected").await?;
    assert!(
        text(&handed["explanation"]).starts_with("not seen: handed to bob through http"),
        "{handed}"
    );
    let own = trace(&mut bob, &id).await?;
    assert_eq!(
        (&own["level"], &own["receipts"]),
        (&json!("injected"), &json!([]))
    );

    bob.post_json(&format!("/v1/inbox/{id}/ack"), &json!({ "lease": item["lease"] }))
        .await?;
    let done = trace_at(&mut alice, &id, "done").await?;
    assert!(text(&done["explanation"]).starts_with("done by bob"), "{done}");
    let levels: Vec<&Value> = done["receipts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|receipt| receipt["levels"].as_array().unwrap())
        .map(|step| &step["level"])
        .collect();
    assert_eq!(levels, ["fetched", "injected", "seen", "done"]);

    for side in [&mut alice, &mut bob] {
        let message = side.get(&format!("/v1/messages/{id}")).await?.json();
        assert_eq!(
            (&message["content"], &message["acknowledged"]),
            (&json!("hi"), &json!(true))
        );
        assert_eq!(trace(side, &id).await?["message"], message);
    }
    let nothing = "/v1/messages/0192f0c1-7c1e-7b11-8a52-000000000000";
    assert_eq!(alice.get(nothing).await?.refusal(), (404, "not_found".to_owned()));
    Ok(())
}

#[tokio::test]
async fn roster_health_and_metrics_answer() -> Result<()> {
    let world = World::open().await?;
    let mut alice = world.alice().await?;
    assert_eq!(alice.get("/livez").await?.status, 200);
    let ready = alice.get("/readyz").await?;
    let checks = json!({ "bus": "ok", "spool": "ok", "lease": "ok" });
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({ "ready": true, "checks": checks }))
    );

    let agents = alice.get("/v1/agents?limit=500").await?;
    assert_eq!(agents.status, 200, "{agents:?}");
    let names: Vec<String> = agents.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| text(&a["agent"]))
        .collect();
    assert!(
        names.contains(&"alice".to_owned()) && names.contains(&"bob".to_owned()),
        "{names:?}"
    );
    assert_eq!(
        alice.get("/v1/agents?limit=0").await?.refusal(),
        (400, "invalid_query".to_owned())
    );
    let bob = alice.get("/v1/agents/bob").await?;
    assert_eq!((bob.status, &bob.json()["agent"]), (200, &json!("bob")));
    let unknown = alice.get("/v1/agents/bop").await?;
    assert_eq!(unknown.refusal(), (404, "unknown_agent".to_owned()));
    assert_eq!(unknown.error()["details"]["similar"], json!(["bob"]));
    assert_eq!(
        alice.get("/v1/agents/A.B").await?.refusal(),
        (404, "unknown_agent".to_owned())
    );

    let document = alice.get("/openapi.json").await?;
    assert_eq!(
        (document.status, &document.json()["openapi"]),
        (200, &json!("3.1.0"))
    );

    world.send("hi", "normal").await?;
    let metrics = alice.get("/metrics").await?;
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    let text = String::from_utf8(metrics.body)?;
    for line in [
        "wagglebus_sidecar_bus_connected{agent=\"alice\"} 1",
        "wagglebus_sidecar_lease_held{agent=\"alice\"} 1",
        "wagglebus_sidecar_http_requests_total{agent=\"alice\",route=\"/v1/messages\",status=\"201\"} 1",
        "# EOF",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    Ok(())
}

/// Asks until the list has so many items: messages travel over the bus.
async fn listed(at: &mut Connection, path: &str, count: usize) -> Result<Value> {
    loop {
        let answer = at.get(path).await?;
        assert!([200, 404].contains(&answer.status), "{answer:?}");
        let page = answer.json();
        if page["items"].as_array().is_some_and(|items| items.len() == count) {
            return Ok(page);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn conversations_hold_both_directions_in_order_and_in_pages() -> Result<()> {
    let world = World::open().await?;
    let (mut alice, mut bob) = (world.alice().await?, world.bob().await?);
    let id = world.send("question", "normal").await?;
    let message = alice.get(&format!("/v1/messages/{id}")).await?.json();
    let conversation = text(&message["conversation_id"]);
    world.send("something else", "normal").await?;
    let item = world.take().await?;
    bob.post_json(&format!("/v1/inbox/{id}/ack"), &json!({ "lease": item["lease"] }))
        .await?;
    for content in ["answer", "and more"] {
        let reply = json!({ "to_agent": "alice", "content": content, "conversation_id": conversation });
        assert_eq!(
            bob.post_json("/v1/messages?wait=stored", &reply).await?.status,
            201
        );
        // Nothing is in a spool before it was handed over.
        let got = alice.get("/v1/inbox?timeout=20").await?.json();
        let (id, lease) = (&got["messages"][0]["message"]["id"], &got["messages"][0]["lease"]);
        let ack = format!("/v1/inbox/{}/ack", text(id));
        assert_eq!(
            alice.post_json(&ack, &json!({ "lease": lease })).await?.status,
            200
        );
    }
    let path = format!("/v1/conversations/{conversation}/messages");
    for at in [&mut alice, &mut bob] {
        let all = listed(at, &path, 3).await?;
        let contents: Vec<String> = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| text(&m["content"]))
            .collect();
        assert_eq!(contents, ["question", "answer", "and more"]);
        assert_eq!(all["next_cursor"], Value::Null);
    }
    let first = listed(&mut bob, &format!("{path}?limit=2"), 2).await?;
    assert_eq!(first["items"][0]["acknowledged"], true);
    let next = format!("{path}?limit=2&cursor={}", text(&first["next_cursor"]));
    let second = listed(&mut bob, &next, 1).await?;
    assert_eq!(
        (&second["items"][0]["content"], &second["next_cursor"]),
        (&json!("and more"), &Value::Null)
    );

    let conversations = listed(&mut alice, "/v1/conversations?with=bob", 2).await?;
    let latest = &conversations["items"][0];
    assert_eq!(
        (&latest["id"], &latest["participants"], &latest["status"]),
        (&json!(conversation), &json!(["alice", "bob"]), &json!("active"))
    );
    listed(&mut alice, "/v1/conversations?with=carol", 0).await?;
    for (bad, status) in [
        ("/v1/conversations?cursor=x", 400),
        ("/v1/conversations?limit=0", 400),
        ("/v1/conversations?wiht=bob", 400),
        (
            "/v1/conversations/0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d/messages",
            404,
        ),
    ] {
        assert_eq!(alice.get(bad).await?.status, status, "{bad}");
    }
    Ok(())
}
