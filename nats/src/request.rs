//! One question, one answer.

use std::time::Duration;

use async_nats::{HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;

use crate::connect::Session;
use crate::error::NoAnswer;

/// Asks `subject` within a session and waits for one answer.
///
/// Right for services that answer once: publish acks, consumer info, settlements, the coordinator's API. Never for
/// pulls: the shared reply inbox would leave a mapping at the server for each (TOPOLOGY 4).
///
/// # Errors
/// [`NoAnswer`]; a refused subject is told at once, not after the time.
pub async fn request(
    session: &Session,
    subject: &str,
    headers: Option<HeaderMap>,
    payload: Bytes,
    within: Duration,
) -> Result<Message, NoAnswer> {
    let denial = session.denials().watch();
    let mut request = Request::new().payload(payload).timeout(None);
    if let Some(headers) = headers {
        request = request.headers(headers);
    }
    let answer = async {
        let answer = session.client().send_request(subject.to_owned(), request).await;
        answer.map_err(|error| match error.kind() {
            RequestErrorKind::TimedOut => NoAnswer::Timeout,
            RequestErrorKind::NoResponders => NoAnswer::NoResponders,
            // Subjects and sizes are checked by the callers, so what is left is the end of the session.
            RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => NoAnswer::Disconnected,
        })
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = session.denials().refused(subject, denial) => Err(NoAnswer::PermissionDenied),
        () = tokio::time::sleep(within) => Err(NoAnswer::Timeout),
    }
}
