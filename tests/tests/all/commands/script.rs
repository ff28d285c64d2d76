//! A coordinator by script: the test reads the commands and says what is decided.

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Subscriber};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use wagglebus_harness::fleet::Fleet;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Hive, Id, Task, TaskDraft, Timestamp};

use crate::messages::WITHIN;

/// A command as it lies in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) subject: String,
    pub(crate) id: Id,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn from(&self) -> &str {
        self.subject.rsplit('.').next().unwrap()
    }
}

pub(crate) struct Script {
    client: Client,
    context: Context,
    commands: pull::Stream,
}

impl Script {
    pub(crate) async fn open(fleet: &Fleet) -> Self {
        let client = fleet.bus().connect(BusUser::Coordinator).await.unwrap();
        let name = Stream::Tasks.name(&Hive::default());
        let stream = fleet.bus().admin().get_stream(name).await.unwrap();
        let config = pull::Config {
            deliver_policy: DeliverPolicy::All,
            filter_subject: "wb.task.>".to_owned(),
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.unwrap();
        Self {
            context: jetstream::new(client.clone()),
            client,
            commands: consumer.messages().await.unwrap(),
        }
    }

    /// The next command in the stream.
    pub(crate) async fn next(&mut self) -> Asked {
        let message = timeout(WITHIN, self.commands.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        message.ack().await.unwrap();
        let headers = message.headers.clone().unwrap();
        Asked {
            subject: message.subject.to_string(),
            id: headers.get("Nats-Msg-Id").unwrap().as_str().parse().unwrap(),
            body: serde_json::from_slice(&message.payload).unwrap(),
        }
    }

    /// The command was done: this is the task now.
    pub(crate) async fn done(&self, asked: &Asked, task: &Task) {
        self.verdict(asked, "done", json!({ "result": task })).await;
    }

    /// The command was refused.
    pub(crate) async fn refuse(&self, asked: &Asked, code: &str) {
        let error = json!({ "error": { "code": code, "message": "no" } });
        self.verdict(asked, "dead", error).await;
    }

    pub(crate) async fn verdict(&self, asked: &Asked, level: &str, more: Value) {
        let (id, at) = (fresh(), "2026-01-02T03:04:05.678Z");
        let mut receipt = json!({
            "id": id, "message_id": asked.id, "sender": asked.from(), "agent": "coordinator", "level": level,
            "levels": [{ "level": level, "at": at }], "bridge": null, "proof": "none", "delivery": null,
            "epoch": null, "at": at,
        });
        let fields = receipt.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let subject = format!("wb.receipt.{}.{level}.coordinator", asked.from());
        self.publish(subject, id, &receipt).await;
    }

    /// A notice to an agent.
    pub(crate) async fn notice(&self, to: &str, kind: &str, priority: &str, task: &Task) -> Id {
        let id = fresh();
        let message = json!({
            "id": id, "from_agent": "coordinator", "to_agent": to, "content": task.title.as_str(),
            "priority": priority, "message_type": if kind == "task.assigned" { "task" } else { "status" },
            "timestamp": "2026-01-02T03:04:05.678Z", "acknowledged": false, "conversation_id": id,
            "metadata": { "kind": kind, "task_id": task.id, "epoch": task.epoch, "task": task },
        });
        self.publish(format!("wb.msg.{to}.{priority}.coordinator"), id, &message)
            .await;
        id
    }

    async fn publish(&self, subject: String, id: Id, record: &Value) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id.to_string().as_str());
        let sent = self
            .context
            .publish_with_headers(subject, headers, record.to_string().into());
        sent.await.unwrap().await.unwrap();
    }

    /// Answers questions of a method, each with the same.
    pub(crate) async fn answer(&self, method: &str, answer: Value) -> Answers {
        let questions = self.client.subscribe(format!("wb.api.{method}.*")).await.unwrap();
        // What comes back on the same connection says that the server knows of the subscription before it.
        let inbox = self.client.new_inbox();
        let mut echo = self.client.subscribe(inbox.clone()).await.unwrap();
        self.client.publish(inbox, "".into()).await.unwrap();
        timeout(WITHIN, echo.next()).await.unwrap();
        let client = self.client.clone();
        Answers(tokio::spawn(reply(client, questions, answer)))
    }
}

/// Answers until it is dropped.
pub(crate) struct Answers(tokio::task::JoinHandle<()>);

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn reply(client: Client, mut questions: Subscriber, answer: Value) {
    while let Some(question) = questions.next().await {
        let (Some(to), Ok(body)) = (question.reply, serde_json::from_slice::<Value>(&question.payload))
        else {
            continue;
        };
        let mut headers = HeaderMap::new();
        if let Some(error) = answer.get("error").filter(|error| error.is_object()) {
            headers.insert("Nats-Service-Error", error["message"].as_str().unwrap());
            headers.insert("Nats-Service-Error-Code", "404");
        }
        // What was asked is shown too, for tests to look at.
        let mut answer = answer.clone();
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("asked".to_owned(), body);
        }
        let bytes = answer.to_string().into();
        client.publish_with_headers(to, headers, bytes).await.unwrap();
        client.flush().await.unwrap();
    }
}

pub(crate) fn fresh() -> Id {
    Id::from_uuid(uuid::Uuid::now_v7())
}

pub(crate) fn draft(title: &str, id: Option<Id>) -> TaskDraft {
    let mut draft = TaskDraft::titled(title.parse().unwrap());
    draft.id = id;
    draft
}

/// The task that a submission becomes.
pub(crate) fn task_of(asked: &Asked) -> Task {
    let draft: TaskDraft = serde_json::from_value(asked.body.clone()).unwrap();
    let from: AgentId = asked.from().parse().unwrap();
    draft.into_task(asked.id, from, Timestamp::from_unix_ms(0).unwrap())
}
