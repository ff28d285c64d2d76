//! `/v1/conversations` and `GET /v1/messages`: what this agent wrote and read, as far as its spool keeps it.

use axum::extract::State;
use bytes::Bytes;
use wagglebus_http::history::{
    self, Asked, Choice, ConversationParams, ListParams, MessagesParams, Order, PAGE_BYTES_MAX, acknowledged,
};
use wagglebus_http::{Answered, PAGE_SIZE, Params, PathId, Refusal};
use wagglebus_schemas::Message;
use wagglebus_schemas::conversation::{Line, conversations};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::page::{PageOf, Place, page};
use wagglebus_sidecar_core::ledger::Direction;

use super::state::{ApiState, Shared};
use super::walk::Walk;

/// Who took part and since when is known only once all messages of a conversation were read: each page reads all of
/// them, and lends the event loop for a stretch at a time only.
pub(super) async fn list(State(api): Shared, Params(params): Params<ListParams>) -> Answered {
    let asked = Asked::try_from(params)?;
    let mut walk = Walk::new(&api, asked.choice.clone(), None, Direction::Forwards);
    let mut lines = Vec::new();
    while let Some(mut found) = walk.stretch(PAGE_SIZE).await? {
        let choice = asked.choice.clone();
        let read = move || {
            let lines = found.read().filter(|(_, message, _)| takes(&choice, message));
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
    listed.retain(|(place, _)| asked.behind.is_none_or(|behind| *place < behind));
    let (items, next) = page(listed, asked.limit);
    history::page(items, next)
}

/// The messages of a conversation.
pub(super) async fn conversation(
    State(api): Shared,
    PathId(id): PathId,
    Params(params): Params<ConversationParams>,
) -> Answered {
    let asked = Asked::of_conversation(id, &params)?;
    let first = asked.behind.is_none();
    let (items, next) = read(&api, asked).await?;
    if items.is_empty() && first {
        let unknown =
            format!("no message of conversation {id} was sent or received here in the last 48 hours");
        return Err(
            Refusal::new(ErrorCode::NotFound, unknown).hint("GET /v1/conversations lists those there are")
        );
    }
    history::shown(&items, next)
}

/// All messages, or those with one other.
pub(super) async fn messages(State(api): Shared, Params(params): Params<MessagesParams>) -> Answered {
    let (items, next) = read(&api, Asked::try_from(params)?).await?;
    history::shown(&items, next)
}

/// A page of the messages that are chosen, in the order of the stream or against it. It begins at the cursor and ends once
/// it is full, so that all pages together cost one pass over the spool.
async fn read(api: &ApiState, asked: Asked) -> Result<(Vec<Bytes>, Option<Place>), Refusal> {
    let direction = match asked.order {
        Order::Asc => Direction::Forwards,
        Order::Desc => Direction::Backwards,
    };
    let mut walk = Walk::new(api, asked.choice.clone(), asked.behind, direction);
    let mut page = PageOf::new(asked.limit, PAGE_BYTES_MAX);
    // One more than is shown, to know whether there are more.
    while let Some(mut found) = walk.stretch(asked.limit.saturating_add(1)).await? {
        let choice = asked.choice.clone();
        let read = move || {
            for (place, message, body) in found.read() {
                if takes(&choice, &message) {
                    let bytes = acknowledged(body.raw, body.done);
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
    Ok(page.finish())
}

fn takes(choice: &Choice, message: &Message) -> bool {
    choice.takes(message.conversation_id, &message.from_agent, &message.to_agent)
}

fn unread(error: tokio::task::JoinError) -> Refusal {
    Refusal::new(ErrorCode::Draining, format!("the history was not read: {error}"))
}
