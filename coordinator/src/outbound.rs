//! Answers to the bus.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use serde::Serialize;
use wagglebus_schemas::error::{ErrorBody, ErrorDetail};

/// The headers of a service error (NATS ADR-32).
const ERROR_HEADER: &str = "Nats-Service-Error";
const ERROR_CODE_HEADER: &str = "Nats-Service-Error-Code";

/// How long an answer may wait for room in the connection's queue; its asker has given up by then.
const SEND_WITHIN: Duration = Duration::from_secs(2);

/// Publishes an answer, or an error as body and headers. False when it could not be sent.
pub(crate) async fn answer(client: &Client, to: String, outcome: Result<Vec<u8>, ErrorDetail>) -> bool {
    match outcome {
        Ok(body) => publish(client, to, None, body).await,
        Err(error) => {
            let headers = error_headers(&error);
            record(client, to, Some(headers), &ErrorBody::from(error)).await
        }
    }
}

/// Publishes an empty message. False when it could not be sent.
pub(crate) async fn hint(client: &Client, to: String) -> bool {
    publish(client, to, None, Vec::new()).await
}

/// Publishes a record. False when it could not be sent.
pub(crate) async fn record<T: Serialize>(
    client: &Client,
    to: String,
    headers: Option<HeaderMap>,
    record: &T,
) -> bool {
    match serde_json::to_vec(record) {
        Ok(body) => publish(client, to, headers, body).await,
        Err(_) => false,
    }
}

async fn publish(client: &Client, to: String, headers: Option<HeaderMap>, body: Vec<u8>) -> bool {
    let body = Bytes::from(body);
    let sending = async {
        match headers {
            Some(headers) => client.publish_with_headers(to, headers, body).await,
            None => client.publish(to, body).await,
        }
    };
    matches!(tokio::time::timeout(SEND_WITHIN, sending).await, Ok(Ok(())))
}

fn error_headers(error: &ErrorDetail) -> HeaderMap {
    // The message may quote what the asker sent: nothing of it may end the header line.
    let message: String = error
        .message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut headers = HeaderMap::new();
    headers.insert(ERROR_HEADER, message.as_str());
    headers.insert(ERROR_CODE_HEADER, error.code.status().to_string().as_str());
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::error::ErrorCode;

    #[test]
    fn a_quoted_line_end_does_not_end_the_header() {
        let error = ErrorDetail::new(ErrorCode::InvalidQuery, "no\r\nNats-Msg-Id: x");
        let headers = error_headers(&error);
        assert_eq!(headers.get(ERROR_HEADER).unwrap().as_str(), "no  Nats-Msg-Id: x");
        assert_eq!(headers.get(ERROR_CODE_HEADER).unwrap().as_str(), "400");
    }
}
