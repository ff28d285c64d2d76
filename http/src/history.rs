//! The paths of the history: which messages are asked for, and how a page of them is shown.

use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::page::{NoCursor, Place};
use wagglebus_schemas::{AgentId, Id, Recipient};

use crate::answer::{Answered, Refusal, json};
use crate::query::{PAGE_LIMITS, PAGE_SIZE, number};

/// Most bytes of the messages of one page, unless a single one is longer: clients read answers up to some bound.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Parameters of the list of conversations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    with: Option<Recipient>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Parameters of the list of messages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagesParams {
    with: Option<Recipient>,
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    order: Order,
}

/// Parameters of the messages of one conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationParams {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    order: Order,
}

/// Which message comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The oldest.
    #[default]
    Asc,
    /// The newest.
    Desc,
}

/// Which messages are meant.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Those of this conversation.
    pub conversation: Option<Id>,
    /// Those with this sender or recipient.
    pub with: Option<Recipient>,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct Asked {
    /// What may be on it.
    pub choice: Choice,
    /// At most so many items.
    pub limit: usize,
    /// Where the page before ended.
    pub behind: Option<Place>,
    /// From which end.
    pub order: Order,
}

impl Choice {
    /// Whether a message is meant.
    pub fn takes(&self, conversation: Id, from: &AgentId, to: &Recipient) -> bool {
        let with = |with: &Recipient| with == to || with.agent() == Some(from);
        self.conversation.is_none_or(|asked| asked == conversation) && self.with.as_ref().is_none_or(with)
    }
}

impl Asked {
    fn new(
        choice: Choice,
        limit: Option<usize>,
        cursor: Option<&str>,
        order: Order,
    ) -> Result<Self, Refusal> {
        let refused = |error: NoCursor| Refusal::new(ErrorCode::InvalidQuery, error.to_string());
        Ok(Self {
            choice,
            limit: number("limit", limit, PAGE_SIZE, PAGE_LIMITS)?,
            behind: cursor.map(str::parse).transpose().map_err(refused)?,
            order,
        })
    }

    /// A page of the messages of a conversation.
    ///
    /// # Errors
    /// When a parameter is out of its bounds.
    pub fn of_conversation(id: Id, params: &ConversationParams) -> Result<Self, Refusal> {
        let choice = Choice {
            conversation: Some(id),
            with: None,
        };
        Self::new(choice, params.limit, params.cursor.as_deref(), params.order)
    }
}

impl TryFrom<MessagesParams> for Asked {
    type Error = Refusal;

    fn try_from(params: MessagesParams) -> Result<Self, Refusal> {
        let choice = Choice {
            conversation: None,
            with: params.with,
        };
        Self::new(choice, params.limit, params.cursor.as_deref(), params.order)
    }
}

/// Conversations are listed with the latest first.
impl TryFrom<ListParams> for Asked {
    type Error = Refusal;

    fn try_from(params: ListParams) -> Result<Self, Refusal> {
        let choice = Choice {
            conversation: None,
            with: params.with,
        };
        Self::new(choice, params.limit, params.cursor.as_deref(), Order::Desc)
    }
}

/// A page of messages, each with its bytes as published.
#[derive(Debug, Serialize)]
struct Messages<'a> {
    items: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

/// Shows messages, and behind which place the next page begins.
///
/// # Errors
/// When the bytes of one are no JSON.
pub fn shown(items: &[Bytes], next: Option<Place>) -> Answered {
    let page = Messages {
        items: items.iter().map(|bytes| raw(bytes)).collect::<Result<_, _>>()?,
        next_cursor: next.map(|place| place.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

/// Shows records, and behind which place the next page begins.
pub fn page<T: Serialize>(items: Vec<T>, next: Option<Place>) -> Answered {
    let next_cursor = next.map(|place| place.to_string());
    Ok(json(StatusCode::OK, &Page { items, next_cursor }))
}

/// JSON as it is, so that fields unknown to us survive. The bytes were decoded before they got here.
///
/// # Errors
/// When they are no JSON all the same.
pub fn raw(bytes: &[u8]) -> Result<&RawValue, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("its bytes are damaged where they are kept: {error}"),
        )
    })
}

/// A message as history shows it: as published, but `acknowledged` once its recipient is done with it.
pub fn acknowledged(bytes: Bytes, done: bool) -> Bytes {
    if !done {
        return bytes;
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("acknowledged".to_owned(), true.into());
            serde_json::to_vec(&fields).map_or(bytes, Bytes::from)
        }
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_changes_nothing_else() {
        let bytes = Bytes::from_static(b"{\"acknowledged\":false,\"unknown\":{\"b\":1}}");
        assert_eq!(acknowledged(bytes.clone(), false), bytes);
        assert_eq!(
            acknowledged(bytes, true),
            "{\"acknowledged\":true,\"unknown\":{\"b\":1}}"
        );
    }

    #[test]
    fn with_means_sender_or_recipient_and_rooms() {
        let name = |text: &str| text.parse::<Recipient>().unwrap();
        let takes = |with: &str, from: &str, to: &str| {
            let choice = Choice {
                conversation: None,
                with: Some(name(with)),
            };
            choice.takes(Id::from_bytes([1; 16]), &from.parse().unwrap(), &name(to))
        };
        assert!(takes("bob", "bob", "alice") && takes("bob", "alice", "bob"));
        assert!(takes("room:ops", "alice", "room:ops") && takes("all", "alice", "all"));
        assert!(!takes("bob", "alice", "carol") && !takes("room:bob", "alice", "bob"));
        let other = Choice {
            conversation: Some(Id::from_bytes([2; 16])),
            with: None,
        };
        let from = "bob".parse().unwrap();
        assert!(!other.takes(Id::from_bytes([1; 16]), &from, &name("alice")));
    }

    #[test]
    fn a_page_is_bounded_and_begins_at_a_cursor() {
        let asked = |limit: Option<usize>, cursor: Option<&str>| {
            let params = MessagesParams {
                with: None,
                limit,
                cursor: cursor.map(str::to_owned),
                order: Order::Desc,
            };
            Asked::try_from(params).map(|asked| (asked.limit, asked.behind, asked.order))
        };
        assert_eq!(asked(None, None).unwrap(), (PAGE_SIZE, None, Order::Desc));
        let place = Place::stored(7);
        assert_eq!(
            asked(Some(500), Some("7.0")).unwrap(),
            (500, Some(place), Order::Desc)
        );
        for (limit, cursor) in [(Some(0), None), (Some(501), None), (None, Some("7"))] {
            let refusal = asked(limit, cursor).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidQuery);
        }
    }
}
