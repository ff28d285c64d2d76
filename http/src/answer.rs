//! Answers: JSON, and errors in the form that every interface shares.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use wagglebus_schemas::decode::DecodeError;
use wagglebus_schemas::error::{ErrorBody, ErrorCode, ErrorDetail};

/// A refusal, as it is shown.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: Box<ErrorDetail>,
    close: bool,
}

/// What a handler answers.
pub type Answered = Result<Response, Refusal>;

impl Refusal {
    /// A refusal with an error of its own status.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorDetail::new(code, message).into()
    }

    /// Says how to fix it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    /// Uses a status that the error's code does not have.
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Ends the connection after the answer: the rest of the request was not read.
    pub const fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Why bytes are not the record that they should be.
    pub fn of_decoding(error: &DecodeError) -> Self {
        let code = match error {
            DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
            DecodeError::Json(_) => ErrorCode::InvalidJson,
            DecodeError::Record { .. } => ErrorCode::InvalidMessage,
        };
        Self::new(code, error.to_string())
    }

    /// The error alone, as it is shown where there is no status.
    pub fn into_error(self) -> ErrorDetail {
        *self.error
    }

    /// Which error it is.
    pub const fn code(&self) -> ErrorCode {
        self.error.code
    }
}

impl From<ErrorDetail> for Refusal {
    fn from(mut error: ErrorDetail) -> Self {
        // Every error of a thing that is not there lists close names, maybe none (WIRE, Errors).
        if error.code.status() == 404 {
            let details = error.details.get_or_insert_with(|| json!({}));
            if let Value::Object(details) = details {
                details.entry("similar").or_insert_with(|| json!([]));
            }
        }
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            error: Box::new(error),
            close: false,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let retry_after_ms = self.error.retry_after_ms;
        let unauthorized = self.error.code == ErrorCode::Unauthorized;
        let mut response = json(self.status, &ErrorBody::from(*self.error));
        let headers = response.headers_mut();
        let mut add = |name: HeaderName, value: HeaderValue| {
            headers.insert(name, value);
        };
        if let Some(ms) = retry_after_ms {
            add(header::RETRY_AFTER, ms.div_ceil(1_000).into());
        }
        if unauthorized {
            add(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.close {
            add(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => raw_json(status, bytes.into()),
        // Our answers are structs and maps with text keys, which JSON can always hold.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer that is JSON already.
pub fn raw_json(status: StatusCode, bytes: Bytes) -> Response {
    typed(status, "application/json", bytes)
}

/// An answer of a content type.
pub fn typed(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_refusal_says_in_whole_seconds_when_to_come_again() {
        let error = ErrorDetail::new(ErrorCode::RateLimited, "too much").retry_after_ms(1_001);
        let response = Refusal::from(error).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn what_is_not_found_always_lists_close_names() {
        for code in [
            ErrorCode::NotFound,
            ErrorCode::UnknownAgent,
            ErrorCode::UnknownCapability,
        ] {
            assert_eq!(
                Refusal::new(code, "no").error.details,
                Some(json!({ "similar": [] }))
            );
        }
        let known = ErrorDetail::new(ErrorCode::UnknownAgent, "no").details(json!({ "similar": ["bob"] }));
        assert_eq!(
            Refusal::from(known).error.details,
            Some(json!({ "similar": ["bob"] }))
        );
        assert_eq!(Refusal::new(ErrorCode::LeaseLost, "no").error.details, None);
    }
}
