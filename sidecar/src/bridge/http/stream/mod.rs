//! `GET /v1/inbox/stream`: messages as server-sent events, to one reader at a time.

mod dialect;
mod event;
mod session;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::stream;
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc};
use wagglebus_http::query::Flag;
use wagglebus_http::{Answered, Params, Refusal, number};
use wagglebus_schemas::error::ErrorDetail;

use super::flush::Flushes;
use super::state::{ApiState, Shared};
pub(super) use dialect::{Dialect, with_fields};
use event::EventId;
pub(super) use session::Attached;
use session::{Attach, Session};

/// Most messages that a stream reader holds, beside one urgent.
pub(super) const SLOTS_MAX: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamParams {
    slots: Option<usize>,
    #[serde(default)]
    takeover: Flag,
}

pub(super) async fn open(
    State(api): Shared,
    Params(params): Params<StreamParams>,
    LastEventId(after): LastEventId,
    Extension(flushes): Extension<Flushes>,
) -> Answered {
    let slots = number("slots", params.slots, 1, 1..=SLOTS_MAX)?;
    let wanted = Wanted {
        dialect: Dialect::Sse,
        slots,
        takeover: params.takeover.0,
        after: after.map(After::Event),
    };
    let Attached {
        mut frames, written, ..
    } = api.streams.attach(&api, wanted).await?;
    let events = stream::poll_fn(move |cx| {
        frames.poll_recv(cx).map(|frame| {
            let frame = frame?;
            if let Some(key) = frame.key {
                let written = written.clone();
                // The session may have ended meanwhile: then the message has gone back.
                flushes.once_written(move || drop(written.send(key)));
            }
            Some(Ok::<_, Infallible>(frame.bytes))
        })
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The last event that the reader saw in a former connection.
#[derive(Debug)]
pub(super) struct LastEventId(Option<EventId>);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // One that cannot be read is unknown, and leads to all that is not acknowledged.
        let text = parts
            .headers
            .get("last-event-id")
            .and_then(|value| value.to_str().ok());
        Ok(Self(text.and_then(|text| text.parse().ok())))
    }
}

/// Up to where a reader has seen what was sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum After {
    /// An event of one epoch.
    Event(EventId),
    /// A number of the session that goes on.
    Seq(u64),
}

/// How a connection wants to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) dialect: Dialect,
    /// How many messages it holds at most, beside one urgent.
    pub(super) slots: usize,
    /// In place of another reader.
    pub(super) takeover: bool,
    pub(super) after: Option<After>,
}

/// The stream reader of this sidecar, if there is one.
#[derive(Debug, Default)]
pub(super) struct Streams {
    current: Mutex<Option<mpsc::Sender<Attach>>>,
}

impl Streams {
    pub(super) async fn attach(&self, api: &Arc<ApiState>, wanted: Wanted) -> Result<Attached, Refusal> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref()
            && let Some(answer) = ask(session, wanted).await
        {
            return Ok(answer?);
        }
        let session = Session::start(api, wanted).await?;
        let answer = ask(&session, wanted).await;
        *current = Some(session);
        Ok(answer.unwrap_or_else(|| Err(session::ended()))?)
    }
}

/// Attaches a connection to a session; `None` when the session has ended.
async fn ask(session: &mpsc::Sender<Attach>, wanted: Wanted) -> Option<Result<Attached, ErrorDetail>> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    session.send(Attach { wanted, answer }).await.ok()?;
    answered.await.ok()
}
