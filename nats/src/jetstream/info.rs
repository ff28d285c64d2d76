//! Where a lane stands.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::JetStream;
use crate::bus::{ConsumerState, LaneRef};
use crate::connect::ANSWER_WITHIN;
use crate::error::InfoError;
use crate::request::request;

/// What we read of JetStream's answer.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<Refusal>,
    #[serde(default)]
    delivered: Position,
    #[serde(default)]
    ack_floor: Position,
    #[serde(default)]
    num_pending: u64,
    #[serde(default)]
    num_ack_pending: u64,
    #[serde(default)]
    num_redelivered: u64,
    #[serde(default)]
    config: Config,
    ts: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u16,
    #[serde(default)]
    description: String,
}

#[derive(Debug, Default, Deserialize)]
struct Position {
    consumer_seq: u64,
    stream_seq: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

pub(super) async fn consumer_info(bus: &JetStream, lane: &LaneRef) -> Result<ConsumerState, InfoError> {
    let subject = bus.api(&format!("CONSUMER.INFO.{}.{}", lane.stream, lane.consumer));
    let asked = async {
        let session = bus.session()?;
        request(&session, &subject, None, Bytes::new(), ANSWER_WITHIN).await
    };
    let answer = asked.await.map_err(|fault| InfoError::NoAnswer {
        lane: lane.clone(),
        fault,
    })?;
    parse(lane, &answer.payload)
}

fn parse(lane: &LaneRef, payload: &[u8]) -> Result<ConsumerState, InfoError> {
    let answer: Answer = serde_json::from_slice(payload).map_err(|error| InfoError::Malformed {
        lane: lane.clone(),
        reason: error.to_string(),
    })?;
    if let Some(refusal) = answer.error {
        return Err(InfoError::Refused {
            lane: lane.clone(),
            code: refusal.err_code,
            text: refusal.description,
        });
    }
    Ok(ConsumerState {
        delivered_stream_seq: answer.delivered.stream_seq,
        delivered_consumer_seq: answer.delivered.consumer_seq,
        ack_floor_stream_seq: answer.ack_floor.stream_seq,
        ack_floor_consumer_seq: answer.ack_floor.consumer_seq,
        num_pending: answer.num_pending,
        num_ack_pending: answer.num_ack_pending,
        num_redelivered: answer.num_redelivered,
        metadata: answer.config.metadata,
        server_time: answer.ts.and_then(|text| text.parse().ok()),
    })
}
