//! Queries of the request/reply API, and the pages that answer them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wagglebus_schemas::decode::{self, DecodeError};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

/// Longest query in bytes.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Longest answer in bytes; a page that would be longer ends earlier. Half of what an agent's account takes, so that
/// headers and one oversize record still fit.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Items on a page unless said otherwise.
pub const LIMIT_DEFAULT: usize = 50;
/// Most items on a page.
pub const LIMIT_MAX: usize = 500;

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
