//! Mail that does not move: looks at the heads of lanes, and tells senders by `held` receipts.

use std::collections::BTreeMap;

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::AbortHandle;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::order::{Head, HeldMail, Look};
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_nats::connect::Session;
use wagglebus_nats::error::PublishError;
use wagglebus_nats::head::lane_head;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{Subject, filter};
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp, headers};

/// Jobs that may wait: the four lanes of many agents at once.
const WAITING_MAX: usize = 8192;

/// How far back it is looked whether a sender was told already: in the stream, and among receipts to that sender.
const LOOKED_BACK: u64 = 10_000;
const TOLD_MAX: usize = 64;

/// Something to do about mail that does not move.
#[derive(Debug)]
pub(crate) enum Job {
    Look(Look),
    Tell(HeldMail, Timestamp),
}

impl Job {
    /// What it means to the machine that it was not done.
    fn failed(self) -> Event {
        match self {
            Self::Look(look) => Event::Looked { look, head: Err(()) },
            Self::Tell(mail, _) => Event::Untold(mail),
        }
    }
}

/// The way to the worker of one session, and what is watched in it.
#[derive(Debug)]
pub(crate) struct Mail {
    jobs: Sender<Job>,
    watches: BTreeMap<AgentId, AbortHandle>,
    client: Client,
    hive: Hive,
    out: Sender<Event>,
}

impl Mail {
    /// The way, and its end for [`work`]. What is seen goes to `out`.
    pub(crate) fn channel(client: Client, hive: Hive, out: Sender<Event>) -> (Self, Receiver<Job>) {
        let (jobs, receiver) = mpsc::channel(WAITING_MAX);
        let mail = Self {
            jobs,
            watches: BTreeMap::new(),
            client,
            hive,
            out,
        };
        (mail, receiver)
    }

    /// Has it done. When it cannot even wait, what that means to the machine is returned.
    pub(crate) fn ask(&self, job: Job) -> Option<Event> {
        self.jobs
            .try_send(job)
            .err()
            .map(|refused| refused.into_inner().failed())
    }

    /// Reports each message that comes for an agent. Subscribed when this returns, as far as the connection goes.
    pub(crate) async fn watch(&mut self, agent: AgentId) {
        let subject = filter::wakes(&self.hive, &agent);
        // When the session is over, the next one begins anew.
        let Ok(mut wakes) = self.client.subscribe(subject).await else {
            return;
        };
        let (hive, out) = (self.hive.clone(), self.out.clone());
        let watched = agent.clone();
        let task = tokio::spawn(async move {
            while let Some(wake) = wakes.next().await {
                let Ok(Subject::WakeMessage { priority, .. }) = Subject::parse(&hive, &wake.subject) else {
                    continue;
                };
                let agent = watched.clone();
                if out.send(Event::Arrived { agent, priority }).await.is_err() {
                    return;
                }
            }
        });
        if let Some(former) = self.watches.insert(agent, task.abort_handle()) {
            former.abort();
        }
    }

    /// Reports no more of them.
    pub(crate) fn unwatch(&mut self, agent: &AgentId) {
        if let Some(watch) = self.watches.remove(agent) {
            watch.abort();
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        for watch in self.watches.values() {
            watch.abort();
        }
    }
}

/// Works until nobody asks or listens.
pub(crate) async fn work(
    session: Session,
    bus: JetStream,
    hive: Hive,
    mut jobs: Receiver<Job>,
    out: Sender<Event>,
) {
    while let Some(job) = jobs.recv().await {
        let event = match job {
            Job::Look(look) => {
                let head = lane_head(session.jetstream(), &hive, &look.agent, look.priority).await;
                let head =
                    head.map_err(|error| tracing::debug!(%error, agent = %look.agent, "no look at a lane"));
                let head = head.map(|head| {
                    head.map(|head| Head {
                        stream_seq: head.stream_seq,
                        message_id: head.id,
                        sender: head.sender,
                        at: head.at,
                    })
                });
                Event::Looked { look, head }
            }
            Job::Tell(mail, _) if was_told(&session, &hive, &mail).await => continue,
            Job::Tell(mail, at) => match tell(&bus, &hive, &mail, at).await {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a held receipt is not stored");
                    Event::Untold(mail)
                }
            },
        };
        if out.send(event).await.is_err() {
            return;
        }
    }
}

/// Whether one of the last receipts of this kind to this sender says the same: a coordinator that starts anew, or one
/// beside us, finds the same hold. Where it cannot be told, it is told again, which does no harm.
async fn was_told(session: &Session, hive: &Hive, mail: &HeldMail) -> bool {
    let subject = told_at(hive, &mail.sender);
    let found = async {
        let stream = session
            .jetstream()
            .get_stream_no_info(Stream::Receipts.name(hive))
            .await
            .ok()?;
        let last = stream.get_last_raw_message_by_subject(&subject).await.ok()?;
        let mut from = last.sequence.saturating_sub(LOOKED_BACK);
        for _ in 0..TOLD_MAX {
            let told = stream
                .get_first_raw_message_by_subject(&subject, from.max(1))
                .await
                .ok()?;
            let receipt = serde_json::from_slice::<Receipt>(&told.payload);
            if receipt.is_ok_and(|receipt| is_about(&receipt, mail)) {
                return Some(());
            }
            from = told.sequence.saturating_add(1);
        }
        None
    };
    found.await.is_some()
}

/// A hold that its sidecar tells has a time of its own; one that we find by silence has none.
fn is_about(told: &Receipt, mail: &HeldMail) -> bool {
    let same_hold = told.since == Some(mail.since) || mail.reason == HoldReason::NoSidecar;
    same_hold
        && (told.message_id, &told.agent) == (mail.message_id, &mail.agent)
        && told.reason == Some(ReceiptReason::Held(mail.reason))
}

fn told_at(hive: &Hive, sender: &AgentId) -> String {
    let subject = Subject::Receipt {
        to: sender.clone(),
        level: ReceiptLevel::Held,
        from: AgentId::coordinator(),
    };
    subject.build(hive)
}

async fn tell(bus: &JetStream, hive: &Hive, mail: &HeldMail, at: Timestamp) -> Result<(), PublishError> {
    let receipt = receipt(mail, at);
    let payload = serde_json::to_vec(&receipt).map(Bytes::from).unwrap_or_default();
    let outgoing = Outgoing {
        subject: told_at(hive, &receipt.sender),
        id: receipt.id,
        expected_stream: Some(Stream::Receipts.name(hive)),
        headers: vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, receipt.id.to_string()),
            (headers::CE_TYPE, "io.wagglebus.receipt.v1.receipt".to_owned()),
            (headers::CE_SOURCE, format!("/{hive}/{}", AgentId::coordinator())),
            (headers::CE_TIME, at.to_string()),
        ],
        payload,
        expected_last_subject_seq: None,
    };
    bus.send(outgoing).await?.await.map(|_| ())
}

fn receipt(mail: &HeldMail, at: Timestamp) -> Receipt {
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    let message = (mail.sender.clone(), mail.message_id);
    let reason = ReceiptReason::Held(mail.reason);
    Receipt {
        since: Some(mail.since),
        ..Receipt::by_coordinator(id, message, mail.agent.clone(), reason, at)
    }
}
