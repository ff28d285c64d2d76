//! The WebSocket of a sidecar: everything that an agent needs over one connection.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use wagglebus_harness::fleet::Options;
use wagglebus_schemas::places::AgentFile;

use super::world::{World, items, text};
use crate::control::Operator;
use crate::messages::WITHIN;

/// A client that masks its frames with zeros.
struct Socket(BufReader<UnixStream>);

impl Socket {
    /// Asks for a WebSocket, with more header lines; returns the status too.
    async fn try_open(of: &AgentFile, query: &str, headers: &str) -> (Self, u16) {
        let mut stream = BufReader::new(UnixStream::connect(&of.socket).await.unwrap());
        let request = format!(
            "GET /v1/ws{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (Self(stream), status)
    }

    async fn open(of: &AgentFile, query: &str) -> Self {
        let (mut socket, status) = Self::try_open(of, query, "").await;
        assert_eq!(status, 101);
        let hello = socket.hear().await.unwrap();
        assert_eq!(
            (&hello["op"], &hello["agent"]),
            (&json!("hello"), &json!(of.agent))
        );
        assert!(hello["epoch"].as_u64().unwrap() > 0 && hello["version"].is_string());
        socket
    }

    async fn say(&mut self, frame: &Value) {
        let text = frame.to_string();
        let mut bytes = vec![0x81, 0x80 | 126];
        bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(text.as_bytes());
        self.0.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` at the end.
    async fn hear(&mut self) -> Option<Value> {
        let frame = async {
            loop {
                let mut head = [0; 2];
                self.0.read_exact(&mut head).await.unwrap();
                let length = match head[1] {
                    126 => usize::from(self.0.read_u16().await.unwrap()),
                    127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                    length => usize::from(length),
                };
                let mut payload = vec![0; length];
                self.0.read_exact(&mut payload).await.unwrap();
                match head[0] {
                    0x81 => return Some(serde_json::from_slice(&payload).unwrap()),
                    0x89 => {}
                    _ => return None,
                }
            }
        };
        tokio::time::timeout(WITHIN, frame).await.unwrap()
    }

    /// The next frame of an op; others are passed over.
    async fn of(&mut self, op: &str) -> Value {
        loop {
            let frame = self.hear().await.expect("it is still open");
            if frame["op"] == op {
                return frame;
            }
        }
    }

    async fn ask(&mut self, frame: Value) -> Value {
        self.say(&frame).await;
        let result = self.of("result").await;
        assert_eq!(result.get("ref"), frame.get("ref"), "{result}");
        result
    }
}

#[tokio::test]
async fn a_socket_sends_is_given_settles_and_hears_what_came_of_it() {
    let world = World::open().await.unwrap();
    let mut alice = Socket::open(&world.alice, "").await;
    let mut bob = Socket::open(&world.bob, "").await;
    let sent = alice
        .ask(json!({
            "op": "send", "ref": 1, "to_agent": "bob", "content": "hello", "priority": "high", "wait": "stored",
        }))
        .await;
    assert_eq!(
        (&sent["ok"], &sent["level"]),
        (&json!(true), &json!("stored")),
        "{sent}"
    );
    let given = bob.of("message").await;
    assert_eq!((&given["seq"], &given["delivery"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&given["message"]["id"], &given["message"]["content"]),
        (&sent["id"], &json!("hello"))
    );
    assert_eq!(alice.of("receipt").await["level"], "injected");
    let (id, lease) = (&given["message"]["id"], &given["lease"]);
    let extended = bob
        .ask(json!({ "op": "progress", "ref": "p", "id": id, "lease": lease, "extend": 90 }))
        .await;
    assert!(extended["lease_expires_at"].is_string(), "{extended}");
    let acked = bob
        .ask(json!({ "op": "ack", "ref": "a", "id": id, "lease": lease }))
        .await;
    assert_eq!((&acked["ok"], &acked["level"]), (&json!(true), &json!("done")));
    assert_eq!(alice.of("receipt").await["level"], "done");

    for (frame, code) in [
        (
            json!({ "op": "ack", "ref": 2, "id": id, "lease": "9.9" }),
            "lease_lost",
        ),
        (
            json!({ "op": "send", "ref": 3, "to_agent": "nobody", "content": "x" }),
            "unknown_agent",
        ),
        (json!({ "op": "shout", "ref": 4 }), "invalid_message"),
        (
            json!({ "op": "task", "ref": 5, "verb": "control", "action": "halt" }),
            "invalid_message",
        ),
    ] {
        let refused = bob.ask(frame).await;
        assert_eq!(
            (&refused["ok"], &refused["error"]["code"]),
            (&json!(false), &json!(code))
        );
    }
    assert_eq!(bob.ask(json!({ "op": "heartbeat", "ref": 6 })).await["ok"], true);
}

#[tokio::test]
async fn one_reader_at_a_time_and_a_web_page_never() {
    let world = World::open().await.unwrap();
    let mut first = Socket::open(&world.bob, "").await;
    assert_eq!(Socket::try_open(&world.bob, "", "").await.1, 409);
    assert_eq!(
        Socket::try_open(&world.bob, "?takeover=1", "Origin: http://x\r\n")
            .await
            .1,
        403
    );
    assert_eq!(Socket::try_open(&world.bob, "?before=1", "").await.1, 400);
    let stream = world.bob().await.unwrap().get("/v1/inbox/stream").await.unwrap();
    assert_eq!(stream.refusal(), (409, "inbox_busy".to_owned()));
    let mut second = Socket::open(&world.bob, "?takeover=1").await;
    assert_eq!(first.hear().await, None, "closed");
    let id = world.send("for the second", "normal").await.unwrap();
    assert_eq!(text(&second.of("message").await["message"]["id"]), id);
}

#[tokio::test]
async fn who_comes_back_at_once_has_what_it_had_and_two_slots_are_two() {
    let world = World::with(&Options::http().with(&["--slots", "2"]))
        .await
        .unwrap();
    let mut first = Socket::open(&world.bob, "").await;
    assert_eq!(
        first
            .ask(json!({ "op": "subscribe", "ref": 1, "slots": 2 }))
            .await["slots"],
        2
    );
    let ids = [
        world.send("one", "normal").await.unwrap(),
        world.send("two", "normal").await.unwrap(),
    ];
    let one = first.of("message").await;
    let two = first.of("message").await;
    assert_eq!([text(&one["message"]["id"]), text(&two["message"]["id"])], ids);
    drop(first);
    let after = one["seq"].as_u64().unwrap();
    let mut again = Socket::open(&world.bob, &format!("?slots=2&takeover=1&after={after}")).await;
    let given = again.of("message").await;
    assert_eq!(
        (&given["seq"], &given["lease"]),
        (&two["seq"], &two["lease"]),
        "the same lease"
    );
    let peek = world.bob().await.unwrap().get("/v1/inbox/peek").await.unwrap();
    assert_eq!(peek.json()["in_hand"].as_array().unwrap().len(), 2);
    drop(again);
    // Gone for good: both come again, to whoever asks.
    let taken = world
        .bob()
        .await
        .unwrap()
        .get("/v1/inbox?max=2&timeout=30")
        .await
        .unwrap();
    assert!(
        items(&taken).iter().all(|item| item["delivery"] == 2),
        "{taken:?}"
    );
}

#[tokio::test]
async fn tasks_are_commanded_and_their_notices_come_as_task_frames() {
    let world = World::with(&Options::http().with(&["--capability", "rust:8"]))
        .await
        .unwrap();
    let mut alice = Socket::open(&world.alice, "").await;
    let mut bob = Socket::open(&world.bob, "").await;
    let submitted = alice
        .ask(json!({ "op": "task", "ref": 1, "verb": "submit", "title": "Review", "capabilities": ["rust"] }))
        .await;
    assert_eq!(
        (&submitted["ok"], &submitted["title"]),
        (&json!(true), &json!("Review")),
        "{submitted}"
    );
    let notice = bob.of("task").await;
    assert_eq!(notice["message"]["metadata"]["kind"], "task.assigned");
    assert_eq!(notice["message"]["metadata"]["task_id"], submitted["id"]);
    let done = json!({
        "op": "task", "ref": 2, "verb": "complete", "task_id": submitted["id"], "result": { "fine": true },
    });
    let done = bob.ask(done).await;
    assert_eq!(
        (&done["ok"], &done["state"]),
        (&json!(true), &json!("completed")),
        "{done}"
    );
    let told = alice.of("task").await;
    assert_eq!(told["message"]["metadata"]["kind"], "task.completed");
}

#[tokio::test]
async fn a_socket_is_given_nothing_while_paused() {
    let world = World::open().await.unwrap();
    let mut bob = Socket::open(&world.bob, "").await;
    let operator = Operator::of(&world.fleet).await;
    operator.tell("bob", "pause", "agent", 1_000_007).await;
    let paused = async {
        loop {
            let ready = world.bob().await.unwrap().get("/readyz").await.unwrap().json();
            if ready["control"]["paused"] == true {
                return;
            }
        }
    };
    tokio::time::timeout(WITHIN, paused).await.unwrap();
    let id = world.send("later", "urgent").await.unwrap();
    assert_eq!(bob.ask(json!({ "op": "heartbeat" })).await["ok"], true);
    operator.tell("bob", "resume", "agent", 1_000_008).await;
    assert_eq!(text(&bob.of("message").await["message"]["id"]), id);
}
