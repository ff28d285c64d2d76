//! One WebSocket: what the session gives goes out, what the client asks is done, in order, and answered.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use wagglebus_http::Refusal;
use wagglebus_schemas::error::{ErrorBody, ErrorCode, ErrorDetail};

use super::super::state::ApiState;
use super::super::stream::{Attached, Dialect, Wanted, with_fields};
use super::ask::{self, Ask};
use crate::bridge::stdio::frame::Line;
use crate::gate::{TaskOutcome, VERDICT_WITHIN};

/// Answers that are awaited at once. The client is not read further while so many are open.
const OPEN_MAX: usize = 256;

type Outcome = Result<Value, ErrorDetail>;
type Pending = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// What comes of a frame: at once, or later.
enum Answer {
    Now(Outcome),
    Later(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

/// Talks until either side ends it.
pub(super) async fn converse(api: Arc<ApiState>, mut attached: Attached, socket: WebSocket) {
    let (mut sink, mut said) = socket.split();
    let hello = json!({
        "op": "hello", "agent": api.agent, "epoch": attached.epoch, "version": env!("CARGO_PKG_VERSION"),
    });
    if sink.send(text(hello.to_string().into())).await.is_err() {
        return;
    }
    let mut open: FuturesUnordered<Pending> = FuturesUnordered::new();
    loop {
        let room = open.len() < OPEN_MAX;
        let written = tokio::select! {
            frame = attached.frames.recv() => match frame {
                None => break,
                Some(frame) if frame.closed.is_some() => {
                    sink.send(close(frame.closed.unwrap_or_default())).await.ok();
                    break;
                }
                Some(frame) if frame.bytes.is_empty() => sink.send(Message::Ping(Bytes::new())).await,
                Some(frame) => {
                    let sent = sink.send(text(frame.bytes)).await;
                    if let (Ok(()), Some(key)) = (&sent, frame.key) {
                        // The session may have ended meanwhile: then the message has gone back.
                        attached.written.send(key).ok();
                    }
                    sent
                }
            },
            Some(result) = open.next() => sink.send(text(result)).await,
            said = said.next(), if room => {
                let bytes = match said {
                    None | Some(Err(_) | Ok(Message::Close(_))) => break,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Text(said))) => Bytes::from(said),
                    Some(Ok(Message::Binary(_))) => {
                        let error = ErrorDetail::new(ErrorCode::InvalidMessage, "frames are text");
                        open.push(Box::pin(std::future::ready(result(None, Err(error)))));
                        continue;
                    }
                };
                let (name, asked) = ask::read(&bytes);
                let answer = match asked {
                    Ok(Ask::Subscribe { slots }) => Answer::Now(subscribe(&api, &mut attached, slots).await),
                    Ok(asked) => perform(&api, asked).await,
                    Err(error) => Answer::Now(Err(error)),
                };
                open.push(match answer {
                    Answer::Now(outcome) => Box::pin(std::future::ready(result(name, outcome))),
                    Answer::Later(outcome) => Box::pin(async move { result(name, outcome.await) }),
                });
                Ok(())
            }
        };
        if written.is_err() {
            return;
        }
    }
    sink.close().await.ok();
}

/// The reader holds so many messages from now on.
async fn subscribe(api: &Arc<ApiState>, attached: &mut Attached, slots: usize) -> Outcome {
    let wanted = Wanted {
        dialect: Dialect::Ws,
        slots,
        // From ourselves.
        takeover: true,
        after: None,
    };
    if attached.slots != slots {
        *attached = api
            .streams
            .attach(api, wanted)
            .await
            .map_err(Refusal::into_error)?;
    }
    Ok(json!({ "slots": slots }))
}

/// Hands over what was asked, so that what comes after it stays behind it.
async fn perform(api: &ApiState, asked: Ask) -> Answer {
    match asked {
        Ask::Send {
            draft,
            wait,
            timeout,
            park,
        } => match api.gate.submit(*draft, None, wait, timeout, park).await {
            Ok(submitted) => Answer::Later(Box::pin(async move { shown(&submitted.answer().await?) })),
            Err(error) => Answer::Now(Err(error)),
        },
        Ask::Said(Line::Ack { id, lease, done }) => Answer::Now(of(api.gate.ack(id, lease, done).await)),
        Ask::Said(Line::Nak {
            id,
            lease,
            delay_ms,
            reason,
        }) => Answer::Now(of(api.gate.nak(id, lease, delay_ms, reason).await)),
        Ask::Said(Line::Progress { id, lease, extend_ms }) => {
            Answer::Now(of(api.gate.progress(id, lease, extend_ms).await))
        }
        Ask::Said(Line::Task(command)) => match api.gate.command(command, None, VERDICT_WITHIN).await {
            Ok(sent) => Answer::Later(Box::pin(async move {
                match sent.verdict().await? {
                    TaskOutcome::Decided { task, .. } => Ok(task),
                    TaskOutcome::Undecided(answer) => shown(&answer),
                }
            })),
            Err(error) => Answer::Now(Err(error)),
        },
        Ask::Said(Line::Draft | Line::Ready) | Ask::Heartbeat | Ask::Subscribe { .. } => {
            Answer::Now(Ok(json!({})))
        }
    }
}

fn of<T: Serialize>(answer: Result<T, ErrorDetail>) -> Outcome {
    shown(&answer?)
}

fn shown(answer: &impl Serialize) -> Outcome {
    serde_json::to_value(answer).map_err(|error| {
        ErrorDetail::new(
            ErrorCode::InvalidMessage,
            format!("the answer cannot be shown: {error}"),
        )
    })
}

/// The frame that answers: the fields of the answer over HTTP, or its error.
fn result(name: Option<Value>, outcome: Outcome) -> Bytes {
    let ok = outcome.is_ok();
    let mut fields = vec![("op", json!("result"))];
    fields.extend(name.map(|name| ("ref", name)));
    fields.push(("ok", json!(ok)));
    match outcome {
        Ok(answer) => with_fields(&answer, &fields),
        Err(error) => with_fields(&ErrorBody::from(error), &fields),
    }
}

fn text(bytes: Bytes) -> Message {
    // It was made of JSON, which is UTF-8.
    Message::Text(Utf8Bytes::try_from(bytes).unwrap_or_default())
}

fn close(reason: &'static str) -> Message {
    let code = if reason == "drain" {
        close_code::AWAY
    } else {
        close_code::POLICY
    };
    Message::Close(Some(CloseFrame {
        code,
        reason: Utf8Bytes::from_static(reason),
    }))
}
