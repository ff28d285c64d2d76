//! `/v1/conversations`: what this agent wrote and read, by conversation, as far as its spool keeps it.

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::{Id, Level, Message, Recipient, decode};
use wagglebus_sidecar_core::conversation::{Line, Place, conversations, page};
use wagglebus_sidecar_core::journal::Location;
use wagglebus_sidecar_core::record::Outcome;

use super::answer::{Answered, Refusal, json};
use super::item::{acknowledged, raw};
use super::query::{PAGE_LIMITS, PAGE_SIZE, Params, PathId, number};
use super::state::Shared;
use crate::gate::Inspection;
use crate::storage::SpoolReader;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    with: Option<Recipient>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of messages, each with its bytes as published.
#[derive(Debug, Serialize)]
struct Messages<'a> {
    items: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let before = cursor(params.cursor)?;
    let (kept, reader, now) = api
        .gate
        .inspect(|inspection| {
            (
                kept(inspection, None),
                inspection.storage.reader(),
                inspection.now.wall,
            )
        })
        .await?;
    let read = move || {
        let lines = kept.into_iter().filter_map(|kept| {
            let (message, _) = kept.read(&reader)?;
            let line = Line {
                place: kept.place,
                conversation: message.conversation_id,
                from: message.from_agent.into(),
                to: message.to_agent,
                at: message.timestamp,
            };
            let asked = |with: &Recipient| *with == line.from || *with == line.to;
            params.with.as_ref().is_none_or(asked).then_some(line)
        });
        let follows = |place| before.is_none_or(|before| place < before);
        page(conversations(lines, now), limit, follows)
    };
    let (items, next) = tokio::task::spawn_blocking(read).await.map_err(unread)?;
    let next_cursor = next.map(|place| place.to_string());
    Ok(json(StatusCode::OK, &Page { items, next_cursor }))
}

pub(super) async fn messages(
    State(api): Shared,
    PathId(id): PathId,
    Params(params): Params<PageParams>,
) -> Answered {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let after = cursor(params.cursor)?;
    let (mut kept, reader) = api
        .gate
        .inspect(move |inspection| (kept(inspection, Some(id)), inspection.storage.reader()))
        .await?;
    let read = move || {
        kept.sort_unstable_by_key(|kept| kept.place);
        let all = kept.into_iter().filter_map(|kept| {
            let (message, bytes) = kept.read(&reader)?;
            let here = message.conversation_id == id;
            here.then(|| (kept.place, acknowledged(bytes, kept.done)))
        });
        page(all, limit, |place| after.is_none_or(|after| place > after))
    };
    let (shown, next) = tokio::task::spawn_blocking(read).await.map_err(unread)?;
    if shown.is_empty() && after.is_none() {
        let unknown =
            format!("no message of conversation {id} was sent or received here in the last 48 hours");
        return Err(Refusal::new(ErrorCode::NotFound, unknown));
    }
    let items = shown.iter().map(|bytes| raw(bytes)).collect::<Result<_, _>>()?;
    let next_cursor = next.map(|place| place.to_string());
    Ok(json(StatusCode::OK, &Messages { items, next_cursor }))
}

fn cursor(text: Option<String>) -> Result<Option<Place>, Refusal> {
    let parse = |text: String| text.parse();
    let place = text.map(parse).transpose();
    place.map_err(|error: wagglebus_sidecar_core::conversation::NoCursor| {
        Refusal::new(ErrorCode::InvalidQuery, error.to_string())
    })
}

fn unread(error: tokio::task::JoinError) -> Refusal {
    Refusal::new(ErrorCode::Draining, format!("the history was not read: {error}"))
}

/// A message whose text is in the spool.
#[derive(Debug)]
struct Kept {
    place: Place,
    body: Location,
    /// Its recipient is done with it.
    done: bool,
}

impl Kept {
    /// Bytes that are damaged are no part of any conversation; the spool's own check has told of them.
    fn read(&self, reader: &SpoolReader) -> Option<(Message, Bytes)> {
        let bytes = reader.read(self.body).ok()?;
        let message = decode::record("message", &bytes, MESSAGE_BYTES_MAX).ok()?;
        Some((message, bytes))
    }
}

/// What was sent and received; with a conversation, what cannot belong to it is left out.
fn kept(inspection: &Inspection<'_>, conversation: Option<Id>) -> Vec<Kept> {
    let ledger = inspection.sidecar.ledger();
    let sent = ledger.sent_messages().filter_map(|(id, entry)| {
        let head = entry.head.as_ref()?;
        if conversation.is_some_and(|asked| head.conversation != Some(asked)) {
            return None;
        }
        Some(Kept {
            place: entry
                .seq
                .map_or_else(|| Place::unstored(head.order), Place::stored),
            body: entry.body?,
            done: ledger.level(id) == Some(Level::Done),
        })
    });
    let received = ledger.received_messages().filter_map(|(_, entry)| {
        Some(Kept {
            place: Place::stored(entry.head.as_ref()?.stream_seq),
            body: entry.body?,
            done: matches!(entry.ended, Some((Outcome::Done, _))),
        })
    });
    sent.chain(received).collect()
}
