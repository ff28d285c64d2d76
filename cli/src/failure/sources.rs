//! What errors of other layers mean to the user.

use std::error::Error;
use std::io;

use serde_json::Value;
use wagglebus_client::ClientError;
use wagglebus_nats::config::ConfigError;
use wagglebus_nats::connect::ConnectError;
use wagglebus_nats::context::ContextError;
use wagglebus_nats::error::NoAnswer;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::{Failure, Kind, Report};
use crate::reader::ReadError;

impl From<ErrorDetail> for Failure {
    fn from(detail: ErrorDetail) -> Self {
        let similar: Vec<&str> = match &detail.details {
            Some(details) => details["similar"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            None => Vec::new(),
        };
        let closest = (!similar.is_empty())
            .then(|| format!("did you mean {}? all names: wagglebus agents", similar.join(", ")));
        Self(Box::new(Report {
            kind: Kind::Contract(detail.code),
            what: detail.message,
            why: None,
            fix: detail.hint.or(closest),
            retry_after_ms: detail.retry_after_ms,
            details: detail.details,
        }))
    }
}

/// Exit 5 only where a later try can succeed: everything else needs a person (WIRE, Errors).
impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        if error.heals() {
            return Self::caused(&error).coded(ErrorCode::BusUnreachable);
        }
        if let ConnectError::Auth { .. } = error {
            return Self::caused(&error).coded(ErrorCode::Unauthorized);
        }
        Self::refused(&error)
    }
}

/// A context or variable that cannot be used.
impl From<ContextError> for Failure {
    fn from(error: ContextError) -> Self {
        Self::refused(&error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::refused(&error)
    }
}

/// Of reading streams.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoAnswer(NoAnswer::PermissionDenied) => {
                Self::contract(ErrorCode::Forbidden, error.to_string())
            }
            ReadError::NoAnswer(_) => Self::contract(ErrorCode::BusUnreachable, error.to_string())
                .fix("see what runs: wagglebus doctor"),
            ReadError::Refused(_) => Self::refused(&error),
            ReadError::Answer(_) => Self::failed(error.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let fix = error.hint();
        let kind = error.code().map_or(Kind::Failed, Kind::Contract);
        let why = error
            .source()
            .map(ToString::to_string)
            .filter(|why| !error.to_string().contains(why.as_str()));
        if let ClientError::Refused { detail, .. } = error {
            return (*detail).into();
        }
        let mut failure = Self::new(kind, error.to_string());
        failure.0.why = why;
        failure.0.fix = fix;
        failure
    }
}

/// Of writing output: nothing else in a verb yields a bare `io::Error`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Kind::ReaderGone, "the reader of our output is gone");
        }
        Self::failed("the output cannot be written").why(error.to_string())
    }
}
