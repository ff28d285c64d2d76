//! Server-sent events: handed over, acknowledged, resumed, taken over.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use wagglebus_nats::keys::BusUser;

use super::raw::Connection;
use super::world::{World, text};

/// An open stream.
struct Events {
    connection: Connection,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Events {
    async fn open(world: &World, query: &str, last: Option<&str>) -> Result<Self> {
        let mut connection = world.bob().await?;
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!("GET /v1/inbox/stream{query} HTTP/1.1\r\nHost: x\r\n{last}\r\n");
        connection.write(request.as_bytes()).await?;
        let head = connection.head().await?;
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some("text/event-stream")),
            "{head:?}"
        );
        Ok(Self {
            connection,
            text: String::new(),
        })
    }

    /// The next event; comments are passed over.
    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                let field = |name: &str| {
                    let value = event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    value
                        .map(str::to_owned)
                        .with_context(|| format!("no {name} in {event:?}"))
                };
                let data = serde_json::from_str(&field("data")?)?;
                return Ok(Event {
                    id: field("id")?,
                    name: field("event")?,
                    data,
                });
            }
            let chunk = self.connection.chunk().await?;
            anyhow::ensure!(!chunk.is_empty(), "the stream ended");
            self.text.push_str(std::str::from_utf8(&chunk)?);
        }
    }

    async fn message(&mut self) -> Result<Event> {
        let event = self.next().await?;
        assert_eq!(event.name, "message", "{event:?}");
        Ok(event)
    }
}

async fn ack(world: &World, event: &Event) -> Result<()> {
    let target = format!("/v1/inbox/{}/ack", text(&event.data["message"]["id"]));
    let done = world
        .bob()
        .await?
        .post_json(&target, &json!({ "lease": event.data["lease"] }))
        .await?;
    assert_eq!(done.status, 200, "{done:?}");
    Ok(())
}

#[tokio::test]
async fn messages_are_handed_over_one_by_one_and_proven() -> Result<()> {
    let world = World::open().await?;
    let mut events = Events::open(&world, "", None).await?;
    let (first, second) = (world.send("a", "normal").await?, world.send("b", "normal").await?);
    let event = events.message().await?;
    assert_eq!(event.data["message"]["id"], json!(first));
    assert!(event.id.ends_with("-1"), "{event:?}");
    let mut alice = world.alice().await?;
    let trace = loop {
        let trace = alice.get(&format!("/v1/messages/{first}/trace")).await?.json();
        if trace["level"] == "injected" {
            break trace;
        }
    };
    assert_eq!(
        (&trace["receipts"][0]["bridge"], &trace["receipts"][0]["proof"]),
        (&json!("sse"), &json!("write"))
    );
    ack(&world, &event).await?;
    let event = events.message().await?;
    assert_eq!(event.data["message"]["id"], json!(second));
    ack(&world, &event).await
}

#[tokio::test]
async fn a_reader_that_comes_back_has_what_it_had() -> Result<()> {
    let world = World::open().await?;
    for content in ["a", "b", "c"] {
        world.send(content, "normal").await?;
    }
    let mut events = Events::open(&world, "?slots=3", None).await?;
    let (a, b, c) = (
        events.message().await?,
        events.message().await?,
        events.message().await?,
    );
    ack(&world, &b).await?;
    drop(events);
    let mut events = Events::open(&world, "?slots=3", Some(&a.id)).await?;
    let again = events.message().await?;
    assert_eq!(
        (&again.id, &again.data["lease"]),
        (&c.id, &c.data["lease"]),
        "b is acknowledged, a was before"
    );
    assert_eq!(
        (&again.data["delivery"], &again.data["redelivered"]),
        (&json!(1), &json!(false))
    );
    drop(events);
    let mut events = Events::open(&world, "?slots=3", Some("1-999")).await?;
    let (first, second) = (events.message().await?, events.message().await?);
    assert_eq!(
        (first.id, second.id),
        (a.id, c.id),
        "after an unknown id: all of it"
    );
    Ok(())
}

#[tokio::test]
async fn a_reader_that_stays_away_gives_its_messages_back() -> Result<()> {
    let world = World::open().await?;
    world.send("a", "normal").await?;
    let mut events = Events::open(&world, "", None).await?;
    let event = events.message().await?;
    drop(events);
    let item = world.take().await?;
    assert_eq!(item["message"]["id"], event.data["message"]["id"]);
    assert_eq!(
        (&item["delivery"], &item["redelivered"]),
        (&json!(2), &json!(true))
    );
    Ok(())
}

#[tokio::test]
async fn there_is_one_reader_unless_it_is_replaced() -> Result<()> {
    let world = World::open().await?;
    world.send("a", "normal").await?;
    let mut events = Events::open(&world, "", None).await?;
    let event = events.message().await?;
    let busy = world.bob().await?.get("/v1/inbox/stream").await?;
    assert_eq!(busy.refusal(), (409, "inbox_busy".to_owned()));
    let mut newer = Events::open(&world, "?takeover=1", None).await?;
    let closed = events.next().await?;
    assert_eq!(
        (closed.name.as_str(), &closed.data),
        ("closed", &json!({ "reason": "replaced" }))
    );
    assert!(events.next().await.is_err(), "the older stream has ended");
    let again = newer.message().await?;
    assert_eq!((&again.id, &again.data), (&event.id, &event.data));
    let refused = world.bob().await?.get("/v1/inbox/stream?slots=0").await?;
    assert_eq!(refused.refusal(), (400, "invalid_query".to_owned()));
    Ok(())
}

#[tokio::test]
async fn receipts_are_events_too_and_a_stop_says_goodbye() -> Result<()> {
    let mut world = World::open().await?;
    let mut events = Events::open(&world, "", None).await?;
    let mut bob = world.bob().await?;
    let sent = bob
        .post_json("/v1/messages", &json!({ "to_agent": "alice", "content": "hi" }))
        .await?
        .json();
    let taken = world.alice().await?.get("/v1/inbox?timeout=30").await?.json();
    assert_eq!(taken["messages"][0]["message"]["id"], sent["id"]);
    let receipt = events.next().await?;
    assert_eq!(
        (receipt.name.as_str(), &receipt.data["message_id"]),
        ("receipt", &sent["id"])
    );
    let stopping = async { world.fleet.sidecar_mut("bob")?.stop().await };
    let closing = async { events.next().await };
    let (closed, ()) = tokio::try_join!(closing, stopping)?;
    assert_eq!(
        (closed.name.as_str(), &closed.data),
        ("closed", &json!({ "reason": "drain" }))
    );
    Ok(())
}

#[tokio::test]
async fn a_notice_of_the_coordinator_comes_as_a_task_event() -> Result<()> {
    let world = World::open().await?;
    let mut events = Events::open(&world, "", None).await?;
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
    let notice = json!({
        "id": id, "from_agent": "coordinator", "to_agent": "bob", "content": "work", "priority": "high",
        "timestamp": "2026-01-02T03:04:05.678Z", "metadata": { "kind": "task.completed", "task_id": id },
    });
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    let subject = "wb.msg.bob.high.coordinator";
    let bus = world.fleet.bus().connect(BusUser::Coordinator).await?;
    bus.publish_with_headers(subject, headers, notice.to_string().into())
        .await?;
    let event = events.next().await?;
    assert_eq!(event.name, "task", "{event:?}");
    assert_eq!(event.data["message"]["id"], id);
    ack(&world, &event).await
}
