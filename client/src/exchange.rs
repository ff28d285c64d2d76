//! One request and its answer: kept connections, repeats that are safe, time and size bounds, errors as data.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use wagglebus_schemas::ErrorBody;
use wagglebus_schemas::id::Id;

use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::query::Target;

/// Longest body of an answer, in bytes: 32 messages of the largest size fit.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most idle connections that are kept.
const IDLE_MAX: usize = 16;

/// An answer: what it means, and its very bytes, which may hold fields that we do not know.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    /// What it means.
    pub value: T,
    /// The body as received.
    pub body: Bytes,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) body: Option<Bytes>,
    /// How long the whole exchange may take.
    pub(crate) within: Duration,
    /// Whether a repeat has no effect beyond the first: only then is a broken exchange repeated.
    pub(crate) repeatable: bool,
    /// The id of the message to be sent.
    pub(crate) message: Option<Id>,
}

/// Status and body of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Exchange {
    endpoint: Endpoint,
    idle: Mutex<Vec<Connection>>,
}

impl Exchange {
    /// Dials nothing yet.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            idle: Mutex::default(),
        }
    }

    /// Whom it dials.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The answer with any status.
    pub(crate) async fn reply(&self, call: &Call) -> Result<Reply, ClientError> {
        timeout(call.within, self.attempts(call))
            .await
            .map_err(|_| ClientError::Timeout {
                endpoint: self.endpoint.to_string(),
                request: call.name(),
                within: call.within,
                repeat_as: call.message,
            })?
    }

    /// The body of a good answer.
    pub(crate) async fn ok(&self, call: &Call) -> Result<Bytes, ClientError> {
        let reply = self.reply(call).await?;
        if (200..300).contains(&reply.status) {
            return Ok(reply.body);
        }
        Err(match serde_json::from_slice::<ErrorBody>(&reply.body) {
            Ok(ErrorBody { error }) => ClientError::Refused {
                status: reply.status,
                detail: Box::new(error),
            },
            Err(_) => self.unexpected(
                call,
                format!("status {} without an error that we know", reply.status),
            ),
        })
    }

    /// The meaning of a good answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<Answered<T>, ClientError> {
        let body = self.ok(call).await?;
        let value =
            serde_json::from_slice(&body).map_err(|error| self.unexpected(call, error.to_string()))?;
        Ok(Answered { value, body })
    }

    /// An error about an answer.
    pub(crate) fn unexpected(&self, call: &Call, what: String) -> ClientError {
        ClientError::Protocol {
            endpoint: self.endpoint.to_string(),
            request: call.name(),
            what,
        }
    }

    async fn attempts(&self, call: &Call) -> Result<Reply, ClientError> {
        // A kept connection may have been closed meanwhile. What was certainly not sent, or may be sent twice, goes
        // over a new one; a new one is tried once.
        if let Some(mut kept) = self.take_idle() {
            match kept.exchange(self.request(call)?).await {
                Ok(response) => return self.finish(kept, response, call).await,
                Err(broken) if broken.sent && !call.repeatable => return Err(self.lost(call, broken.source)),
                Err(_) => {}
            }
        }
        let mut fresh = Connection::dial(&self.endpoint)
            .await
            .map_err(|source| ClientError::Connect {
                endpoint: self.endpoint.to_string(),
                source,
            })?;
        match fresh.exchange(self.request(call)?).await {
            Ok(response) => self.finish(fresh, response, call).await,
            Err(broken) => Err(self.lost(call, broken.source)),
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.target.as_str())
            .header(HOST, self.endpoint.authority());
        if let Some(value) = self.endpoint.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(call.body.clone().unwrap_or_default()))
            .map_err(|error| self.unexpected(call, format!("it cannot be asked: {error}")))
    }

    async fn finish(
        &self,
        connection: Connection,
        response: Response<Incoming>,
        call: &Call,
    ) -> Result<Reply, ClientError> {
        let status = response.status().as_u16();
        let body = match Limited::new(response.into_body(), RESPONSE_BYTES_MAX)
            .collect()
            .await
        {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(self.unexpected(call, format!("a body over {RESPONSE_BYTES_MAX} bytes")));
            }
            Err(error) => {
                return Err(match error.downcast::<hyper::Error>() {
                    Ok(source) => self.lost(call, *source),
                    Err(error) => self.unexpected(call, error.to_string()),
                });
            }
        };
        self.keep(connection);
        Ok(Reply { status, body })
    }

    fn lost(&self, call: &Call, source: hyper::Error) -> ClientError {
        ClientError::Lost {
            endpoint: self.endpoint.to_string(),
            request: call.name(),
            source,
            repeat_as: call.message,
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }
}

impl Call {
    /// A read.
    pub(crate) fn get(target: Target, within: Duration) -> Self {
        Self {
            method: Method::GET,
            target,
            body: None,
            within,
            repeatable: true,
            message: None,
        }
    }

    /// A change.
    pub(crate) fn post(target: Target, body: Bytes, within: Duration) -> Self {
        Self {
            method: Method::POST,
            target,
            body: Some(body),
            within,
            repeatable: false,
            message: None,
        }
    }

    /// For error texts: the query is left out.
    fn name(&self) -> String {
        let path = self.target.as_str().split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

#[cfg(test)]
mod tests;
