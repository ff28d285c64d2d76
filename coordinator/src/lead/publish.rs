//! Publishes what follows from stored lines, each until it is stored.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::News;
use wagglebus_coordinator_core::log::Letter;
use wagglebus_nats::bus::{Bus, Outgoing};
use wagglebus_nats::error::{PublishError, PublishFault};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, Id, headers};

use super::news;

/// Most records under way at once.
const UNDER_WAY_MAX: usize = 256;
/// Pause before records that were not stored are published again, under the same ids.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Works until nobody posts or listens, and tells what is stored. One worker for each stream: a full one keeps nobody else
/// waiting.
pub(super) async fn work(
    bus: JetStream,
    hive: Hive,
    mut posted: UnboundedReceiver<Letter>,
    out: Sender<Event>,
) {
    let (mut letters, mut full) = (Vec::new(), false);
    loop {
        if letters.is_empty() && posted.recv_many(&mut letters, UNDER_WAY_MAX).await == 0 {
            return;
        }
        let round = publish(&bus, &hive, letters).await;
        letters = round.again;
        if round.full && !full {
            tracing::error!(
                "a stream is full: until it has room, nothing is given to agents, and none loses what it has"
            );
        } else if full && letters.is_empty() {
            tracing::info!("the stream that was full takes records again");
        }
        full = round.full || (full && !letters.is_empty());
        if !round.ended.is_empty() && out.send(news(News::Published(round.ended))).await.is_err() {
            return;
        }
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

/// What became of records that were published.
#[derive(Debug, Default)]
struct Round {
    /// They are stored, or never will be.
    ended: Vec<Id>,
    /// They are not stored.
    again: Vec<Letter>,
    /// Their stream has no room for one.
    full: bool,
}

/// Publishes them in order. What stands behind one that is lost comes before it
/// then: verdicts and notices do not depend on each other's order, as each names its assignment.
async fn publish(bus: &JetStream, hive: &Hive, letters: Vec<Letter>) -> Round {
    let mut acks = Vec::new();
    for letter in letters {
        let sent = bus.send(outgoing(hive, &letter)).await;
        acks.push(async move {
            let stored = match sent {
                Ok(ack) => ack.await.map(drop),
                Err(error) => Err(error),
            };
            (letter, stored.err())
        });
    }
    let mut round = Round::default();
    for (letter, error) in join_all(acks).await {
        match error.filter(is_worth_another) {
            Some(error) => {
                tracing::debug!(%error, id = %letter.id, "published again");
                round.full |= is_full(&error);
                round.again.push(letter);
            }
            None => round.ended.push(letter.id),
        }
    }
    round
}

const fn is_full(error: &PublishError) -> bool {
    matches!(
        error.fault,
        PublishFault::Refused {
            code: PublishFault::STREAM_FULL | PublishFault::ACCOUNT_EXHAUSTED,
            ..
        }
    )
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
        payload: Bytes::from_owner(letter.body.clone()),
        expected_last_subject_seq: None,
    }
}
