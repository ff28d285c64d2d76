//! What alerts need of a session: dead letters and reports are read, lanes looked at.

use async_nats::jetstream::Context;
use tokio::sync::mpsc::Sender;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::alert::AlertNews;
use wagglebus_coordinator_core::lead::News;
use wagglebus_coordinator_core::order::Head;
use wagglebus_nats::head::lane_head;
use wagglebus_schemas::{AgentId, Hive, Priority};

use super::news;

/// Looks at the head of an agent's urgent lane, and tells what is there.
pub(super) async fn look(js: Context, hive: Hive, agent: AgentId, out: Sender<Event>) {
    let head = lane_head(&js, &hive, &agent, Priority::Urgent).await;
    let head = head.map_err(|error| tracing::debug!(%error, %agent, "no look at an urgent lane"));
    let head = head.map(|head| {
        head.map(|head| Head {
            stream_seq: head.stream_seq,
            message_id: head.id,
            sender: head.sender,
            at: head.at,
        })
    });
    // Without a listener the session is over.
    out.send(news(News::Alerts(AlertNews::Head { agent, head })))
        .await
        .ok();
}
