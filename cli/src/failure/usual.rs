//! What to do about an error whose place said nothing better.

use wagglebus_schemas::error::ErrorCode;

/// The next step by the code alone; none where it depends on what was asked.
pub(super) const fn fix(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::BusUnreachable | ErrorCode::SpoolFull => Some("see what is wrong: wagglebus doctor"),
        ErrorCode::Draining | ErrorCode::CoordinatorUnavailable => {
            Some("try again once all runs: wagglebus status")
        }
        ErrorCode::RateLimited => Some("try again in a moment"),
        ErrorCode::LeaseLost => Some("take it again: wagglebus inbox --take 1"),
        ErrorCode::UnknownAgent | ErrorCode::UnknownCapability => Some("see who is there: wagglebus agents"),
        ErrorCode::Fenced => {
            Some("end the other sidecar of this agent: wagglebus status shows where it runs")
        }
        ErrorCode::StaleEpoch => Some("see who holds it now: wagglebus task ls"),
        ErrorCode::InvalidJson
        | ErrorCode::InvalidMessage
        | ErrorCode::InvalidQuery
        | ErrorCode::Unauthorized
        | ErrorCode::Forbidden
        | ErrorCode::SenderMismatch
        | ErrorCode::ForbiddenHost
        | ErrorCode::ForbiddenOrigin
        | ErrorCode::NotFound
        | ErrorCode::IdempotencyConflict
        | ErrorCode::IllegalTransition
        | ErrorCode::InboxBusy
        | ErrorCode::TooLarge
        | ErrorCode::UnsupportedMediaType
        | ErrorCode::LevelNotProvable
        | ErrorCode::LevelNotReached => None,
    }
}
