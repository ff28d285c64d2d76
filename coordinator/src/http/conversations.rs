//! `GET /v1/messages` and `/v1/conversations`: the fleet's latest messages, and what they belong to.

use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::task::spawn_blocking;
use wagglebus_http::history::{
    self, Asked, ConversationParams, ListParams, MessagesParams, PAGE_BYTES_MAX, acknowledged,
};
use wagglebus_http::{Answered, Params, PathId, Refusal};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::page::{PageOf, Place, page};
use wagglebus_schemas::stream::Stream;

use super::ask::reachable;
use super::auth::Caller;
use super::index::{Chosen, ENTRIES_MAX, Index};
use super::scan::body_at;
use super::sight::Sight;
use super::state::{Api, Shared};
use crate::clock;

/// Bodies of a page that are fetched at one time.
const FETCHES_MAX: usize = 16;

pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ListParams>,
) -> Answered {
    let asked = Asked::try_from(params)?;
    let sight = Sight::of(&api, &caller).await?;
    let now = clock::wall().unwrap_or(Timestamp::EPOCH);
    let (items, next) = look(&api, move |index| {
        let mut listed = index.conversations(&sight, &asked.choice, now);
        listed.retain(|(place, _)| asked.behind.is_none_or(|behind| *place < behind));
        page(listed, asked.limit)
    })
    .await?;
    history::page(items, next)
}

/// The messages of a conversation.
pub(super) async fn conversation(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    Params(params): Params<ConversationParams>,
) -> Answered {
    let asked = Asked::of_conversation(id, &params)?;
    let first = asked.behind.is_none();
    let (items, next) = read(&api, &caller, asked).await?;
    if items.is_empty() && first {
        let unknown =
            format!("no message of conversation {id} is among the last {ENTRIES_MAX} messages of the fleet");
        return Err(
            Refusal::new(ErrorCode::NotFound, unknown).hint("GET /v1/conversations lists those there are")
        );
    }
    history::shown(&items, next)
}

/// All messages, or those with one agent or room.
pub(super) async fn messages(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    Params(params): Params<MessagesParams>,
) -> Answered {
    let (items, next) = read(&api, &caller, Asked::try_from(params)?).await?;
    history::shown(&items, next)
}

/// A page of the messages that are chosen, as far as the caller may see them.
async fn read(api: &Api, caller: &Caller, asked: Asked) -> Result<(Vec<Bytes>, Option<Place>), Refusal> {
    let sight = Sight::of(api, caller).await?;
    let limit = asked.limit;
    let chosen = look(api, move |index| index.choose(&sight, &asked)).await?;
    let beyond = chosen.get(limit).map(|chosen| Place::stored(chosen.seq));
    let mut page = PageOf::new(limit, PAGE_BYTES_MAX);
    let mut bodies = stream::iter(chosen)
        .map(|Chosen { seq, done }| async move {
            let body = body_at(api, Stream::Messages, seq).await?;
            Ok::<_, ErrorDetail>((Place::stored(seq), body.map(|body| acknowledged(body, done))))
        })
        .buffered(FETCHES_MAX);
    while let Some(fetched) = bodies.next().await {
        let (place, body) = fetched?;
        // It may have gone from the stream since.
        let Some(body) = body else { continue };
        let length = body.len();
        if !page.push(place, body, length) {
            break;
        }
    }
    let (items, next) = page.finish();
    // Where some have gone the page is not full, though there is more.
    Ok((items, next.or(beyond)))
}

/// Looks at the history, outside the event loop: it may be long.
async fn look<T: Send + 'static>(
    api: &Api,
    look: impl FnOnce(&Index) -> T + Send + 'static,
) -> Result<T, ErrorDetail> {
    reachable(api)?;
    let read = api.past.up_to_date(api).await?;
    spawn_blocking(move || look(&read.index)).await.map_err(|error| {
        let message = format!("the history was not read: {error}");
        ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message)
    })
}
