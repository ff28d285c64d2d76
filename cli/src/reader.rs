//! Reads streams as the inspector: message by message, without a consumer, so nothing at the server knows or keeps that
//! somebody looks.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wagglebus_nats::connect::Connection;
use wagglebus_nats::error::NoAnswer;
use wagglebus_nats::request::request;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// JetStream's own number for "no message at or after this sequence".
const NO_MESSAGE: u64 = 10037;

/// JetStream's own number for "there is no such consumer".
const NO_CONSUMER: u64 = 10014;

/// JetStream's own number for "there is no such stream".
const NO_STREAM: u64 = 10059;

/// A connection of the inspector.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
}

/// A message as it lies in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) subject: String,
    /// When the server stored it, RFC 3339.
    pub(crate) time: String,
    /// `Nats-Msg-Id`.
    pub(crate) msg_id: Option<String>,
    pub(crate) payload: Vec<u8>,
}

/// Where a consumer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Everything up to this sequence of the stream is acknowledged.
    pub(crate) acked: u64,
    /// Everything up to this sequence of the stream was delivered, acknowledged or not.
    pub(crate) delivered: u64,
    /// How many were delivered and not acknowledged: in somebody's hands, or waiting to be delivered again.
    pub(crate) unacked: u64,
    /// Not delivered yet.
    pub(crate) waiting: u64,
    /// Which subjects it takes.
    pub(crate) filters: Vec<String>,
    /// What was noted about it.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the bus does not answer: {0}")]
    NoAnswer(#[from] NoAnswer),
    #[error("the bus says: {0}")]
    Refused(String),
    #[error("the bus gives an answer that is not understood: {0}")]
    Answer(String),
}

#[derive(Deserialize)]
struct Got {
    message: Raw,
}

#[derive(Deserialize)]
struct Raw {
    subject: String,
    seq: u64,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: String,
    time: String,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    config: ConsumerConfig,
    ack_floor: Sequence,
    delivered: Sequence,
    num_ack_pending: u64,
    num_pending: u64,
}

#[derive(Deserialize)]
struct ConsumerConfig {
    filter_subject: Option<String>,
    #[serde(default)]
    filter_subjects: Vec<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Sequence {
    stream_seq: u64,
}

#[derive(Deserialize)]
struct StreamInfo {
    state: StreamState,
}

#[derive(Deserialize)]
struct StreamState {
    first_seq: u64,
    last_seq: u64,
}

/// A stream as the server has it.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamNow {
    pub(crate) config: Map<String, Value>,
    pub(crate) state: Fill,
}

/// How full a stream is.
#[derive(Debug, Deserialize)]
pub(crate) struct Fill {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Reader {
    /// Over a connection of the inspector.
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The first message at or after `from` whose subject matches, if there is one.
    pub(crate) async fn next(
        &self,
        stream: &str,
        from: u64,
        subject: &str,
    ) -> Result<Option<Stored>, ReadError> {
        let body = json!({ "seq": from, "next_by_subj": subject });
        let Some(got) = self
            .ask::<Got>(&format!("STREAM.MSG.GET.{stream}"), &body)
            .await?
        else {
            return Ok(None);
        };
        let Raw {
            subject,
            seq,
            data,
            hdrs,
            time,
        } = got.message;
        let decode = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|error| ReadError::Answer(error.to_string()))
        };
        let headers = decode(&hdrs)?;
        Ok(Some(Stored {
            seq,
            subject,
            time,
            msg_id: msg_id(&String::from_utf8_lossy(&headers)),
            payload: decode(&data)?,
        }))
    }

    /// The sequence of the newest message.
    pub(crate) async fn last_seq(&self, stream: &str) -> Result<u64, ReadError> {
        Ok(*self.sequences(stream).await?.end())
    }

    /// The sequences between which all messages lie; that of the first is beyond that of the last when there are none.
    pub(crate) async fn sequences(&self, stream: &str) -> Result<RangeInclusive<u64>, ReadError> {
        let info = self
            .ask::<StreamInfo>(&format!("STREAM.INFO.{stream}"), &Value::Null)
            .await?;
        let info = info.ok_or_else(|| ReadError::Answer("no stream information".into()))?;
        Ok(info.state.first_seq.max(1)..=info.state.last_seq)
    }

    /// A stream, if there is one.
    pub(crate) async fn stream(&self, stream: &str) -> Result<Option<StreamNow>, ReadError> {
        let answer = self
            .exchange(&format!("STREAM.INFO.{stream}"), &Value::Null)
            .await?;
        let none = serde_json::from_slice::<Value>(&answer)
            .is_ok_and(|value| value.pointer("/error/err_code").and_then(Value::as_u64) == Some(NO_STREAM));
        if none { Ok(None) } else { understand(&answer) }
    }

    /// Where a consumer stands, if there is one.
    pub(crate) async fn position(&self, stream: &str, consumer: &str) -> Result<Option<Position>, ReadError> {
        let info = self
            .ask::<ConsumerInfo>(&format!("CONSUMER.INFO.{stream}.{consumer}"), &Value::Null)
            .await?;
        let Some(info) = info else {
            return Ok(None);
        };
        let ConsumerConfig {
            filter_subject,
            filter_subjects,
            metadata,
        } = info.config;
        Ok(Some(Position {
            acked: info.ack_floor.stream_seq,
            delivered: info.delivered.stream_seq,
            unacked: info.num_ack_pending,
            waiting: info.num_pending,
            filters: filter_subjects.into_iter().chain(filter_subject).collect(),
            metadata,
        }))
    }

    async fn ask<T: DeserializeOwned>(&self, call: &str, body: &Value) -> Result<Option<T>, ReadError> {
        understand(&self.exchange(call, body).await?)
    }

    async fn exchange(&self, call: &str, body: &Value) -> Result<Bytes, ReadError> {
        let session = self
            .connection
            .session_within(ANSWER_WITHIN)
            .await
            .ok_or(NoAnswer::Disconnected)?;
        let payload = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let subject = format!("{}.{call}", self.connection.settings().api_prefix);
        let answer = request(&session, &subject, None, payload, ANSWER_WITHIN).await?;
        Ok(answer.payload)
    }
}

fn understand<T: DeserializeOwned>(payload: &[u8]) -> Result<Option<T>, ReadError> {
    let value: Value =
        serde_json::from_slice(payload).map_err(|error| ReadError::Answer(error.to_string()))?;
    if let Some(error) = value.get("error") {
        let code = error.get("err_code").and_then(Value::as_u64);
        if matches!(code, Some(NO_MESSAGE | NO_CONSUMER)) {
            return Ok(None);
        }
        let description = error
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or("no reason given");
        return Err(ReadError::Refused(description.to_owned()));
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| ReadError::Answer(error.to_string()))
}

fn msg_id(headers: &str) -> Option<String> {
    let value = |line: &str| {
        Some(
            line.split_once(':')
                .filter(|(name, _)| *name == "Nats-Msg-Id")?
                .1
                .trim()
                .to_owned(),
        )
    };
    headers.split("\r\n").find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_server_are_told_apart() {
        let position =
            br#"{"config":{"filter_subjects":["a"]},"delivered":{"consumer_seq":4,"stream_seq":9},"ack_floor":{"consumer_seq":3,"stream_seq":7},"num_ack_pending":0,"num_pending":2,"x":1}"#;
        let position = understand::<ConsumerInfo>(position).unwrap().unwrap();
        assert_eq!(
            (position.ack_floor.stream_seq, position.delivered.stream_seq),
            (7, 9)
        );
        let none = br#"{"type":"x","error":{"code":404,"err_code":10037,"description":"no message found"}}"#;
        assert!(understand::<Got>(none).unwrap().is_none());
        let none = br#"{"error":{"code":404,"err_code":10014,"description":"consumer not found"}}"#;
        assert!(understand::<ConsumerInfo>(none).unwrap().is_none());
        let refused = br#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        assert!(
            matches!(understand::<Got>(refused), Err(ReadError::Refused(why)) if why == "stream not found")
        );
        assert!(matches!(understand::<Got>(b"[]"), Err(ReadError::Answer(_))));
    }

    #[test]
    fn the_message_id_is_found_among_headers() {
        assert_eq!(
            msg_id("NATS/1.0\r\nce-id: 1\r\nNats-Msg-Id: abc\r\n\r\n").as_deref(),
            Some("abc")
        );
        assert_eq!(msg_id("NATS/1.0\r\nX-Nats-Msg-Id: abc\r\n\r\n"), None);
        assert_eq!(msg_id(""), None);
    }
}
