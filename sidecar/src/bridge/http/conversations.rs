//! `/v1/conversations` and `GET /v1/messages`: what this agent wrote and read, as far as its spool keeps it.

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
use super::state::{ApiState, Shared};
use crate::gate::Inspection;
use crate::storage::SpoolReader;

/// Most bytes of the messages of one page, unless a single one is longer: clients read answers up to some bound.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

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
        let mut listed = conversations(lines, now);
        listed.retain(|(place, _)| before.is_none_or(|before| *place < before));
        page(listed, limit, usize::MAX, |_| 0)
    };
    let (items, next) = tokio::task::spawn_blocking(read).await.map_err(unread)?;
    let next_cursor = next.map(|place| place.to_string());
    Ok(json(StatusCode::OK, &Page { items, next_cursor }))
}

/// The messages of a conversation.
pub(super) async fn conversation(
    State(api): Shared,
    PathId(id): PathId,
    Params(params): Params<PageParams>,
) -> Answered {
    let first = params.cursor.is_none();
    let belongs = move |message: &Message| message.conversation_id == id;
    let page = history(&api, Some(id), params, belongs).await?;
    if page.items.is_empty() && first {
        let unknown =
            format!("no message of conversation {id} was sent or received here in the last 48 hours");
        return Err(Refusal::new(ErrorCode::NotFound, unknown));
    }
    shown(&page)
}

/// All messages, or those with one other.
pub(super) async fn messages(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let ListParams { with, limit, cursor } = params;
    let belongs = move |message: &Message| {
        let asked = |with: &Recipient| *with == message.to_agent || with.agent() == Some(&message.from_agent);
        with.as_ref().is_none_or(asked)
    };
    shown(&history(&api, None, PageParams { limit, cursor }, belongs).await?)
}

/// A page of the messages that belong, in the order of the stream. Only those behind the cursor are read, so that all
/// pages together cost one pass over the spool.
async fn history(
    api: &ApiState,
    conversation: Option<Id>,
    params: PageParams,
    belongs: impl Fn(&Message) -> bool + Send + 'static,
) -> Result<Page<Bytes>, Refusal> {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let after = cursor(params.cursor)?;
    let (mut kept, reader) = api
        .gate
        .inspect(move |inspection| (kept(inspection, conversation), inspection.storage.reader()))
        .await?;
    let read = move || {
        kept.retain(|kept| after.is_none_or(|after| kept.place > after));
        // What an agent wrote to itself was sent and received: one place, shown once.
        kept.sort_unstable_by_key(|kept| (kept.place, !kept.done));
        kept.dedup_by_key(|kept| kept.place);
        let all = kept.into_iter().filter_map(|kept| {
            let (message, bytes) = kept.read(&reader)?;
            belongs(&message).then(|| (kept.place, acknowledged(bytes, kept.done)))
        });
        page(all, limit, PAGE_BYTES_MAX, Bytes::len)
    };
    let (items, next) = tokio::task::spawn_blocking(read).await.map_err(unread)?;
    let next_cursor = next.map(|place| place.to_string());
    Ok(Page { items, next_cursor })
}

fn shown(page: &Page<Bytes>) -> Answered {
    let items = page
        .items
        .iter()
        .map(|bytes| raw(bytes))
        .collect::<Result<_, _>>()?;
    let next_cursor = page.next_cursor.clone();
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
