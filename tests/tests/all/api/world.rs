//! A hive with a coordinator and the sidecars of alice and bob.

use anyhow::Result;
use serde_json::{Value, json};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::places::AgentFile;

use super::raw::{Answer, Connection};

pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) alice: AgentFile,
    pub(super) bob: AgentFile,
}

impl World {
    pub(super) async fn open() -> Result<Self> {
        Self::with(&Options::http()).await
    }

    /// Bob's sidecar is started like this.
    pub(super) async fn with(bob: &Options) -> Result<Self> {
        let mut fleet = Fleet::open().await?;
        fleet.enrol(&["alice", "bob"]).await?;
        fleet.start_coordinator().await?;
        let alice = fleet.prepare("alice", &Options::http())?.start().await?;
        let bob = fleet.prepare("bob", bob)?.start().await?;
        Ok(Self { fleet, alice, bob })
    }

    pub(super) async fn alice(&self) -> Result<Connection> {
        Connection::unix(&self.alice.socket).await
    }

    pub(super) async fn bob(&self) -> Result<Connection> {
        Connection::unix(&self.bob.socket).await
    }

    /// Alice sends bob a text; returns the message's id once it is stored.
    pub(super) async fn send(&self, content: &str, priority: &str) -> Result<String> {
        let draft = json!({ "to_agent": "bob", "content": content, "priority": priority });
        let answer = self
            .alice()
            .await?
            .post_json("/v1/messages?wait=stored&timeout=30", &draft)
            .await?;
        assert_eq!(answer.status, 201, "{answer:?}");
        Ok(text(&answer.json()["id"]))
    }

    /// Bob takes one message, waiting for it.
    pub(super) async fn take(&self) -> Result<Value> {
        let answer = self.bob().await?.get("/v1/inbox?timeout=30").await?;
        Ok(items(&answer)[0].clone())
    }
}

/// The items of an answer to a take.
pub(super) fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["messages"].as_array().unwrap().clone()
}

pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
