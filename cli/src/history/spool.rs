//! History out of an agent's own sidecar: what it sent and was handed in the last 48 hours.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;
use wagglebus_client::Client;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{Id, Message};

use super::{History, Kept};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::session::Session;

/// The newest messages that the filter takes.
///
/// # Errors
/// When the sidecar does not answer.
pub(crate) async fn of(client: &Client, filter: &Filter, limit: usize) -> Result<History, Failure> {
    let mut items = VecDeque::new();
    let mut more = false;
    let mut cursor: Option<String> = None;
    loop {
        // Pages begin with the oldest; all of them are one pass over the spool.
        let page = client.messages(filter.with_agent(), cursor.as_deref()).await?;
        let page: Page = serde_json::from_slice(&page.body).map_err(|error| Failure::caused(&error))?;
        let taken = page.items.into_iter().filter_map(kept);
        for kept in taken.filter(|kept| filter.takes(&kept.message, kept.at)) {
            items.push_back(kept);
            if items.len() > limit {
                items.pop_front();
                more = true;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(History {
        items: items.into(),
        more,
        searched_to: None,
    })
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
