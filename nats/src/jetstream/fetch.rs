//! One message from a lane, on demand (ADR 0008).

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{JetStream, OPEN_FETCHES_MAX};
use crate::bus::{FetchShape, LaneRef, Late};
use crate::connect::Session;
use crate::delivery::{AckHandle, Delivery};
use crate::error::{FetchFault, NoAnswer};

/// How long to wait for an answer beyond the time in which the server must give one.
const GRACE: Duration = Duration::from_secs(2);

type Answer = Result<Option<Delivery>, FetchFault>;

pub(super) async fn fetch(bus: &JetStream, lane: &LaneRef, shape: FetchShape) -> Answer {
    let Ok(permit) = bus.open_fetches.clone().try_acquire_owned() else {
        return Err(FetchFault::TooManyOpen(OPEN_FETCHES_MAX));
    };
    let session = bus.session()?;
    let within = shape.expires().unwrap_or_default() + GRACE;
    let mut waiting = open(bus, session, lane.clone(), shape, permit);
    tokio::time::timeout(within, waiting.answer())
        .await
        .unwrap_or(Err(FetchFault::NoAnswer(NoAnswer::Timeout)))
}

/// Sends the pull from a task of its own, so that neither a timeout nor a caller that goes away loses the answer.
fn open(
    bus: &JetStream,
    session: Session,
    lane: LaneRef,
    shape: FetchShape,
    permit: OwnedSemaphorePermit,
) -> Waiting {
    let (answered, answer) = oneshot::channel();
    let waiting = Waiting {
        answer: Some(answer),
        lane: lane.clone(),
        late: bus.late.clone(),
    };
    let next = bus.api(&format!("CONSUMER.MSG.NEXT.{}.{}", lane.stream, lane.consumer));
    let late = bus.late.clone();
    let strays = bus.strays.clone();
    tokio::spawn(async move {
        let is_stray = || {
            strays.fetch_add(1, Ordering::Relaxed);
        };
        let (answer, replies) = pull(&session, next, &lane, shape, is_stray).await;
        if let Err(unheard) = answered.send(answer) {
            hand_late(&late, lane, unheard);
        }
        // The end of a subscription is a write to the server: whoever waits for the message goes first.
        tokio::task::yield_now().await;
        drop((replies, permit));
    });
    waiting
}

/// Returns the subscription, too: it ends when that is dropped.
async fn pull(
    session: &Session,
    next: String,
    lane: &LaneRef,
    shape: FetchShape,
    stray: impl Fn(),
) -> (Answer, Option<Subscriber>) {
    let denial = session.denials().watch();
    let inbox = session.inbox();
    let client = session.client();
    // A failure to hand something to the client means that the session is over.
    let Ok(mut replies) = client.subscribe(inbox.clone()).await else {
        return (Err(NoAnswer::Disconnected.into()), None);
    };
    let request = Bytes::from(match shape.expires() {
        Some(expires) => format!(
            "{{\"batch\":1,\"no_wait\":true,\"expires\":{}}}",
            expires.as_nanos()
        ),
        None => "{\"batch\":1,\"no_wait\":true}".to_owned(),
    });
    if client
        .publish_with_reply(next.clone(), inbox, request)
        .await
        .is_err()
    {
        return (Err(NoAnswer::Disconnected.into()), None);
    }
    let answer = tokio::select! {
        biased;
        answer = matching(&mut replies, lane, stray) => answer,
        () = session.denials().refused(&next, denial) => Err(NoAnswer::PermissionDenied.into()),
    };
    (answer, Some(replies))
}

/// The first reply that answers this pull: a status, or a message of this lane (rule T4).
async fn matching(replies: &mut Subscriber, lane: &LaneRef, stray: impl Fn()) -> Answer {
    while let Some(message) = replies.next().await {
        if let Some(status) = message.status {
            return empty(status, message.description);
        }
        match delivery(message) {
            Some(delivery) if delivery.ack.meta().lane == *lane => return Ok(Some(delivery)),
            Some(_) | None => stray(),
        }
    }
    Err(NoAnswer::Disconnected.into())
}

fn delivery(message: Message) -> Option<Delivery> {
    let ack = AckHandle::parse(message.reply?.into_string()).ok()?;
    let headers = message.headers.iter().flat_map(async_nats::HeaderMap::iter);
    let headers = headers.flat_map(|(name, values)| {
        let name = name.to_string();
        values.iter().map(move |value| (name.clone(), value.to_string()))
    });
    Some(Delivery {
        subject: message.subject.into_string(),
        headers: headers.collect(),
        payload: message.payload,
        ack,
    })
}

/// What a status instead of a message means. The server tells the kinds of 409 apart by words only.
fn empty(status: StatusCode, description: Option<String>) -> Answer {
    let text = description.unwrap_or_default();
    let words = text.to_ascii_lowercase();
    match status.as_u16() {
        404 | 408 => Ok(None),
        503 => Err(NoAnswer::NoResponders.into()),
        409 if words.contains("consumer deleted") => Err(FetchFault::ConsumerDeleted),
        409 if words.contains("maxwaiting") => Err(FetchFault::MaxWaiting),
        status => Err(FetchFault::Other { status, text }),
    }
}

/// The caller's side of an open fetch.
struct Waiting {
    answer: Option<oneshot::Receiver<Answer>>,
    lane: LaneRef,
    late: mpsc::UnboundedSender<Late>,
}

impl Waiting {
    async fn answer(&mut self) -> Answer {
        let Some(answer) = &mut self.answer else {
            return Err(NoAnswer::Disconnected.into());
        };
        let heard = answer.await;
        self.answer = None;
        // The task never ends without an answer; if it is stopped, the runtime is going down.
        heard.unwrap_or(Err(NoAnswer::Disconnected.into()))
    }
}

impl Drop for Waiting {
    /// What arrives between the end of the caller's patience and now is late, too.
    fn drop(&mut self) {
        if let Some(mut answer) = self.answer.take() {
            answer.close();
            if let Ok(unheard) = answer.try_recv() {
                hand_late(&self.late, self.lane.clone(), unheard);
            }
        }
    }
}

fn hand_late(late: &mpsc::UnboundedSender<Late>, lane: LaneRef, answer: Answer) {
    let delivery = match answer {
        Ok(delivery) => delivery,
        // The session's end is announced as such.
        Err(FetchFault::NoAnswer(NoAnswer::Disconnected)) => return,
        Err(_) => None,
    };
    // Without a reader the bus is going down; the server hands the message over again.
    late.send(Late { lane, delivery }).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart() {
        let status =
            |code: u16, text: &str| empty(StatusCode::from_u16(code).unwrap(), Some(text.to_owned()));
        assert_eq!(status(404, "No Messages"), Ok(None));
        assert_eq!(status(408, "Request Timeout"), Ok(None));
        assert_eq!(status(503, ""), Err(NoAnswer::NoResponders.into()));
        assert_eq!(status(409, "Consumer Deleted"), Err(FetchFault::ConsumerDeleted));
        assert_eq!(status(409, "Exceeded MaxWaiting"), Err(FetchFault::MaxWaiting));
        let text = "Leadership Change".to_owned();
        assert_eq!(status(409, &text), Err(FetchFault::Other { status: 409, text }));
    }
}
