//! The methods of the request/reply API: a query to an answer.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Recipient, RoomName};

use crate::attention::Now;
use crate::effect::RoomChange;
use crate::event::Request;
use crate::resolve::{self, Myself, Resolved};
use crate::rooms;
use crate::roster::{Member, Roster};

/// Longest query in bytes.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Longest answer in bytes; a page that would be longer ends earlier. Half of what an agent's account takes, so that
/// headers and one oversize record still fit.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Items on a page unless said otherwise.
pub const LIMIT_DEFAULT: usize = 50;
/// Most items on a page.
pub const LIMIT_MAX: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentsQuery {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<AgentId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentQuery {
    /// Whom; absent: the asker. `id` is its name in the path of the HTTP form.
    #[serde(default, alias = "id")]
    agent: Option<AgentId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveQuery {
    to: Recipient,
}

/// Answer of `resolve`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ResolveAnswer {
    Agent(Box<Agent>),
    Room(RoomName),
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The encoded answer.
    Body(Vec<u8>),
    /// Something must be done first.
    Later(RoomChange),
}

/// Answers a request with the encoded body, or says what must be done for it.
///
/// # Errors
/// What the caller gets instead: a query that cannot be read, an unknown name, or `coordinator_unavailable` while the
/// enrolments were not listed yet.
pub fn answer(roster: &Roster, myself: &Myself, request: &Request, now: Now) -> Result<Outcome, ErrorDetail> {
    if !roster.is_listed() {
        return Err(ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            "the coordinator is still reading the enrolments",
        )
        .retry_after_ms(500));
    }
    match request.method {
        ApiMethod::Agents => encode(&agents(roster, &query(&request.body)?)?),
        ApiMethod::Agent => {
            let AgentQuery { agent } = query(&request.body)?;
            let agent = agent.unwrap_or_else(|| request.from.clone());
            encode(&resolve::agent(roster, myself, &agent, now)?)
        }
        ApiMethod::Resolve => {
            let ResolveQuery { to } = query(&request.body)?;
            encode(
                &match resolve::resolve(roster, myself, &request.from, &to, now)? {
                    Resolved::Agent(agent) => ResolveAnswer::Agent(agent),
                    Resolved::Room(room) => ResolveAnswer::Room(room),
                },
            )
        }
        ApiMethod::Rooms => encode(&rooms::list(roster, request)?),
        // Answered once it is done.
        ApiMethod::Join => rooms::change(roster, request, true).map(Outcome::Later),
        ApiMethod::Leave => rooms::change(roster, request, false).map(Outcome::Later),
    }
}

/// Reads a query; an empty body is an empty query.
pub(crate) fn query<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, ErrorDetail> {
    let body = if body.is_empty() { b"{}" } else { body };
    decode::record("query", body, QUERY_BYTES_MAX).map_err(|error| {
        let code = match &error {
            DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
            DecodeError::Json(_) => ErrorCode::InvalidJson,
            DecodeError::Record { .. } => ErrorCode::InvalidQuery,
        };
        ErrorDetail::new(code, error.to_string())
    })
}

/// Items on a page.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, ErrorDetail> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ErrorDetail::new(
        ErrorCode::InvalidQuery,
        format!("limit {limit} is out of range: use 1 to {LIMIT_MAX}"),
    ))
}

/// One page; its cursor is the name of its last agent, so that agents that come and go shift nothing.
fn agents(roster: &Roster, query: &AgentsQuery) -> Result<Page<Agent>, ErrorDetail> {
    let limit = limit(query.limit)?;
    let (items, more) = match &query.cursor {
        Some(cursor) => fill(roster.members_after(cursor).map(Member::record), limit),
        None => fill(roster.members().map(Member::record), limit),
    };
    let next_cursor = items.last().filter(|_| more).map(|last| last.agent.to_string());
    Ok(Page { items, next_cursor })
}

/// The items of one page, as many as an answer takes, and whether more follow.
pub(crate) fn fill<T: Serialize>(items: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += serde_json::to_vec(&item).map_or(0, |encoded| encoded.len() + 1);
        if page.len() == limit || (bytes > ANSWER_BYTES_MAX && !page.is_empty()) {
            return (page, true);
        }
        page.push(item);
    }
    (page, false)
}

fn encode<T: Serialize>(answer: &T) -> Result<Outcome, ErrorDetail> {
    encoded(answer).map(Outcome::Body)
}

/// The body of an answer.
pub(crate) fn encoded<T: Serialize>(answer: &T) -> Result<Vec<u8>, ErrorDetail> {
    serde_json::to_vec(answer).map_err(|error| {
        ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            format!("the answer cannot be encoded: {error}"),
        )
    })
}
