//! Errors as every interface of wagglebus reports them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::vocabulary::vocabulary;

vocabulary! {
    /// What went wrong; the same codes on HTTP, stdio, NATS and the command line (WIRE, Errors).
    ErrorCode, "error code" {
        /// The bytes are not acceptable JSON.
        InvalidJson = "invalid_json",
        /// The JSON is not an acceptable record or frame.
        InvalidMessage = "invalid_message",
        /// A query parameter is unknown or out of range.
        InvalidQuery = "invalid_query",
        /// No or a wrong token.
        Unauthorized = "unauthorized",
        /// Not allowed.
        Forbidden = "forbidden",
        /// `from_agent` is somebody else.
        SenderMismatch = "sender_mismatch",
        /// The `Host` header is not ours.
        ForbiddenHost = "forbidden_host",
        /// A browser's cross-origin request.
        ForbiddenOrigin = "forbidden_origin",
        /// Nothing under this id or path.
        NotFound = "not_found",
        /// No agent of this name; `details.similar` lists close ones.
        UnknownAgent = "unknown_agent",
        /// Nobody has this capability; `details.similar` lists close ones.
        UnknownCapability = "unknown_capability",
        /// The lease is wrong or expired.
        LeaseLost = "lease_lost",
        /// The id was used before with another body.
        IdempotencyConflict = "idempotency_conflict",
        /// The machine has no such transition from its state.
        IllegalTransition = "illegal_transition",
        /// An epoch older than the current one.
        StaleEpoch = "stale_epoch",
        /// Another stream reader holds the inbox.
        InboxBusy = "inbox_busy",
        /// Another sidecar holds the agent's lease.
        Fenced = "fenced",
        /// Over a size bound.
        TooLarge = "too_large",
        /// Not `application/json`.
        UnsupportedMediaType = "unsupported_media_type",
        /// No bridge of the recipient proves the level asked for; `details.highest` is the best.
        LevelNotProvable = "level_not_provable",
        /// Too much at once; try again after `retry_after_ms`.
        RateLimited = "rate_limited",
        /// NATS cannot be reached.
        BusUnreachable = "bus_unreachable",
        /// Shutting down.
        Draining = "draining",
        /// No coordinator answers.
        CoordinatorUnavailable = "coordinator_unavailable",
        /// Accepted, but the level asked for was not reached in time; `details.level` is the one reached.
        LevelNotReached = "level_not_reached",
        /// The spool's bound or disk is exhausted.
        SpoolFull = "spool_full",
    }
}

impl ErrorCode {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidJson | Self::InvalidMessage | Self::InvalidQuery => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::SenderMismatch | Self::ForbiddenHost | Self::ForbiddenOrigin => 403,
            Self::NotFound | Self::UnknownAgent | Self::UnknownCapability => 404,
            Self::LeaseLost
            | Self::IdempotencyConflict
            | Self::IllegalTransition
            | Self::StaleEpoch
            | Self::InboxBusy
            | Self::Fenced => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::LevelNotProvable => 422,
            Self::RateLimited => 429,
            Self::BusUnreachable | Self::Draining | Self::CoordinatorUnavailable => 503,
            Self::LevelNotReached => 504,
            Self::SpoolFull => 507,
        }
    }

    /// The exit code of the command line (DESIGN 6).
    pub const fn exit_code(self) -> u8 {
        match self.status() {
            404 => 3,
            504 => 4,
            503 => 5,
            _ => 6,
        }
    }
}

/// What went wrong, why, and how to fix it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[schemars(inline)]
#[error("{message}")]
pub struct ErrorDetail {
    /// What, for programs.
    pub code: ErrorCode,
    /// What and why, for people.
    pub message: String,
    /// How to fix it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When a repeat makes sense, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl ErrorDetail {
    /// An error without hint and details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            retry_after_ms: None,
            details: None,
        }
    }

    /// Adds how to fix it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds data for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds when a repeat makes sense.
    #[must_use]
    pub const fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

/// The envelope of an error on every interface: `{"error":{…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Error")]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

impl From<ErrorDetail> for ErrorBody {
    fn from(error: ErrorDetail) -> Self {
        Self { error }
    }
}
