//! Commands and their verdicts, straight on the bus, as any program with the rights of an agent writes them.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt;
use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::headers::MSG_ID;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::{ErrorCode, Id, Task};

use crate::messages::WITHIN;

/// Somebody who commands.
pub(crate) struct Commander<'f> {
    fleet: &'f Fleet,
    name: &'static str,
}

impl<'f> Commander<'f> {
    pub(crate) const fn of(fleet: &'f Fleet, name: &'static str) -> Self {
        Self { fleet, name }
    }

    /// Stores a command and waits for its verdict.
    pub(crate) async fn command(&self, verb: &str, body: Value) -> Result<Task, ErrorCode> {
        let id = self.store(verb, Id::from_uuid(uuid::Uuid::now_v7()), body).await;
        self.verdict(id).await
    }

    /// Stores a control and waits for its verdict.
    pub(crate) async fn control(&self, body: Value) -> Result<Value, ErrorCode> {
        let id = self
            .store("control", Id::from_uuid(uuid::Uuid::now_v7()), body)
            .await;
        let receipt = self.receipt(id).await;
        receipt
            .error
            .map_or(Ok(receipt.result.unwrap_or_default()), |error| Err(error.code))
    }

    /// Stores a submission and waits for its verdict.
    pub(crate) async fn submit(&self, draft: Value) -> Task {
        self.command("submit", draft).await.unwrap()
    }

    /// Stores a command under an id.
    pub(crate) async fn store(&self, verb: &str, id: Id, body: Value) -> Id {
        let subject = format!("wb.task.{verb}.normal.{}", self.name);
        self.publish(subject, id, body).await
    }

    async fn publish(&self, subject: String, id: Id, body: Value) -> Id {
        let mut headers = HeaderMap::new();
        headers.insert(MSG_ID, id.to_string());
        let js = self.fleet.bus().admin();
        let stored = js
            .publish_with_headers(subject, headers, body.to_string().into())
            .await
            .unwrap();
        stored.await.unwrap();
        id
    }

    /// The verdict about a command.
    pub(crate) async fn verdict(&self, command: Id) -> Result<Task, ErrorCode> {
        let receipt = self.receipt(command).await;
        match receipt.error {
            Some(error) => Err(error.code),
            None => Ok(serde_json::from_value(receipt.result.unwrap()).unwrap()),
        }
    }

    async fn receipt(&self, command: Id) -> Receipt {
        let stream = self.fleet.bus().admin().get_stream("WB_RECEIPTS").await.unwrap();
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::All,
            filter_subjects: ["done", "dead"]
                .map(|level| format!("wb.receipt.{}.{level}.coordinator", self.name))
                .to_vec(),
            ..Default::default()
        };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut receipts = consumer.messages().await.unwrap();
        let found = async {
            loop {
                let message = receipts.next().await.unwrap().unwrap();
                let receipt: Receipt = serde_json::from_slice(&message.payload).unwrap();
                if receipt.message_id == command {
                    return receipt;
                }
            }
        };
        tokio::time::timeout(WITHIN, found).await.unwrap()
    }
}

/// Records of an agent of which a line of the log cannot be made as they are: too long as a command, too long and too deep
/// as reports. The log goes on.
pub(crate) async fn overdo(agent: &Commander<'_>, task: &Task) {
    let deep = (0..62).fold(json!(1), |inner, _| json!([inner]));
    for (detail, evidence) in [
        ("d".repeat(520_000), json!({})),
        ("deep".to_owned(), json!({"deep": deep})),
    ] {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let report = json!({
            "id": id, "agent": agent.name, "component": "sidecar", "class": "refused", "severity": "error",
            "detail": detail, "evidence": evidence, "at": task.created_at,
        });
        agent
            .publish(format!("wb.report.failure.{}", agent.name), id, report)
            .await;
    }
    let long = json!({"task_id": task.id, "epoch": "a".repeat(520_000)});
    assert_eq!(
        agent.command("accept", long).await.unwrap_err(),
        ErrorCode::InvalidMessage
    );
}

/// A verb about an assignment.
pub(crate) fn about(task: &Task, more: Value) -> Value {
    let mut body = json!({ "task_id": task.id, "epoch": task.epoch });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}
