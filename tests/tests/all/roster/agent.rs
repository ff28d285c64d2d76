//! An agent that speaks to the bus by hand, with its own key and rights.

use std::time::Duration;

use async_nats::service::NATS_SERVICE_ERROR_CODE;
use async_nats::{Client, ConnectOptions, Request};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use wagglebus_harness::bus::TestBus;

const WITHIN: Duration = Duration::from_secs(30);

/// A connection under an agent's key.
pub(super) struct Agent {
    name: String,
    client: Client,
}

/// What the API answered: the status of the error, if it is one, and the body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Option<String>,
    pub(super) body: Value,
}

impl Agent {
    /// Connects as an enrolled agent.
    pub(super) async fn connect(bus: &TestBus, name: &str) -> Self {
        let seed = bus.agent_key(name).unwrap().seed().unwrap();
        let client = ConnectOptions::with_nkey(seed).connect(bus.url()).await.unwrap();
        Self {
            name: name.to_owned(),
            client,
        }
    }

    /// Sends a heartbeat with these fields changed.
    pub(super) async fn beat(&self, seq: u64, change: Value) {
        let lane = json!({"pending": 0, "oldest_ms": null});
        let mut beat = json!({
            "agent": self.name, "epoch": 1, "seq": seq, "interval_ms": 3000, "state": "idle", "hold": null,
            "bridges": [{"name": "stdio", "proves": "injected"}],
            "inbox": {"urgent": lane, "high": lane, "normal": lane, "low": lane},
            "in_flight": [], "spool": {"unstored": 0, "bytes": 0},
            "agent_cpu_ms": null, "agent_rss_bytes": null, "cpu_ms": 1, "rss_bytes": 1,
            "version": "0.1.0", "capabilities": [], "at": "2026-01-02T03:04:05.000Z",
        });
        for (key, value) in change.as_object().unwrap() {
            beat[key] = value.clone();
        }
        let subject = format!("wb.hb.{}", self.name);
        self.client
            .publish(subject, beat.to_string().into())
            .await
            .unwrap();
        self.client.flush().await.unwrap();
    }

    /// Asks the coordinator.
    pub(super) async fn ask(&self, method: &str, query: Value) -> Answer {
        let subject = format!("wb.api.{method}.{}", self.name);
        let request = Request::new().payload(query.to_string().into());
        let message = self.client.send_request(subject, request).await.unwrap();
        let headers = message.headers.unwrap_or_default();
        Answer {
            status: headers
                .get(NATS_SERVICE_ERROR_CODE)
                .map(|value| value.as_str().to_owned()),
            body: serde_json::from_slice(&message.payload).unwrap(),
        }
    }

    /// Goes without a word.
    pub(super) async fn leave(self) {
        self.client.drain().await.unwrap();
    }
}

/// Asks every service and returns all that answer within half a second, as the stock tools do.
pub(super) async fn listed(client: &Client, subject: &str) -> Vec<Value> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    client
        .publish_with_reply(subject.to_owned(), inbox, "".into())
        .await
        .unwrap();
    let mut found = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_millis(500);
    while let Ok(Some(answer)) = tokio::time::timeout_at(end, answers.next()).await {
        // Nobody listens to it: the server says so.
        if answer.status.is_none() {
            found.push(serde_json::from_slice(&answer.payload).unwrap());
        }
    }
    found
}

/// Asks every service and returns the first `count` answers.
pub(super) async fn discover(client: &Client, subject: &str, count: usize) -> Vec<Value> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await.unwrap();
    client
        .publish_with_reply(subject.to_owned(), inbox, "".into())
        .await
        .unwrap();
    let answers = answers
        .take(count)
        .map(|answer| serde_json::from_slice(&answer.payload).unwrap());
    timeout(WITHIN, answers.collect()).await.unwrap()
}
