//! Publishes what follows from stored lines, each until it is stored.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;
use wagglebus_coordinator_core::log::Letter;
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_nats::error::PublishError;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, headers};

/// Most records under way at once.
const UNDER_WAY_MAX: usize = 256;
/// Pause before records that were not stored are published again, under the same ids.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Works until nobody posts. One worker for each stream: a full one keeps nobody else waiting.
pub(super) async fn work(bus: JetStream, hive: Hive, mut posted: UnboundedReceiver<Letter>) {
    let mut letters = Vec::new();
    loop {
        if letters.is_empty() && posted.recv_many(&mut letters, UNDER_WAY_MAX).await == 0 {
            return;
        }
        letters = publish(&bus, &hive, letters).await;
        if !letters.is_empty() {
            tokio::time::sleep(RETRY_AFTER).await;
            // What came meanwhile goes along: one that the stream does not take stops no other.
            while letters.len() < UNDER_WAY_MAX
                && let Ok(letter) = posted.try_recv()
            {
                letters.push(letter);
            }
        }
    }
}

/// Publishes them in order, and returns those that are not stored. What stands behind one that is lost comes before it
/// then: verdicts and notices do not depend on each other's order, as each names its assignment.
async fn publish(bus: &JetStream, hive: &Hive, letters: Vec<Letter>) -> Vec<Letter> {
    let mut acks = Vec::new();
    for letter in letters {
        let sent = bus.send(outgoing(hive, &letter)).await;
        acks.push(async move {
            let stored = match sent {
                Ok(ack) => ack.await.map(drop),
                Err(error) => Err(error),
            };
            stored.err().filter(is_worth_another).map(|error| {
                tracing::debug!(%error, id = %letter.id, "published again");
                letter
            })
        });
    }
    join_all(acks).await.into_iter().flatten().collect()
}

/// What the server will never take would be published for ever.
fn is_worth_another(error: &PublishError) -> bool {
    use wagglebus_nats::error::Retry;
    let again = !matches!(error.retry(), Retry::Never);
    if !again {
        tracing::error!(%error, "a record is refused for good; please report this");
    }
    again
}

/// Where a record is stored.
pub(super) const fn stream(letter: &Letter) -> Stream {
    if matches!(letter.subject, Subject::Receipt { .. } | Subject::Control { .. }) {
        Stream::Receipts
    } else if matches!(letter.subject, Subject::Dlq { .. }) {
        Stream::Dlq
    } else {
        Stream::Messages
    }
}

fn outgoing(hive: &Hive, letter: &Letter) -> Outgoing {
    let stream = stream(letter);
    Outgoing {
        subject: letter.subject.build(hive),
        id: letter.id,
        expected_stream: Some(stream.name(hive)),
        headers: vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, letter.id.to_string()),
            (headers::CE_TYPE, letter.event_type.clone()),
            (headers::CE_SOURCE, format!("/{hive}/{}", AgentId::coordinator())),
        ],
        payload: Bytes::from(letter.body.clone()),
        expected_last_subject_seq: None,
    }
}
