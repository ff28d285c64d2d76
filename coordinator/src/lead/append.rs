//! Appends to the log, one batch after the other.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::{Appended, News};
use wagglebus_nats::error::{PublishFault, Retry};
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

/// How often the same lines are refused before we believe that they always will be: what a part of a batch met may pass.
const REFUSALS_MAX: u32 = 5;

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
                Ok(stored) => {
                    last = stored;
                    outcome = Appended::Stored(last);
                }
                Err(failed) => {
                    outcome = failed;
                    break;
                }
            }
        }
        if out.send(news(News::Appended { after, outcome })).await.is_err() {
            return;
        }
    }
}

/// Tries until it is known whether the lines are stored; else how it ended: somebody else wrote, or they never will be.
async fn store(
    bus: &JetStream,
    stream: &str,
    (after, lines): (u64, &[Line]),
    signs: &Signs,
) -> Result<u64, Appended> {
    let (mut pause, mut full, mut refusals) = (RETRY_AFTER, false, 0);
    let ended = loop {
        match append(bus, stream, after, lines).await {
            Ok(last) => break Ok(last),
            Err(AppendError::Fenced) => break Err(Appended::Refused),
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
            Err(error) if is_final(&error) => {
                refusals += 1;
                if refusals >= REFUSALS_MAX {
                    signs.log_refuses(true);
                    tracing::error!(stream, %error, "the log refuses for good what was decided");
                    break Err(Appended::Impossible);
                }
                tracing::warn!(%error, "the log refuses a line; trying again");
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
    if ended.is_ok() {
        signs.log_refuses(false);
    }
    ended
}

/// Whether the same lines would be refused again. Who wrote in between is known by then, unless what we sent before is
/// still under way.
const fn is_final(error: &AppendError) -> bool {
    match error {
        AppendError::Publish(error) => {
            !matches!(error.fault, PublishFault::WrongLastSequence { .. })
                && matches!(error.retry(), Retry::Never)
        }
        AppendError::Lines(_) => true,
        AppendError::Fenced => false,
    }
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

#[cfg(test)]
mod tests {
    use wagglebus_nats::error::{NoAnswer, PublishError};

    use super::*;

    fn refused(code: u16, status: u16) -> PublishFault {
        PublishFault::Refused {
            code,
            status,
            text: String::new(),
        }
    }

    #[test]
    fn what_the_log_will_never_take_is_told_apart_from_what_may_pass() {
        for (fault, ends, full) in [
            (refused(PublishFault::MESSAGE_TOO_LARGE, 400), true, false),
            (refused(PublishFault::OTHER_STREAM, 400), true, false),
            (refused(PublishFault::STREAM_FULL, 400), false, true),
            (refused(10047, 500), false, false),
            (NoAnswer::PermissionDenied.into(), true, false),
            (NoAnswer::Timeout.into(), false, false),
            (PublishFault::WrongLastSequence { last: None }, false, false),
        ] {
            let subject = "wb.event.task.coordinator".to_owned();
            let error = AppendError::Publish(PublishError { subject, fault });
            assert_eq!((is_final(&error), is_full(&error)), (ends, full), "{error}");
        }
        assert!(is_final(&AppendError::Lines(0)) && !is_final(&AppendError::Fenced));
    }
}
