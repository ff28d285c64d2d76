//! Bytes that are no text, given to a sidecar and put on the bus as if they were the content of a message.

use std::path::Path;

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;
use wagglebus_nats::keys::UserKey;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::subject::{Subject, agent_api_prefix};
use wagglebus_schemas::{AgentId, Draft, Hive, Id, Priority, Timestamp, headers};

use super::WITHIN;
use crate::fleet::Fleet;

/// Stands where the bytes come to stand.
const PLACE: &str = "the bytes come here";

/// `json` with `bytes` in their place.
fn with_bytes(json: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let (before, after) = json.split_once(PLACE).context("no place for the bytes")?;
    Ok([before.as_bytes(), bytes, after.as_bytes()].concat())
}

/// Gives a draft with these bytes as its content to the sidecar at `socket`. Returns the status of its answer.
pub(super) async fn over_http(socket: &Path, to: &AgentId, bytes: &[u8]) -> Result<u16> {
    let draft = Draft::text(to.clone().into(), PLACE.to_owned());
    let body = with_bytes(&serde_json::to_string(&draft)?, bytes)?;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    let mut answer = Vec::new();
    timeout(WITHIN, stream.read_to_end(&mut answer)).await??;
    let status = answer.split(|byte| *byte == b' ').nth(1);
    let status = std::str::from_utf8(status.context("no status line")?)?;
    Ok(status.parse()?)
}

/// An agent without a sidecar, which may put on the bus what it likes.
pub(super) struct Stranger {
    agent: AgentId,
    hive: Hive,
    context: Context,
}

impl Stranger {
    /// Connects as an enrolled agent.
    pub(super) async fn open(fleet: &Fleet, agent: &str) -> Result<Self> {
        let (agent, places): (AgentId, _) = (agent.parse()?, fleet.bus().places());
        let key = UserKey::load(&places.agent_seed_file(&agent))?;
        let client = async_nats::ConnectOptions::with_nkey(key.seed()?)
            .custom_inbox_prefix(inbox_prefix(&agent))
            .connect(fleet.bus().url())
            .await?;
        let hive = places.hive().clone();
        let context = jetstream::with_prefix(client, &agent_api_prefix(&hive));
        Ok(Self { agent, hive, context })
    }

    /// Puts a message with these bytes as its content on the bus, and waits until it is stored there.
    pub(super) async fn publish(&self, id: Id, to: &AgentId, bytes: &[u8]) -> Result<()> {
        let priority = Priority::Normal;
        let subject = Subject::Message {
            to: to.clone(),
            priority,
            from: self.agent.clone(),
        };
        let draft = Draft::text(to.clone().into(), PLACE.to_owned());
        let message = draft.into_message(id, self.agent.clone(), Timestamp::EPOCH);
        let payload = with_bytes(&serde_json::to_string(&message)?, bytes)?;
        let mut fields = HeaderMap::new();
        fields.insert(headers::MSG_ID, id.to_string());
        let subject = subject.build(&self.hive);
        let stored = self
            .context
            .publish_with_headers(subject, fields, payload.into())
            .await?;
        stored.await?;
        Ok(())
    }
}
