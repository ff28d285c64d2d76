//! `/v1/conversations` and `GET /v1/messages`: what this agent wrote and read, as far as its spool keeps it.

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wagglebus_http::{Answered, PAGE_LIMITS, PAGE_SIZE, Params, PathId, Refusal, json, number};
use wagglebus_schemas::Recipient;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_sidecar_core::conversation::{Line, PageOf, Place, conversations, page};
use wagglebus_sidecar_core::ledger::Direction;

use super::item::{acknowledged, raw};
use super::state::{ApiState, Shared};
use super::walk::{Choice, Walk};

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
pub(super) struct MessagesParams {
    with: Option<Recipient>,
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    order: Order,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    order: Order,
}

/// Which message comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// The oldest.
    #[default]
    Asc,
    /// The newest.
    Desc,
}

/// A page of messages, each with its bytes as published.
#[derive(Debug, Serialize)]
struct Messages<'a> {
    items: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

/// Who took part and since when is known only once all messages of a conversation were read: each page reads all of
/// them, and lends the event loop for a stretch at a time only.
pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let before = cursor(params.cursor)?;
    let choice = Choice {
        conversation: None,
        with: params.with,
    };
    let mut walk = Walk::new(&api, choice.clone(), None, Direction::Forwards);
    let mut lines = Vec::new();
    while let Some(mut found) = walk.stretch(PAGE_SIZE).await? {
        let choice = choice.clone();
        let read = move || {
            let lines = found.read().filter(|(_, message, _)| choice.takes(message));
            let lines = lines.map(|(place, message, _)| Line {
                place,
                conversation: message.conversation_id,
                from: message.from_agent.into(),
                to: message.to_agent,
                at: message.timestamp,
            });
            lines.collect::<Vec<_>>()
        };
        lines.extend(tokio::task::spawn_blocking(read).await.map_err(unread)?);
    }
    let now = api.gate.inspect(|inspection| inspection.now.wall).await?;
    let mut listed = conversations(lines, now);
    listed.retain(|(place, _)| before.is_none_or(|before| *place < before));
    let (items, next) = page(listed, limit);
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
    let choice = Choice {
        conversation: Some(id),
        with: None,
    };
    let page = history(&api, choice, params).await?;
    if page.items.is_empty() && first {
        let unknown =
            format!("no message of conversation {id} was sent or received here in the last 48 hours");
        return Err(
            Refusal::new(ErrorCode::NotFound, unknown).hint("GET /v1/conversations lists those there are")
        );
    }
    shown(&page)
}

/// All messages, or those with one other.
pub(super) async fn messages(State(api): Shared, Params(params): Params<MessagesParams>) -> Answered {
    let MessagesParams {
        with,
        limit,
        cursor,
        order,
    } = params;
    let choice = Choice {
        conversation: None,
        with,
    };
    let params = PageParams { limit, cursor, order };
    shown(&history(&api, choice, params).await?)
}

/// A page of the messages that are chosen, in the order of the stream or against it. It begins at the cursor and ends once
/// it is full, so that all pages together cost one pass over the spool.
async fn history(api: &ApiState, choice: Choice, params: PageParams) -> Result<Page<Bytes>, Refusal> {
    let limit = number("limit", params.limit, PAGE_SIZE, PAGE_LIMITS)?;
    let direction = match params.order {
        Order::Asc => Direction::Forwards,
        Order::Desc => Direction::Backwards,
    };
    let mut walk = Walk::new(api, choice.clone(), cursor(params.cursor)?, direction);
    let mut page = PageOf::new(limit, PAGE_BYTES_MAX);
    // One more than is shown, to know whether there are more.
    while let Some(mut found) = walk.stretch(limit.saturating_add(1)).await? {
        let choice = choice.clone();
        let read = move || {
            for (place, message, bytes) in found.read() {
                if choice.takes(&message) {
                    let bytes = acknowledged(bytes.raw, bytes.done);
                    let length = bytes.len();
                    if !page.push(place, bytes, length) {
                        return (page, true);
                    }
                }
            }
            (page, false)
        };
        let full;
        (page, full) = tokio::task::spawn_blocking(read).await.map_err(unread)?;
        if full {
            break;
        }
    }
    let (items, next) = page.finish();
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
