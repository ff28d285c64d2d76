//! Pause and halt: nothing is handed over through any bridge until the operator lets it, and everybody can tell why.

mod bridges;
mod whole;

use async_nats::HeaderMap;
use async_nats::jetstream;
use serde_json::json;
use wagglebus_harness::fleet::Fleet;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Id;

/// A coordinator by script that controls agents.
pub(crate) struct Operator {
    context: jetstream::Context,
}

impl Operator {
    pub(crate) async fn of(fleet: &Fleet) -> Self {
        let client = fleet.bus().connect(BusUser::Coordinator).await.unwrap();
        Self {
            context: jetstream::new(client),
        }
    }

    /// Tells an agent what is wanted; `event_seq` orders what is said of one scope.
    pub(crate) async fn tell(&self, agent: &str, action: &str, scope: &str, event_seq: u64) {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let control = json!({
            "id": id, "action": action, "scope": scope, "event_seq": event_seq, "at": "2026-01-02T03:04:05.678Z",
        });
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id.to_string().as_str());
        let subject = format!("wb.receipt.{agent}.control.coordinator");
        let sent = self
            .context
            .publish_with_headers(subject, headers, control.to_string().into());
        sent.await.unwrap().await.unwrap();
    }
}
