//! One WebSocket: shows its client the feed, and does what the client asks for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;
use wagglebus_coordinator_core::feed::{Ask, Op, Position, Request, frame};
use wagglebus_http::{Answered, IdempotencyKey};
use wagglebus_schemas::error::ErrorDetail;

use super::auth::Caller;
use super::state::Api;
use super::{messages, tasks};
use crate::feed::{Happening, Reader, Shown};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long a client may leave what it is sent unread. Until then nothing more is read for it.
const TAKES_WITHIN: Duration = Duration::from_secs(30);
/// Longest answer of the API that is put into a frame: a task with input and result.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The client takes nothing, or is gone.
struct Gone;

/// Serves a client until it leaves, its token is revoked, or it does not read.
pub(super) async fn serve(api: Arc<Api>, caller: Caller, mut reader: Reader, mut socket: WebSocket) {
    let revoked = api.auth.revoked(&caller);
    let (code, reason) = tokio::select! {
        end = converse(&api, &caller, &mut reader, &mut socket) => end,
        () = revoked => (close_code::POLICY, "revoked"),
    };
    let reason = reason.into();
    let close = socket.send(Message::Close(Some(CloseFrame { code, reason })));
    // Whoever is gone hears nothing.
    timeout(TAKES_WITHIN, close).await.ok();
}

/// Returns how to close.
async fn converse(
    api: &Arc<Api>,
    caller: &Caller,
    reader: &mut Reader,
    socket: &mut WebSocket,
) -> (u16, &'static str) {
    let slow = (close_code::AGAIN, "slow");
    if say(socket, hello(caller, reader.position())).await.is_err() {
        return slow;
    }
    loop {
        let said = tokio::select! {
            happening = reader.next() => match happening {
                Happening::Ended => return (close_code::AGAIN, "restart"),
                Happening::Shown(all) => show(socket, all).await,
                Happening::Ping(position, _) => say(socket, frame::ping_text(position)).await,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => asked(api, caller, reader, socket, text.as_bytes()).await,
                Some(Ok(Message::Binary(bytes))) => asked(api, caller, reader, socket, &bytes).await,
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return (close_code::NORMAL, "bye"),
            },
        };
        if said.is_err() {
            return slow;
        }
    }
}

fn hello(caller: &Caller, position: Position) -> String {
    json!({
        "op": "hello",
        "role": caller.role.as_str(),
        "agent": caller.agent(),
        "version": VERSION,
        "id": position.to_string(),
    })
    .to_string()
}

async fn show(socket: &mut WebSocket, all: Vec<Shown>) -> Result<(), Gone> {
    for shown in all {
        let text = match shown {
            Shown::Event(position, item) => frame::event_text(position, &item),
            Shown::Gap(position, gap) => frame::gap_text(position, &gap),
            Shown::Metric(counters) => frame::metric_text(&counters),
        };
        say(socket, text).await?;
    }
    Ok(())
}

/// Does what a frame asks for and answers it: one after another, so that what a client sends is stored in its order.
async fn asked(
    api: &Arc<Api>,
    caller: &Caller,
    reader: &mut Reader,
    socket: &mut WebSocket,
    text: &[u8],
) -> Result<(), Gone> {
    let Request { reference, op } = Request::read(text);
    let answer = match api.auth.admit(caller).and(op) {
        Ok(Op::Subscribe(ask)) => Ok(subscribed(reader, Some(ask))),
        Ok(Op::Unsubscribe) => Ok(subscribed(reader, None)),
        Ok(Op::Send { body, park }) => {
            let sent = messages::sent(api, caller, park, IdempotencyKey(None), &body).await;
            fields(sent).await
        }
        Ok(Op::Submit { body }) => {
            fields(tasks::submitted(api, caller, IdempotencyKey(None), &body).await).await
        }
        Ok(Op::Task { task, verb, body }) => {
            fields(tasks::changed(api, caller, (verb, task), IdempotencyKey(None), &body).await).await
        }
        Err(error) => Err(error),
    };
    say(socket, Request::answer(reference, answer)).await
}

fn subscribed(reader: &mut Reader, ask: Option<Ask>) -> Value {
    reader.ask(ask);
    json!({ "id": reader.position().to_string() })
}

/// What an answer of the API says.
async fn fields(answered: Answered) -> Result<Value, ErrorDetail> {
    let response = answered.map_err(wagglebus_http::Refusal::into_error)?;
    let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
    Ok(serde_json::from_slice(&body.unwrap_or_else(|_| Bytes::new())).unwrap_or_default())
}

async fn say(socket: &mut WebSocket, text: String) -> Result<(), Gone> {
    match timeout(TAKES_WITHIN, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
