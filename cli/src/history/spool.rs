//! History out of an agent's own sidecar: what it sent and was handed in the last 48 hours.

use serde::Deserialize;
use serde_json::Value;
use wagglebus_client::{Client, Paging};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{AgentId, Id, Message, Recipient};

use super::{History, Kept};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::session::Session;

/// Messages of one page; the API gives no more.
const PAGE_MAX: u32 = 500;
/// Pages that are looked at for the response to one question: it is rarely beyond the first.
const PAGES_MAX: usize = 20;

/// The newest messages that the filter takes.
///
/// # Errors
/// When the sidecar does not answer.
pub(super) async fn of(client: &Client, filter: &Filter, limit: usize) -> Result<History, Failure> {
    // One more than is wanted, to know that there are more. What the sidecar cannot choose comes in full pages.
    let enough = limit.saturating_add(1);
    let page_size = if filter.is_with_only() {
        u32::try_from(enough).map_or(PAGE_MAX, |enough| enough.min(PAGE_MAX))
    } else {
        PAGE_MAX
    };
    let mut pages = Pages::new(client, filter.with_agent(), page_size);
    let mut items = Vec::new();
    while items.len() < enough
        && let Some(page) = pages.next().await?
    {
        items.extend(
            page.into_iter()
                .filter(|kept| filter.takes(&kept.message, kept.at)),
        );
    }
    let more = items.len() > limit;
    items.truncate(limit);
    items.reverse();
    Ok(History {
        items,
        more,
        searched_to: None,
    })
}

/// What was sent and received since a message of the agent, the oldest first; `with`: only from or to this agent.
///
/// # Errors
/// When the sidecar does not answer.
pub(crate) async fn since(
    client: &Client,
    (from, id): (&AgentId, Id),
    with: Option<&Recipient>,
) -> Result<Vec<Kept>, Failure> {
    let mut pages = Pages::new(client, with, PAGE_MAX);
    let mut items = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await? else { break };
        let begin = page
            .iter()
            .position(|kept| kept.message.id == id && kept.message.from_agent == *from);
        items.extend(page.into_iter().take(begin.unwrap_or(usize::MAX)));
        if begin.is_some() {
            break;
        }
    }
    items.reverse();
    Ok(items)
}

/// Pages of what a sidecar keeps, from the newest message backwards.
struct Pages<'a> {
    client: &'a Client,
    with: Option<&'a Recipient>,
    size: u32,
    cursor: Option<String>,
    ended: bool,
}

impl<'a> Pages<'a> {
    const fn new(client: &'a Client, with: Option<&'a Recipient>, size: u32) -> Self {
        Self {
            client,
            with,
            size,
            cursor: None,
            ended: false,
        }
    }

    /// The next page, the newest first.
    async fn next(&mut self) -> Result<Option<Vec<Kept>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let paging = Paging {
            cursor: self.cursor.as_deref(),
            newest_first: true,
            limit: Some(self.size),
        };
        let page = self.client.messages(self.with, paging).await?;
        let page: Page = serde_json::from_slice(&page.body).map_err(|error| Failure::caused(&error))?;
        (self.cursor, self.ended) = (page.next_cursor.clone(), page.next_cursor.is_none());
        Ok(Some(page.items.into_iter().filter_map(kept).collect()))
    }
}

/// A page of messages with all their fields.
#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// The message of this id, if the sidecar of who asks knows it.
///
/// # Errors
/// When that sidecar does not answer.
pub(super) async fn find(session: &Session, id: Id) -> Result<Option<Kept>, Failure> {
    match session.client()?.message(id).await {
        Ok(answer) => Ok(kept(serde_json::from_slice(&answer.body).unwrap_or_default())),
        Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn kept(body: Value) -> Option<Kept> {
    let message = Message::deserialize(&body).ok()?;
    let at = message.timestamp;
    Some(Kept { message, body, at })
}
