//! The feed over a WebSocket, and what a client may do there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use wagglebus_harness::feed::FeedSource;
use wagglebus_nats::api_tokens::Role;

use super::roles::with_role;
use super::{hive, next, publish, submit};
use crate::messages::WITHIN;

/// A client that masks its frames with zeros.
struct Socket(BufReader<TcpStream>);

impl Socket {
    async fn open(feed: &FeedSource, query: &str) -> Self {
        let address = feed.http.strip_prefix("http://").unwrap();
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        let request = format!(
            "GET /v1/ws?{query} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {}\r\n\r\n",
            STANDARD.encode([7; 16]),
            feed.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self(stream)
    }

    async fn say(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame: its text, or `None` when it is the last one.
    async fn hear(&mut self) -> Option<Value> {
        let frame = async {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.unwrap();
            let length = match head[1] {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            (head[0] == 0x81).then(|| serde_json::from_slice(&payload).unwrap())
        };
        tokio::time::timeout(WITHIN, frame).await.unwrap()
    }

    /// The next frame of an op.
    async fn of(&mut self, op: &str) -> Value {
        loop {
            let frame = self.hear().await.expect("not closed");
            if frame["op"] == op {
                return frame;
            }
        }
    }

    async fn ask(&mut self, frame: &Value) -> Value {
        self.say(&frame.to_string()).await;
        self.of("result").await
    }
}

#[tokio::test]
async fn events_come_as_frames_and_subscriptions_change() {
    let fleet = hive(1).await;
    let feed = fleet.feed(0).unwrap();
    let mut socket = Socket::open(&feed, "kind=message").await;
    let hello = socket.hear().await.unwrap();
    assert_eq!(
        (&hello["op"], &hello["role"], &hello["agent"]),
        (&json!("hello"), &json!("operator"), &Value::Null)
    );
    publish(&fleet, "alice", "bob", "one").await;
    let event = socket.hear().await.unwrap();
    assert_eq!(
        (&event["op"], &event["kind"], &event["data"]["content"]),
        (&json!("event"), &json!("message"), &json!("one"))
    );
    let none = socket.ask(&json!({"op": "unsubscribe", "ref": 1})).await;
    assert_eq!((&none["ok"], &none["ref"]), (&json!(true), &json!(1)));
    publish(&fleet, "alice", "bob", "two").await;
    publish(&fleet, "alice", "carol", "three").await;
    let after = event["id"].as_str().unwrap();
    let frame = json!({"op": "subscribe", "ref": 2, "kind": ["message"], "agent": "carol", "after": after});
    assert_eq!(socket.ask(&frame).await["id"], event["id"]);
    assert_eq!(socket.of("event").await["data"]["content"], "three");
    for (bad, code) in [
        ("{".to_owned(), "invalid_json"),
        (json!({"op": "shout"}).to_string(), "invalid_message"),
        (
            json!({"op": "subscribe", "kind": "x"}).to_string(),
            "invalid_query",
        ),
    ] {
        socket.say(&bad).await;
        let refused = socket.of("result").await;
        assert_eq!(
            (&refused["ok"], &refused["error"]["code"]),
            (&json!(false), &json!(code))
        );
    }
}

#[tokio::test]
async fn what_the_role_allows_is_stored_and_answered() {
    let fleet = hive(1).await;
    // Somebody leads from here on: commands are decided at once.
    let mut tasks = fleet.feed(0).unwrap().read("kind=task", None).await.unwrap();
    submit(&fleet, "bob", "First").await;
    next(&mut tasks).await;
    let alice = Role::Agent {
        agent: "alice".parse().unwrap(),
    };
    let mut alice = Socket::open(&with_role(&fleet, "alice", alice).await, "kind=message,task").await;
    let submit = json!({"op": "task", "ref": "t", "verb": "submit", "title": "Work"});
    let task = alice.ask(&submit).await;
    assert_eq!(
        (&task["ok"], &task["state"], &task["submitted_by"]),
        (&json!(true), &json!("pending"), &json!("alice"))
    );
    let cancel =
        json!({"op": "task", "ref": "c", "verb": "cancel", "task_id": task["id"], "reason": "not needed"});
    assert_eq!(alice.ask(&cancel).await["state"], "cancelled");
    let sent = alice
        .ask(&json!({"op": "send", "ref": "s", "to_agent": "bob", "content": "hi"}))
        .await;
    assert_eq!((&sent["ok"], &sent["level"]), (&json!(true), &json!("stored")));
    let unknown = alice
        .ask(&json!({"op": "send", "to_agent": "bobb", "content": "hi"}))
        .await;
    assert_eq!(unknown["error"]["code"], "unknown_agent");

    let mut viewer = Socket::open(&with_role(&fleet, "eyes", Role::Viewer).await, "").await;
    for frame in [
        json!({"op": "send", "to_agent": "bob", "content": "hi"}),
        json!({"op": "task", "verb": "submit", "title": "Work"}),
    ] {
        assert_eq!(viewer.ask(&frame).await["error"]["code"], "forbidden", "{frame}");
    }
}
