//! Appends to the log, one batch after the other.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::{Appended, News};
use wagglebus_nats::error::PublishFault;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::jetstream::append::{AppendError, LINES_MAX, Line, append};
use wagglebus_schemas::event::Event as LogEvent;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive, headers};

use super::Signs;
use super::news;

/// Pause before an append without an answer is made again: the same lines, under the same ids. It doubles up to the last.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// Up to so many lines go one after the other, each after the answer to the one before: the server takes 0.06 ms for a line
/// (0.4 ms when it syncs each), and 12 to 30 ms for a batch of any length (ADR 0034).
const ALONE_MAX: usize = 32;

/// Lines to be appended.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) after: u64,
    pub(super) events: Vec<LogEvent>,
}

/// Works until nobody orders or listens.
pub(super) async fn work(
    bus: JetStream,
    hive: Hive,
    mut orders: UnboundedReceiver<Append>,
    (out, signs): (Sender<Event>, Signs),
) {
    let stream = Stream::Events.name(&hive);
    while let Some(Append { after, events }) = orders.recv().await {
        let lines: Vec<Line> = events.iter().map(|event| line(&hive, event)).collect();
        let mut last = after;
        let mut outcome = Appended::Stored(after);
        for part in lines.chunks(at_once(lines.len())) {
            match store(&bus, &stream, (last, part), &signs).await {
                Some(stored) => {
                    last = stored;
                    outcome = Appended::Stored(last);
                }
                None => {
                    outcome = Appended::Refused;
                    break;
                }
            }
        }
        if out.send(news(News::Appended { after, outcome })).await.is_err() {
            return;
        }
    }
}

/// Tries until it is known whether the lines are stored; `None` when somebody else wrote.
async fn store(bus: &JetStream, stream: &str, (after, lines): (u64, &[Line]), signs: &Signs) -> Option<u64> {
    let (mut pause, mut full) = (RETRY_AFTER, false);
    let stored = loop {
        match append(bus, stream, after, lines).await {
            Ok(last) => break Some(last),
            Err(AppendError::Fenced) => break None,
            Err(error) if is_full(&error) => {
                if !std::mem::replace(&mut full, true) {
                    signs.log_full(true);
                    tracing::error!(
                        stream,
                        %error,
                        "the log is full: nothing is decided until there is room, and commands wait where they are stored"
                    );
                }
            }
            Err(error @ (AppendError::Publish(_) | AppendError::Lines(_))) => {
                tracing::warn!(%error, "the log was not appended to; trying again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = RETRY_AFTER_MAX.min(pause * 2);
    };
    if full {
        signs.log_full(false);
        tracing::info!(stream, "the log takes lines again");
    }
    stored
}

fn is_full(error: &AppendError) -> bool {
    let AppendError::Publish(error) = error else {
        return false;
    };
    matches!(
        error.fault,
        PublishFault::Refused {
            code: PublishFault::STREAM_FULL | PublishFault::ACCOUNT_EXHAUSTED,
            ..
        }
    )
}

/// How many lines go at once, of so many. What is stored when a later part is refused was decided all the same: it is read
/// with the rest of the log.
const fn at_once(lines: usize) -> usize {
    if lines <= ALONE_MAX { 1 } else { LINES_MAX }
}

fn line(hive: &Hive, event: &LogEvent) -> Line {
    let subject = Subject::Event { kind: event.entity };
    Line {
        subject: subject.build(hive),
        id: event.id,
        headers: vec![
            (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
            (headers::CE_ID, event.id.to_string()),
            (
                headers::CE_TYPE,
                format!("io.wagglebus.event.v1.{}", event.entity),
            ),
            (headers::CE_SOURCE, format!("/{hive}/{}", AgentId::coordinator())),
            (headers::CE_TIME, event.at.to_string()),
        ],
        // Plain data with text keys is always encoded.
        payload: serde_json::to_vec(event).map(Bytes::from).unwrap_or_default(),
    }
}
